//! Concurrent connection attempts, changed protocols and unreachable origins.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::Uri;
use omneo_id::client::HttpClient;
use tokio::time::Instant;
use tower::ServiceExt;
use tower::service_fn;

use super::super::host::with_timeout;
use super::super::in_memory::{
    Client, OK, PAGE, Tenant, erase, futures, get, http2_tenant, respond_with, send, text,
};
use super::super::tenants::settle;

#[tokio::test(start_paused = true)]
async fn of_many_first_connections_one_is_kept_if_http2_is_negotiated() {
    let tenant = Tenant::default();
    let connections = tenant.clone();
    let connector = service_fn(move |_: Uri| {
        let (pipe, tenant_io) = connections.pipe(PAGE, true);
        tokio::spawn(http2_tenant(tenant_io));
        async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok::<_, io::Error>(pipe)
        }
    });
    let client = erase(HttpClient::builder().build_with_connector(connector));
    for response in futures((0..20).map(|_| client.clone().oneshot(get()))).await {
        assert_eq!(text(response.unwrap()).await, "ok");
    }
    settle().await;
    assert_eq!(tenant.open_connections.count(), 1);
    let before = tenant.opened();
    for response in futures((0..20).map(|_| client.clone().oneshot(get()))).await {
        assert_eq!(text(response.unwrap()).await, "ok");
    }
    assert_eq!(tenant.opened(), before);
    // An idle HTTP/2 connection is closed, too.
    tokio::time::sleep(Duration::from_secs(25)).await;
    settle().await;
    assert_eq!(tenant.open_connections.count(), 0);
}

/// One step of a scripted connector, for one connection.
#[derive(Clone)]
enum Step {
    Http2,
    /// HTTP/1.1, once this number of connections are being opened concurrently.
    Http1Together(usize),
    Never,
}

fn scripted(tenant: &Tenant, steps: impl IntoIterator<Item = Step>, last: Step) -> Client {
    let steps = Arc::new(Mutex::new(steps.into_iter().collect::<VecDeque<_>>()));
    let tenant = tenant.clone();
    let together = Arc::new(AtomicUsize::new(0));
    let connector = service_fn(move |_: Uri| {
        let step = steps.lock().unwrap().pop_front().unwrap_or(last.clone());
        let (tenant, together) = (tenant.clone(), Arc::clone(&together));
        async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let is_http2 = match step {
                Step::Never => std::future::pending().await,
                Step::Http2 => true,
                Step::Http1Together(count) => {
                    together.fetch_add(1, Ordering::SeqCst);
                    while together.load(Ordering::SeqCst) < count {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    false
                }
            };
            let (pipe, tenant_io) = tenant.pipe(PAGE, is_http2);
            match is_http2 {
                true => tokio::spawn(async move {
                    // The tenant closes after one second.
                    let server = http2_tenant(tenant_io);
                    let _ = tokio::time::timeout(Duration::from_secs(1), server).await;
                }),
                false => tokio::spawn(respond_with(OK)(tenant_io)),
            };
            Ok::<_, io::Error>(pipe)
        }
    });
    erase(HttpClient::builder().build_with_connector(connector))
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_returns_to_http1_is_connected_to_concurrently() {
    let tenant = Tenant::default();
    // The first request learns the protocol. The connector makes the others wait for each other, so
    // that they have to connect concurrently.
    let first = [Step::Http2, Step::Http1Together(1)];
    let client = scripted(&tenant, first, Step::Http1Together(10));
    assert_eq!(send(&client).await, "ok");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(tenant.open_connections.count(), 0);
    let call = futures((0..10).map(|_| client.clone().oneshot(get())));
    for response in with_timeout("ten connections", call).await {
        assert_eq!(text(response.unwrap()).await, "ok");
    }
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_changes_its_protocol_stays_reachable() {
    let tenant = Tenant::default();
    let steps = [
        Step::Http2,
        Step::Http1Together(0),
        Step::Http2,
        Step::Http1Together(0),
        Step::Http2,
    ];
    let client = scripted(&tenant, steps, Step::Http2);
    for _ in 0..5 {
        assert_eq!(send(&client).await, "ok");
        tokio::time::sleep(Duration::from_secs(25)).await;
        assert_eq!(tenant.open_connections.count(), 0);
    }
    assert_eq!(tenant.opened(), 5);
}

#[tokio::test(start_paused = true)]
async fn no_request_waits_longer_than_two_connect_timeouts_for_an_unreachable_origin() {
    let tenant = Tenant::default();
    let client = scripted(&tenant, [Step::Http2], Step::Never);
    assert_eq!(send(&client).await, "ok");
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert_eq!(tenant.open_connections.count(), 0);
    // The impatient calls are dropped just before the connect timeout.
    let start = Instant::now();
    let impatient = (0..5).map(|_| {
        let call = client.clone().oneshot(get());
        tokio::time::timeout(Duration::from_millis(4_900), call)
    });
    let patient = (0..5).map(|_| async {
        let error = client.clone().oneshot(get()).await.unwrap_err();
        assert!(error.is_connect());
        start.elapsed()
    });
    let both = async { tokio::join!(futures(impatient), futures(patient)) };
    let (impatient, patient) = both.await;
    assert!(impatient.iter().all(Result::is_err));
    for waited in patient {
        assert!(waited <= Duration::from_secs(10), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_failure_to_connect_reaches_all_waiting_requests_at_once() {
    let tenant = Tenant::default();
    let client = scripted(&tenant, [Step::Http2], Step::Never);
    assert_eq!(send(&client).await, "ok");
    tokio::time::sleep(Duration::from_secs(25)).await;
    let start = Instant::now();
    let calls = (0..100).map(|_| client.clone().oneshot(get()));
    for response in futures(calls).await {
        assert!(response.unwrap_err().is_connect());
    }
    assert!(start.elapsed() <= Duration::from_secs(10));
}
