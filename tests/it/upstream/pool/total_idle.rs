//! The limit of idle connections of all origins together.

use std::time::Duration;

use http::Request;
use omneo_id::client::HttpClient;
use omneo_id::upstream::RequestBody;
use tokio::time::sleep;
use tower::ServiceExt;

use super::super::in_memory::{Client, OK, PAGE, Tenant, futures, respond_with, text};

/// Sends `count` requests to an origin at the same time, then reads their responses.
async fn burst(client: &Client, origin: usize, count: usize) {
    let call = || {
        let request = Request::get(format!("http://tenant-{origin}.test/x"));
        let request = request.body(RequestBody::default()).unwrap();
        client.clone().oneshot(request)
    };
    for response in futures((0..count).map(|_| call())).await {
        assert_eq!(text(response.unwrap()).await, "ok");
    }
}

#[tokio::test(start_paused = true)]
async fn the_idle_connections_of_all_origins_are_limited_together() {
    for (max, expected) in [
        (Some(5), [3, 5, 6, 7]),
        (Some(0), [1, 2, 3, 4]),
        (None, [3, 6, 9, 12]),
    ] {
        let tenant = Tenant::default();
        let mut builder = HttpClient::builder();
        if let Some(max) = max {
            builder = builder.pool_max_idle_total(max);
        }
        let (client, stats) = tenant.client_and_stats(builder, PAGE, respond_with(OK));
        for (origin, idle) in expected.into_iter().enumerate() {
            burst(&client, origin, 3).await;
            // An origin without another idle connection keeps one above the limit.
            assert_eq!(stats().idle, idle, "{max:?}");
            assert_eq!(tenant.open_connections.count(), idle, "{max:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_in_use_or_closed_does_not_count_as_idle() {
    let tenant = Tenant::default();
    let builder = HttpClient::builder()
        .pool_max_idle_total(4)
        .pool_idle_timeout(Duration::from_secs(20));
    let (client, stats) = tenant.client_and_stats(builder, PAGE, respond_with(OK));
    for round in 0..3 {
        for origin in 0..2 {
            // The checkout of idle connections makes room for others.
            for _ in 0..4 {
                burst(&client, origin, 2).await;
            }
        }
        assert_eq!(stats().idle, 4, "{round}");
        // Another origin has room again after the idle timeout.
        sleep(Duration::from_secs(22)).await;
        assert_eq!(stats().idle, 0, "{round}");
        burst(&client, 2 + round, 4).await;
        assert_eq!(stats().idle, 4, "{round}");
        sleep(Duration::from_secs(22)).await;
    }
}

#[test]
fn the_connections_of_a_runtime_that_shuts_down_are_not_counted() {
    let tenant = Tenant::default();
    let builder = HttpClient::builder().pool_max_idle_total(2);
    let (client, stats) = tenant.client_and_stats(builder, PAGE, respond_with(OK));
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(burst(&client, 0, 3));
        assert_eq!(stats().idle, 2);
        drop(runtime);
        assert_eq!(stats().idle, 0);
    }
}
