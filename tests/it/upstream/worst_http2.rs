//! Each fault at each stage over HTTP/2, where another request shares the connection: the outcome
//! of both, and no leak.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use omneo_id::client::HttpClient;
use omneo_id::{Body, RejectionKind, Upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

use super::in_memory::{Tenant, futures};
use super::staged::http2::{Fault, LARGE, Outcome, faults, serve};
use super::support::{data, get, kind, permitted, tenant};
use super::tenants::{frame, settle};
use crate::support::body::FrameBody;

const HEAD: Duration = Duration::from_secs(10);
const BODY: Duration = Duration::from_secs(20);

/// The keep-alive interval of 15 seconds and its timeout of 10: when a dead connection is detected.
/// The interval begins with the other request.
const DEAD_AFTER: Duration = Duration::from_secs(26);

fn put(length: usize) -> Request<Body> {
    let body = Bytes::from(vec![b'x'; length]);
    permitted(Request::put("/x"))
        .body(Body::from(body))
        .unwrap()
}

/// The outcome, and the time until then.
async fn outcome(
    upstream: Upstream<super::in_memory::Client>,
    fault: &Fault,
) -> (Outcome, Duration) {
    let start = Instant::now();
    let response = upstream.oneshot(put(fault.length)).await.unwrap();
    if response.status() != 200 {
        let outcome = match kind(&response) {
            RejectionKind::TenantAnswer => Outcome::NoResponse,
            RejectionKind::TenantTimeout => Outcome::Timeout,
            other => panic!("{other:?}: {fault:?}"),
        };
        return (outcome, start.elapsed());
    }
    assert_eq!(start.elapsed(), Duration::ZERO, "{}", fault.name);
    let body = response.into_body().collect().await;
    if let Ok(whole) = body {
        assert_eq!(
            fault.outcome,
            Outcome::Complete,
            "{} looks complete",
            fault.name
        );
        assert_eq!(whole.to_bytes(), "hello", "{}", fault.name);
        return (Outcome::Complete, start.elapsed());
    }
    match start.elapsed() {
        Duration::ZERO => (Outcome::Truncated, Duration::ZERO),
        waited => (Outcome::BodyTimeout, waited),
    }
}

async fn check_fault(fault: &Fault, is_kept: bool) {
    let before = Handle::current().metrics().num_alive_tasks();
    let case = format!("{}, {}", fault.name, if is_kept { "kept" } else { "new" });
    let connections = Tenant::default();
    let writes = Arc::new(AtomicUsize::new(0));
    let (end, over) = watch::channel(());
    let (met, taken, script) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::clone(&writes),
        Arc::new(fault.clone()),
    );
    let client = connections.client(
        HttpClient::builder().http2_only(),
        64 * 1024,
        move |mut stream| {
            let (met, writes, fault) = (Arc::clone(&met), Arc::clone(&taken), Arc::clone(&script));
            let over = over.clone();
            async move {
                // The tenant has no fault on further connections.
                if met.fetch_add(1, Ordering::SeqCst) == 0 {
                    serve(&mut stream, &fault, &writes, over).await;
                } else {
                    super::in_memory::http2_tenant(stream).await;
                }
            }
        },
    );
    let upstream = Upstream::new(client, tenant())
        .with_head_timeout(HEAD)
        .with_body_idle_timeout(BODY);
    let send = || async {
        let response = upstream.clone().oneshot(get("/x")).await.unwrap();
        if response.status() == 200 {
            let whole = response.into_body().collect().await.unwrap();
            assert_eq!(whole.to_bytes(), "ok", "beside {case}");
            return None;
        }
        Some(kind(&response))
    };
    if is_kept {
        assert_eq!(send().await, None);
    }
    let start = Instant::now();
    let beside = async {
        for round in 0..20 {
            sleep(Duration::from_secs(if round == 0 { 1 } else { 2 })).await;
            let asked = start.elapsed();
            match send().await {
                None => {}
                Some(kind) => {
                    assert!(
                        fault.blocks_connection(),
                        "{kind:?} beside {case} after {asked:?}"
                    );
                    assert!(asked < DEAD_AFTER, "{kind:?} beside {case} after {asked:?}");
                }
            }
        }
    };
    let failing = outcome(upstream.clone(), fault);
    let ((outcome, waited), ()) = tokio::join!(failing, beside);
    let expected = match fault.outcome {
        Outcome::Timeout => HEAD,
        Outcome::BodyTimeout => BODY,
        Outcome::NoResponse | Outcome::Truncated | Outcome::Complete => Duration::ZERO,
    };
    assert_eq!((outcome, waited), (fault.outcome, expected), "{case}");
    assert_eq!(
        writes.load(Ordering::SeqCst),
        usize::from(fault.is_seen()),
        "{case}"
    );
    drop(upstream);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(connections.open_connections.count(), 0, "{case}");
    drop(end);
    settle().await;
    assert_eq!(
        Handle::current().metrics().num_alive_tasks(),
        before,
        "{case}"
    );
}

