//! Connection attempts that fail, are dropped or run concurrently.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_failed_further_connection_fails_no_request_while_another_one_is_open() {
    let (tenant, script) = (Tenant::default(), Script::default());
    let (connections, scripted) = (tenant.clone(), script.clone());
    let (client, attempts) = connecting(http2_only(), move |attempt| {
        let (connections, script) = (connections.clone(), scripted.clone());
        async move {
            if attempt > 0 {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let (pipe, tenant_io) = connections.pipe(PAGE, false);
            tokio::spawn(script.serve(tenant_io, |_| settings(1)));
            Ok(pipe)
        }
    });
    let call = || tokio::spawn(client.clone().oneshot(get()));
    let mut calls = vec![call()];
    script.until_seen(1).await;
    settle().await;
    calls.extend((0..20).map(|_| call()));
    settle().await;
    assert_eq!(
        attempts.load(Ordering::SeqCst),
        2,
        "not one for each request"
    );
    for number in 0..21 {
        script.write(0, no_content(1 + 2 * number));
        settle().await;
    }
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), 204);
    }
    assert_eq!(attempts.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_attempt_is_repeated_by_the_next_request() {
    let tenant = Tenant::default();
    let connections = tenant.clone();
    let (client, attempts) = connecting(http2_only(), move |_| {
        let connections = connections.clone();
        async move {
            sleep(Duration::from_secs(1)).await;
            let (pipe, tenant_io) = connections.pipe(PAGE, false);
            tokio::spawn(http2_tenant(tenant_io));
            Ok(pipe)
        }
    });
    let impatient = timeout(Duration::from_millis(500), client.clone().oneshot(get()));
    let patient = futures((0..10).map(|_| client.clone().oneshot(get())));
    let start = Instant::now();
    let (impatient, patient) = tokio::join!(impatient, patient);
    assert!(impatient.is_err());
    for response in patient {
        assert_eq!(text(response.unwrap()).await, "ok");
    }
    assert_eq!(start.elapsed(), Duration::from_millis(1_500));
    assert_eq!(attempts.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn all_requests_that_wait_for_an_attempt_share_its_failure() {
    for (fails_after, expected) in [(1, 1), (3_600, 5)] {
        let (client, attempts) = connecting(http2_only(), move |_| async move {
            sleep(Duration::from_secs(fails_after)).await;
            Err(io::ErrorKind::ConnectionRefused.into())
        });
        let start = Instant::now();
        for response in futures((0..50).map(|_| client.clone().oneshot(get()))).await {
            let error = response.unwrap_err();
            assert!(error.is_connect(), "{error:?}");
        }
        assert_eq!(start.elapsed(), Duration::from_secs(expected));
        assert_eq!(attempts.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn connections_opened_concurrently_are_kept_if_they_are_needed() {
    let tenant = Tenant::default();
    let scripted = ScriptedTenant::new(10, 25);
    let (connections, serving_tenant) = (tenant.clone(), scripted.clone());
    // The protocol of the origin is not known yet, so each request connects.
    let (client, attempts) = connecting(HttpClient::builder(), move |_| {
        let (connections, serving_tenant) = (connections.clone(), serving_tenant.clone());
        async move {
            sleep(Duration::from_millis(100)).await;
            let (pipe, tenant_io) = connections.pipe(PAGE, true);
            tokio::spawn(serving_tenant.serve(tenant_io));
            Ok(pipe)
        }
    });
    assert_eq!(send(&client, "/").await, "ok");
    send_together(&client, 25).await;
    assert_eq!(attempts.load(Ordering::SeqCst), 3);
    assert_eq!(tenant.open_connections.count(), 3);
}
