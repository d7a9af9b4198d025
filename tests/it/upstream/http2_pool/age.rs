//! The greatest age of a connection with streams in use.

use super::*;

const AGE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_connection_at_the_greatest_age_completes_its_streams_and_takes_no_others() {
    let (tenant, script) = (Tenant::default(), Script::default());
    let builder = http2_only().max_connection_age(AGE);
    let client = script.client(&tenant, builder, |_| settings(100));
    let call = || tokio::spawn(client.clone().oneshot(get()));
    let (first, second) = (call(), call());
    script.until_seen(2).await;
    sleep(AGE + Duration::from_secs(2)).await;
    let third = call();
    script.until_seen(3).await;
    assert_eq!(script.seen(), [(0, 1), (0, 3), (1, 1)]);
    script.write(0, no_content(3));
    script.write(1, no_content(1));
    for call in [second, third] {
        assert_eq!(call.await.unwrap().unwrap().status(), 204);
    }
    settle().await;
    assert_eq!((tenant.opened(), tenant.open_connections.count()), (2, 2));
    script.write(0, no_content(1));
    assert_eq!(first.await.unwrap().unwrap().status(), 204);
    settle().await;
    assert_eq!((tenant.opened(), tenant.open_connections.count()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn connections_at_the_greatest_age_do_not_count_towards_the_limit() {
    let (tenant, script) = (Tenant::default(), Script::default());
    let builder = http2_only()
        .http2_max_connections(1)
        .max_connection_age(AGE);
    let client = script.client(&tenant, builder, |_| settings(1));
    let call = || tokio::spawn(client.clone().oneshot(get()));
    let first = call();
    script.until_seen(1).await;
    // It waits for the stream of the only connection, then opens another one.
    let second = call();
    sleep(AGE + Duration::from_secs(2)).await;
    script.until_seen(2).await;
    assert_eq!(script.seen(), [(0, 1), (1, 1)]);
    for (connection, call) in [(1, second), (0, first)] {
        script.write(connection, no_content(1));
        assert_eq!(call.await.unwrap().unwrap().status(), 204);
    }
}