#[test]
fn every_fault_over_http2_has_its_response_and_delays_other_requests_briefly() {
    for fault in faults() {
        // A fault before the first request cannot wait for a second one.
        for is_kept in [false, true]
            .into_iter()
            .take(1 + usize::from(fault.is_seen()))
        {
            let mut runtime = Builder::new_current_thread();
            let runtime = runtime.enable_all().start_paused(true).build().unwrap();
            runtime.block_on(check_fault(&fault, is_kept));
        }
    }
}

/// The header and the payload of the next frame of a client.
async fn next_frame(stream: &mut DuplexStream) -> io::Result<([u8; 9], Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await?;
    let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
    stream.read_exact(&mut payload).await?;
    Ok((head, payload))
}

/// Allows unlimited streams at first, then none.
async fn allow_streams_then_none(
    mut stream: DuplexStream,
    heads: Arc<AtomicUsize>,
) -> io::Result<()> {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await?;
    let (settings, headers, ping) = (4, 1, 6);
    stream.write_all(&frame(settings, 0, 0, &[])).await?;
    loop {
        let (head, payload) = next_frame(&mut stream).await?;
        let response = match (head[3], head[4] & 1) {
            (kind, 0) if kind == settings => frame(settings, 1, 0, &[]),
            (kind, 0) if kind == ping => frame(ping, 1, 0, &payload),
            (kind, _) if kind == headers => {
                heads.fetch_add(1, Ordering::SeqCst);
                let no_streams = frame(settings, 0, 0, &[0, 3, 0, 0, 0, 0]);
                [no_streams, frame(headers, 5, head[8], &[0x89])].concat()
            }
            _ => continue,
        };
        stream.write_all(&response).await?;
    }
}

/// A tenant whose first connection allows no streams after one request, and a client with a limit
/// of connections. The second value counts the requests on the first connection.
fn without_streams(
    connections: &Tenant,
    max_connections: usize,
) -> (Upstream<super::in_memory::Client>, Arc<AtomicUsize>) {
    let (heads, met) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
    let (seen, met) = (Arc::clone(&heads), Arc::new(met));
    let builder = HttpClient::builder()
        .http2_only()
        .http2_max_connections(max_connections);
    let client = connections.client(builder, 64 * 1024, move |stream| {
        let (heads, met) = (Arc::clone(&seen), Arc::clone(&met));
        async move {
            match met.fetch_add(1, Ordering::SeqCst) {
                0 => drop(allow_streams_then_none(stream, heads).await),
                _ => super::in_memory::http2_tenant(stream).await,
            }
        }
    });
    let upstream = Upstream::new(client, tenant()).with_head_timeout(HEAD);
    (upstream, heads)
}

