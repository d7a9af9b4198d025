//! Each stream is counted once, from its first frame to its last.

use super::*;

/// One use of a stream, complete or not.
async fn use_stream(client: &Client, scripted: &ScriptedTenant, case: &str) {
    let call = |method, path, body| client.clone().oneshot(request(method, path, body));
    let send = |path| call("GET", path, Body::empty());
    match case {
        "complete" => assert_eq!(text(send("/").await.unwrap()).await, "ok"),
        "no body" => drop(send("/empty").await.unwrap()),
        "empty body" => assert_eq!(text(send("/empty").await.unwrap()).await, ""),
        "not read" => drop(send("/large").await.unwrap()),
        "partly read" => {
            let mut body = send("/large").await.unwrap().into_body();
            body.frame().await.unwrap().unwrap();
        }
        "broken off" => {
            let body = send("/breaks-off").await.unwrap().into_body();
            body.collect().await.unwrap_err();
        }
        "failed" => drop(send("/fails").await.unwrap_err()),
        "not polled" => {
            let mut client = client.clone();
            drop(
                client
                    .ready()
                    .await
                    .unwrap()
                    .call(request("GET", "/never", Body::empty())),
            );
        }
        "dropped before its response" => {
            let arrived = scripted.arrived.load(Ordering::SeqCst);
            let call = tokio::spawn(send("/never"));
            while scripted.arrived.load(Ordering::SeqCst) == arrived {
                tokio::task::yield_now().await;
            }
            call.abort();
            call.await.unwrap_err();
        }
        "uploaded" => {
            let upload = frames([data("some"), data("more")]);
            assert_eq!(text(call("PUT", "/", upload).await.unwrap()).await, "ok");
        }
        "aborted upload" => {
            let upload = frames([data("some"), Err("gone".into())]);
            call("PUT", "/", upload).await.unwrap_err();
        }
        "dropped in mid-upload" => {
            let (feeder, upload) = fed();
            feeder.send(data("some")).await.unwrap();
            let call = tokio::spawn(call("PUT", "/", upload));
            settle().await;
            call.abort();
            call.await.unwrap_err();
        }
        "upload that outlasts its response" => {
            let (feeder, upload) = fed();
            feeder.send(data("some")).await.unwrap();
            assert_eq!(
                text(call("PUT", "/early", upload).await.unwrap()).await,
                "ok"
            );
            feeder.send(data("rest")).await.unwrap();
        }
        other => panic!("{other}"),
    }
}

const CASES: [&str; 13] = [
    "complete",
    "no body",
    "empty body",
    "not read",
    "partly read",
    "broken off",
    "failed",
    "not polled",
    "dropped before its response",
    "uploaded",
    "aborted upload",
    "dropped in mid-upload",
    "upload that outlasts its response",
];

#[tokio::test(start_paused = true)]
async fn a_stream_is_freed_exactly_once_for_each_end_of_a_request() {
    for way in CASES {
        let tenant = Tenant::default();
        let scripted = ScriptedTenant::new(1, 2);
        let client = scripted.client(&tenant, http2_only().http2_max_connections(2));
        assert_eq!(send(&client, "/").await, "ok");
        for _ in 0..3 {
            timeout(SOON, use_stream(&client, &scripted, way))
                .await
                .expect(way);
            settle().await;
        }
        // If the stream was still in use, another connection would be opened.
        assert_eq!(send(&client, "/").await, "ok");
        assert_eq!(tenant.opened(), 1, "{way}");
        // If it was freed twice, both requests would share the connection and never meet.
        send_together(&client, 2).await;
        assert_eq!(tenant.opened(), 2, "{way}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_outlasts_its_response_keeps_its_stream() {
    let tenant = Tenant::default();
    let scripted = ScriptedTenant::new(1, 2);
    let client = scripted.client(&tenant, http2_only());
    assert_eq!(send(&client, "/").await, "ok");
    let (feeder, upload) = fed();
    feeder.send(data("some")).await.unwrap();
    let call = client.clone().oneshot(request("PUT", "/early", upload));
    assert_eq!(text(call.await.unwrap()).await, "ok");
    settle().await;
    assert_eq!(send(&client, "/").await, "ok");
    assert_eq!(tenant.opened(), 2);
    drop(feeder);
    settle().await;
    send_together(&client, 2).await;
    assert_eq!(tenant.opened(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stream_granted_to_a_dropped_request_is_granted_to_the_next() {
    let (tenant, script) = (Tenant::default(), Script::default());
    let builder = http2_only().http2_max_connections(1);
    let client = script.client(&tenant, builder, |_| settings(1));
    let first = tokio::spawn(client.clone().oneshot(get()));
    script.until_seen(1).await;
    settle().await;
    let mut second = Box::pin(client.clone().oneshot(get()));
    assert!(poll_fn(|cx| Poll::Ready(second.as_mut().poll(cx).is_pending())).await);
    let third = tokio::spawn(client.clone().oneshot(get()));
    settle().await;
    script.write(0, no_content(1));
    first.await.unwrap().unwrap();
    settle().await;
    assert_eq!(
        script.seen().len(),
        1,
        "the second has its stream, and is not polled"
    );
    drop(second);
    script.until_seen(2).await;
    script.write(0, no_content(3));
    assert_eq!(third.await.unwrap().unwrap().status(), 204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_dropped_at_any_stage_leak_no_stream() {
    let tenant = Tenant::default();
    let scripted = ScriptedTenant::new(3, 1);
    let builder = http2_only().http2_max_connections(4);
    let serving_tenant = scripted.clone();
    let (client, stats) = tenant.client_and_stats(builder, PAGE, move |stream| {
        serving_tenant.clone().serve(stream)
    });
    let calls = (0..1_000_usize).map(|number| {
        let client = client.clone();
        tokio::spawn(async move {
            let path = ["/", "/empty", "/large", "/breaks-off", "/fails"][number % 5];
            let mut call = pin!(async {
                let body = match number % 3 {
                    0 => Body::from(Bytes::from_static(b"body")),
                    _ => Body::empty(),
                };
                let response = client.oneshot(request("POST", path, body)).await?;
                response.into_body().collect().await
            });
            // Polled a few times, and dropped.
            for _ in 0..number % 50 {
                if poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_ready())).await {
                    return;
                }
                tokio::task::yield_now().await;
            }
            if number % 7 == 0 {
                let _ = call.await;
            }
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    let in_flight = async {
        while stats().idle < stats().open {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, in_flight)
        .await
        .expect("every stream is freed");
    assert!((1..=4).contains(&stats().open), "{:?}", stats());
    assert_eq!(send(&client, "/").await, "ok");
}
