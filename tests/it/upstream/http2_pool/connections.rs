//! The number of connections.

use super::*;

#[tokio::test(start_paused = true)]
async fn more_requests_than_a_connection_has_streams_are_in_flight_together() {
    for (streams, requests, connections) in [
        (100, 100, 1),
        (100, 101, 2),
        (100, 250, 3),
        (1_000, 250, 2),
        (1, 16, 16),
    ] {
        let tenant = Tenant::default();
        let scripted = ScriptedTenant::new(streams, requests);
        let client = scripted.client(&tenant, http2_only());
        // The SETTINGS of the tenant are known from here on.
        assert_eq!(send(&client, "/").await, "ok");
        for _ in 0..2 {
            send_together(&client, requests).await;
            // Of 1000 streams, 128 are used.
            let case = format!("{streams} streams, {requests} requests");
            assert_eq!(tenant.opened(), connections, "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_requests_open_as_many_connections_as_they_need() {
    let tenant = Tenant::default();
    let scripted = ScriptedTenant::new(100, 1_000);
    let attempts = Arc::new(AtomicUsize::new(0));
    let (connections, counted, serving_tenant) =
        (tenant.clone(), Arc::clone(&attempts), scripted.clone());
    let connector = service_fn(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        let (connections, serving_tenant) = (connections.clone(), serving_tenant.clone());
        async move {
            sleep(Duration::from_millis(100)).await;
            let (pipe, tenant_io) = connections.pipe(PAGE, false);
            tokio::spawn(serving_tenant.serve(tenant_io));
            Ok::<_, io::Error>(pipe)
        }
    });
    let client = http2_only().build_with_connector(connector);
    let stats = || {
        let stats = client.stats();
        (stats.opened, stats.open, stats.idle)
    };
    let erased = erase(client.clone());
    let call = request("GET", "/meet", Body::empty());
    let caller = erased.clone();
    let meeting = tokio::spawn(async move { send_together(&caller, 999).await });
    sleep(Duration::from_secs(1)).await;
    settle().await;
    assert_eq!(scripted.arrived.load(Ordering::SeqCst), 999);
    assert_eq!(stats(), (10, 10, 0));
    let last = erased.clone().oneshot(call);
    let (met, last) = tokio::join!(meeting, last);
    met.unwrap();
    assert_eq!(text(last.unwrap()).await, "ok");
    assert_eq!(attempts.load(Ordering::SeqCst), 10);
    settle().await;
    assert_eq!(stats(), (10, 10, 10));
    // Sequential requests use one connection. The others are closed once they are idle, and that
    // one at last.
    for _ in 0..10 {
        sleep(Duration::from_secs(5)).await;
        assert_eq!(send(&erased, "/").await, "ok");
    }
    assert_eq!((stats(), tenant.open_connections.count()), ((10, 1, 1), 1));
    sleep(Duration::from_secs(25)).await;
    settle().await;
    assert_eq!((stats(), tenant.open_connections.count()), ((10, 0, 0), 0));
}

#[tokio::test(start_paused = true)]
async fn requests_beyond_all_connections_wait_in_order_for_the_first_free_stream() {
    let (tenant, script) = (Tenant::default(), Script::default());
    let builder = http2_only().http2_max_connections(2);
    let client = script.client(&tenant, builder, |_| settings(1));
    let call = || tokio::spawn(client.clone().oneshot(get()));
    let first = call();
    script.until_seen(1).await;
    settle().await;
    let others: Vec<_> = (0..4).map(|_| call()).collect();
    settle().await;
    assert_eq!(script.seen(), [(0, 1), (1, 1)]);
    for (stream, next) in [(1, 3), (3, 5), (5, 7)] {
        script.write(1, no_content(stream));
        settle().await;
        assert_eq!(script.seen().last(), Some(&(1, next)));
    }
    script.write(1, no_content(7));
    for call in others {
        assert_eq!(call.await.unwrap().unwrap().status(), 204);
    }
    script.write(0, no_content(1));
    assert_eq!(first.await.unwrap().unwrap().status(), 204);
    assert_eq!(tenant.opened(), 2);
}