#[tokio::test(start_paused = true)]
async fn requests_use_another_connection_at_once_when_one_allows_no_streams() {
    let connections = Tenant::default();
    let (upstream, heads) = without_streams(&connections, 2);
    let first = upstream.clone().oneshot(get("/x")).await.unwrap();
    assert_eq!(first.status(), 204);
    settle().await;
    let start = Instant::now();
    for response in futures((0..10).map(|_| upstream.clone().oneshot(put(4)))).await {
        assert_eq!(response.unwrap().status(), 200);
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!((heads.load(Ordering::SeqCst), connections.opened()), (1, 2));
    // The first connection is dropped after the connect timeout.
    sleep(Duration::from_secs(6)).await;
    assert_eq!(connections.open_connections.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn requests_wait_for_a_further_connection_when_the_only_one_allows_no_streams() {
    let before = Handle::current().metrics().num_alive_tasks();
    let connections = Tenant::default();
    let (upstream, heads) = without_streams(&connections, 1);
    let first = upstream.clone().oneshot(get("/x")).await.unwrap();
    assert_eq!(first.status(), 204);
    settle().await;

    let start = Instant::now();
    let held = Arc::new(());
    let calls = (0..10).map(|_| {
        let body = Body::new(FrameBody::new([data("body")]).with_guard(Arc::clone(&held)));
        let request = permitted(Request::put("/x")).body(body).unwrap();
        upstream.clone().oneshot(request)
    });
    let impatient = futures(calls);
    tokio::time::timeout(Duration::from_secs(2), impatient)
        .await
        .unwrap_err();
    // A dropped request drops its body, which may hold the connection of a client.
    assert_eq!(Arc::strong_count(&held), 1);
    let calls = (0..10).map(|_| upstream.clone().oneshot(put(4)));
    for response in futures(calls).await {
        assert_eq!(response.unwrap().status(), 200);
    }
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    assert_eq!(heads.load(Ordering::SeqCst), 1, "no request is sent late");
    assert_eq!(connections.opened(), 2);
    drop(upstream);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(connections.open_connections.count(), 0);
    assert_eq!(Handle::current().metrics().num_alive_tasks(), before);
}

/// Allows one stream, and none once it is open and the next request waits.
async fn allow_one_stream_then_none(mut stream: DuplexStream) -> io::Result<()> {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await?;
    let (settings, headers) = (4, 1);
    let streams = |number| frame(settings, 0, 0, &[0, 3, 0, 0, 0, number]);
    stream.write_all(&streams(1)).await?;
    loop {
        let (head, _) = next_frame(&mut stream).await?;
        let response = match (head[3], head[4] & 1) {
            (kind, 0) if kind == settings => frame(settings, 1, 0, &[]),
            (kind, _) if kind == headers => {
                sleep(Duration::from_secs(1)).await;
                [streams(0), frame(headers, 5, head[8], &[0x89])].concat()
            }
            _ => continue,
        };
        stream.write_all(&response).await?;
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_stops_allowing_streams_delays_requests_briefly() {
    let connections = Tenant::default();
    let met = Arc::new(AtomicUsize::new(0));
    let builder = HttpClient::builder().http2_only();
    let client = connections.client(builder, 64 * 1024, move |stream| {
        let met = Arc::clone(&met);
        async move {
            match met.fetch_add(1, Ordering::SeqCst) {
                0 => drop(allow_one_stream_then_none(stream).await),
                _ => super::in_memory::http2_tenant(stream).await,
            }
        }
    });
    let upstream = Upstream::new(client, tenant()).with_head_timeout(HEAD);
    let start = Instant::now();
    let calls = (0..3).map(|_| upstream.clone().oneshot(put(4)));
    let responses = futures(calls).await.into_iter();
    let mut statuses: Vec<_> = responses
        .map(|response| response.unwrap().status())
        .collect();
    statuses.sort();
    // One got a response, one failed with its connection, one was retried on another connection.
    assert_eq!(statuses, [200, 204, 502]);
    assert!(
        start.elapsed() <= Duration::from_secs(8),
        "{:?}",
        start.elapsed()
    );
    let next = upstream.oneshot(put(4)).await.unwrap();
    assert_eq!(next.status(), 200);
    assert_eq!(connections.opened(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_unused_connection_does_not_wait_for_the_tenant() {
    let connections = Tenant::default();
    let (end, over) = watch::channel(());
    let builder = HttpClient::builder().http2_only();
    let client = connections.client(builder, 64 * 1024, move |stream| {
        let mut over = over.clone();
        async move {
            // The tenant neither reads nor closes.
            let _ = over.changed().await;
            drop(stream);
        }
    });
    let upstream = Upstream::new(client, tenant()).with_head_timeout(HEAD);
    let response = upstream.oneshot(put(LARGE)).await.unwrap();
    assert_eq!(kind(&response), RejectionKind::TenantTimeout);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(connections.open_connections.count(), 0);
    drop(end);
}
