//! The greatest age of a connection, over both protocols.

use std::io;
use std::time::Duration;

use http::Uri;
use omneo_id::client::{HttpClient, HttpClientBuilder};
use omneo_id::upstream::RequestBody;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep};
use tower::{ServiceExt, service_fn};

use super::super::in_memory::{
    Client, OK, PAGE, Tenant, erase, futures, get, head, http2_tenant, request, respond_with, send,
    text,
};
use super::super::tenants::{BOTH, Protocol, settle};

const AGE: Duration = Duration::from_secs(60);

/// A client whose connections negotiate `protocol`.
fn client(tenant: &Tenant, builder: HttpClientBuilder, protocol: Protocol) -> Client {
    let tenant = tenant.clone();
    let is_http2 = protocol == Protocol::Http2;
    let connector = service_fn(move |_: Uri| {
        let (pipe, tenant_io) = tenant.pipe(PAGE, is_http2);
        match protocol {
            Protocol::Http1 => tokio::spawn(respond_with(OK)(tenant_io)),
            Protocol::Http2 => tokio::spawn(http2_tenant(tenant_io)),
        };
        async { Ok::<_, io::Error>(pipe) }
    });
    erase(builder.build_with_connector(connector))
}

/// Sends a request at each interval for this time. Returns for how long each connection was the
/// latest.
async fn ages(
    tenant: &Tenant,
    client: &Client,
    interval: Duration,
    time: Duration,
) -> Vec<Duration> {
    let end = Instant::now() + time;
    let (mut ages, mut opened_at) = (Vec::new(), Instant::now());
    assert_eq!(send(client).await, "ok");
    let mut opened = tenant.opened();
    while Instant::now() < end {
        sleep(interval).await;
        assert_eq!(send(client).await, "ok");
        if tenant.opened() > opened {
            opened += 1;
            assert_eq!(tenant.opened(), opened);
            ages.push(opened_at.elapsed());
            opened_at = Instant::now();
        }
    }
    ages
}

#[tokio::test(start_paused = true)]
async fn a_connection_in_steady_use_is_replaced_at_the_greatest_age() {
    for protocol in BOTH {
        for (builder, age) in [
            (HttpClient::builder().max_connection_age(AGE), AGE),
            (HttpClient::builder(), Duration::from_secs(600)),
        ] {
            let tenant = Tenant::default();
            let client = client(&tenant, builder, protocol);
            let interval = age / 60;
            let ages = ages(&tenant, &client, interval, 4 * age).await;
            assert!((4..=5).contains(&ages.len()), "{protocol:?}: {ages:?}");
            // The age is checked every second.
            let range = age * 7 / 8..=age + interval + Duration::from_secs(1);
            for age in ages {
                assert!(range.contains(&age), "{protocol:?}: {age:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_at_the_greatest_age() {
    for protocol in BOTH {
        let tenant = Tenant::default();
        let builder = HttpClient::builder()
            .pool_idle_timeout(10 * AGE)
            .max_connection_age(AGE);
        let client = client(&tenant, builder, protocol);
        assert_eq!(send(&client).await, "ok");
        sleep(AGE * 7 / 8 - Duration::from_secs(1)).await;
        assert_eq!(tenant.open_connections.count(), 1, "{protocol:?}");
        sleep(AGE / 8 + Duration::from_secs(3)).await;
        settle().await;
        assert_eq!(tenant.open_connections.count(), 0, "{protocol:?}");
        assert_eq!(send(&client).await, "ok");
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_longer_than_the_greatest_age_is_complete_and_its_connection_closed() {
    let tenant = Tenant::default();
    let builder = HttpClient::builder().max_connection_age(AGE);
    let client = tenant.client(builder, PAGE, |mut stream| async move {
        while head(&mut stream).await.is_some() {
            let begin = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nbegin";
            stream.write_all(begin).await.unwrap();
            sleep(2 * AGE).await;
            stream.write_all(b"-end!").await.unwrap();
        }
    });
    for opened in 1..=3 {
        assert_eq!(send(&client).await, "begin-end!");
        settle().await;
        assert_eq!(
            (tenant.opened(), tenant.open_connections.count()),
            (opened, 0)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn connections_that_were_opened_together_are_not_closed_together() {
    let tenant = Tenant::default();
    let builder = HttpClient::builder()
        .pool_idle_timeout(10 * AGE)
        .max_connection_age(AGE);
    let client = client(&tenant, builder, Protocol::Http1);
    for response in futures((0..64).map(|_| client.clone().oneshot(get()))).await {
        assert_eq!(text(response.unwrap()).await, "ok");
    }
    sleep(AGE * 7 / 8 - Duration::from_secs(2)).await;
    assert_eq!(tenant.open_connections.count(), 64);
    let mut closed = Vec::new();
    for _ in 0..12 {
        let before = tenant.open_connections.count();
        sleep(Duration::from_secs(1)).await;
        settle().await;
        closed.push(before - tenant.open_connections.count());
    }
    assert_eq!(tenant.open_connections.count(), 0);
    // 64 in 7.5 seconds.
    assert!(closed.iter().all(|count| *count <= 12), "{closed:?}");
}

#[tokio::test(start_paused = true)]
async fn the_greatest_age_can_be_zero_or_unlimited() {
    let hour = Duration::from_secs(3_600);
    for (age, connections) in [(Duration::ZERO, 4), (Duration::MAX, 1)] {
        let tenant = Tenant::default();
        let builder = HttpClient::builder()
            .pool_idle_timeout(2 * hour)
            .max_connection_age(age);
        let client = client(&tenant, builder, Protocol::Http1);
        for _ in 0..4 {
            let response = client
                .clone()
                .oneshot(request("POST", RequestBody::default()));
            assert_eq!(text(response.await.unwrap()).await, "ok");
        }
        assert_eq!(tenant.opened(), connections);
        sleep(hour).await;
        assert_eq!(send(&client).await, "ok");
    }
}
