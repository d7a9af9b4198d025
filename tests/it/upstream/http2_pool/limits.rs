//! SETTINGS, GOAWAY and REFUSED_STREAM.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_lowered_limit_sends_further_requests_to_another_connection() {
    let (tenant, script) = (Tenant::default(), Script::default());
    let client = script.client(&tenant, http2_only(), |_| settings(100));
    let call = || tokio::spawn(client.clone().oneshot(get()));
    let mut calls: Vec<_> = (0..3).map(|_| call()).collect();
    script.until_seen(3).await;
    script.write(0, settings(2));
    settle().await;
    calls.push(call());
    script.until_seen(4).await;
    assert_eq!(script.seen()[3], (1, 1));
    for stream in [1, 3] {
        script.write(0, no_content(stream));
        settle().await;
    }
    calls.push(call());
    script.until_seen(5).await;
    assert_eq!(script.seen()[4], (0, 7), "one of two streams is in use");
    script.write(0, [no_content(5), no_content(7)].concat());
    script.write(1, no_content(1));
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), 204);
    }
}

#[tokio::test(start_paused = true)]
async fn a_raised_limit_sends_waiting_requests() {
    let (tenant, script) = (Tenant::default(), Script::default());
    let builder = http2_only().http2_max_connections(1);
    let client = script.client(&tenant, builder, |_| settings(1));
    let call = || tokio::spawn(client.clone().oneshot(get()));
    let mut calls = vec![call()];
    script.until_seen(1).await;
    settle().await;
    calls.extend((0..3).map(|_| call()));
    settle().await;
    assert_eq!(script.seen(), [(0, 1)]);
    script.write(0, settings(3));
    settle().await;
    assert_eq!(script.seen(), [(0, 1), (0, 3), (0, 5)]);
    script.write(0, [no_content(1), no_content(3), no_content(5)].concat());
    script.until_seen(4).await;
    script.write(0, no_content(7));
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), 204);
    }
    assert_eq!(tenant.opened(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_uses_the_stream_limit_of_another_one() {
    let (tenant, script) = (Tenant::default(), Script::default());
    // The later connections delay their SETTINGS.
    let first = |number| if number == 0 { settings(1) } else { Vec::new() };
    let client = script.client(&tenant, http2_only(), first);
    let call = || tokio::spawn(client.clone().oneshot(get()));
    let mut calls = vec![call()];
    script.until_seen(1).await;
    settle().await;
    calls.extend((0..2).map(|_| call()));
    settle().await;
    assert_eq!(script.seen(), [(0, 1), (1, 1), (2, 1)]);
    for number in 0..3 {
        script.write(number, [settings(1), no_content(1)].concat());
    }
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), 204);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_a_goaway_gets_no_more_requests_and_finishes_its_own() {
    let (tenant, script) = (Tenant::default(), Script::default());
    let client = script.client(&tenant, http2_only(), |_| settings(100));
    let call = || tokio::spawn(client.clone().oneshot(get()));
    let mut calls: Vec<_> = (0..10).map(|_| call()).collect();
    script.until_seen(10).await;
    // Five are processed; the other five are retried.
    script.write(0, goaway(9));
    calls.extend((0..5).map(|_| call()));
    script.until_seen(20).await;
    settle().await;
    let seen = script.seen();
    assert_eq!(seen.iter().filter(|(number, _)| *number == 0).count(), 10);
    assert_eq!(seen.len(), 20);
    script.write(0, (1..=9).step_by(2).flat_map(no_content));
    script.write(1, (1..=19).step_by(2).flat_map(no_content));
    for call in calls {
        let response = timeout(SOON, call).await.unwrap();
        assert_eq!(response.unwrap().unwrap().status(), 204);
    }
    settle().await;
    assert_eq!((tenant.opened(), tenant.open_connections.count()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_is_retried_where_a_stream_is_free() {
    let (tenant, script) = (Tenant::default(), Script::default());
    let client = script.client(&tenant, http2_only(), |_| settings(100));
    let call = || tokio::spawn(client.clone().oneshot(get()));
    let calls: Vec<_> = (0..3).map(|_| call()).collect();
    script.until_seen(3).await;
    // The tenant allows one stream from now on, and refuses the requests that it has not started.
    script.write(0, [settings(1), refused(3), refused(5)].concat());
    script.until_seen(5).await;
    assert_eq!(script.seen()[3..], [(1, 1), (2, 1)]);
    for number in 0..3 {
        script.write(number, no_content(1));
    }
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), 204);
    }
}
