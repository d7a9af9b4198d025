//! The limit of idle connections of all origins together.

use std::io;
use std::time::Duration;

use http::{Request, Uri};
use omneo_id::client::HttpClient;
use omneo_id::upstream::RequestBody;
use tokio::time::sleep;
use tower::{ServiceExt, service_fn};

use super::super::in_memory::{
    Client, OK, PAGE, Tenant, erase, futures, http2_tenant, respond_with, text,
};
use super::super::tenants::settle;

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
        (Some(5), [3, 5, 5, 5]),
        (Some(1), [1, 1, 1, 1]),
        (Some(0), [0, 0, 0, 0]),
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
            assert_eq!(stats().idle, idle, "{max:?}");
            assert_eq!(tenant.open_connections.count(), idle, "{max:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn idle_http2_connections_are_limited_together() {
    for (max, expected) in [(Some(2), 2), (Some(0), 0), (None, 5)] {
        let tenant = Tenant::default();
        let mut builder = HttpClient::builder().http2_only();
        if let Some(max) = max {
            builder = builder.pool_max_idle_total(max);
        }
        let (client, stats) = tenant.client_and_stats(builder, PAGE, http2_tenant);
        for origin in 0..5 {
            burst(&client, origin, 3).await;
            settle().await;
        }
        assert_eq!(stats().idle, expected, "{max:?}");
        assert_eq!(stats().open, expected, "{max:?}");
        assert_eq!(tenant.open_connections.count(), expected, "{max:?}");
    }
}

/// The even origins speak HTTP/2, the odd ones HTTP/1.1.
#[tokio::test(start_paused = true)]
async fn both_protocols_share_the_limit_and_the_oldest_idle_connection_is_closed() {
    let tenant = Tenant::default();
    let pipes = tenant.clone();
    let connector = service_fn(move |origin: Uri| {
        let is_http2 = origin
            .host()
            .is_some_and(|host| number(host).is_multiple_of(2));
        let (pipe, tenant_io) = pipes.pipe(PAGE, is_http2);
        match is_http2 {
            true => tokio::spawn(http2_tenant(tenant_io)),
            false => tokio::spawn(respond_with(OK)(tenant_io)),
        };
        async { Ok::<_, io::Error>(pipe) }
    });
    let builder = HttpClient::builder().pool_max_idle_total(3);
    let client = erase(builder.build_with_connector(connector));
    for (origin, opened) in [
        (0, 1),
        (1, 2),
        (2, 3),
        // Reused: 1 is now the oldest.
        (0, 3),
        // 1 is closed, then 2.
        (3, 4),
        (0, 4),
        (4, 5),
        (3, 5),
        (0, 5),
        (4, 5),
        // Both were closed. 3, then 0 are the oldest.
        (1, 6),
        (2, 7),
        (4, 7),
        (1, 7),
        (3, 8),
    ] {
        burst(&client, origin, 1).await;
        settle().await;
        assert_eq!(tenant.opened(), opened, "{origin}");
        assert!(tenant.open_connections.count() <= 3, "{origin}");
    }
}

/// The number in the name of an origin.
fn number(host: &str) -> usize {
    let digits = host.trim_matches(|c: char| !c.is_ascii_digit());
    digits.parse().unwrap()
}

/// The response to each request is held back, so that a connection has a stream in use.
#[tokio::test(start_paused = true)]
async fn an_http2_connection_with_a_stream_in_use_is_not_closed() {
    let tenant = Tenant::default();
    let builder = HttpClient::builder().http2_only().pool_max_idle_total(1);
    let (client, stats) = tenant.client_and_stats(builder, PAGE, http2_tenant);
    let mut unread = Vec::new();
    for origin in 0..3 {
        let request = Request::get(format!("http://tenant-{origin}.test/x"));
        let request = request.body(RequestBody::default()).unwrap();
        unread.push(client.clone().oneshot(request).await.unwrap());
    }
    settle().await;
    assert_eq!((stats().open, stats().idle), (3, 0));
    // Each of them becomes idle in turn, and replaces the one before it.
    for (read, response) in unread.into_iter().enumerate() {
        assert_eq!(text(response).await, "ok");
        settle().await;
        assert_eq!((stats().open, stats().idle), (3 - read, 1));
    }
    assert_eq!(tenant.open_connections.count(), 1);
    burst(&client, 2, 1).await;
    assert_eq!(tenant.opened(), 3, "the newest is kept");
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
            // A connection that is in use leaves room for others.
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
