//! Each fault at each stage of a response, with other requests in flight: the response of the table
//! in its time, one write only, and no leak. In memory, with paused time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use omneo_id::client::HttpClient;
use omneo_id::{Body, RejectionKind, Upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

use super::in_memory::{Tenant, futures, head};
use super::staged::http1::{Outcome, faults, inject};
use super::support::{get, kind, permitted, tenant};

const HEAD: Duration = Duration::from_secs(10);
const BODY: Duration = Duration::from_secs(20);
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Counts the writes that arrived completely, by their target.
type Writes = Arc<Mutex<HashMap<String, usize>>>;

async fn serve(mut stream: DuplexStream, writes: Writes) {
    let faults = faults();
    while let Some(head) = head(&mut stream).await {
        let target = head.split(' ').nth(1).unwrap().to_owned();
        if head.starts_with("PUT") {
            let mut body = [0; 4];
            stream.read_exact(&mut body).await.unwrap();
            *writes.lock().unwrap().entry(target.clone()).or_default() += 1;
        }
        let number = target
            .rsplit('/')
            .next()
            .and_then(|last| last.parse::<usize>().ok());
        let Some(fault) = number.map(|number| faults[number]) else {
            stream.write_all(OK.as_bytes()).await.unwrap();
            continue;
        };
        return inject(&mut stream, fault).await;
    }
}

fn put(target: &str) -> Request<Body> {
    let request = permitted(Request::put(target));
    request
        .body(Body::from(Bytes::from_static(b"body")))
        .unwrap()
}

/// The outcome, after the body was read.
async fn outcome(response: Response<Body>) -> Outcome {
    if response.status() != 200 {
        return Outcome::Refused(kind(&response));
    }
    let body = response.into_body().collect().await;
    assert!(body.is_err(), "a truncated response looks complete");
    Outcome::Truncated
}

#[tokio::test(start_paused = true)]
async fn every_fault_has_its_response_and_affects_no_other_request() {
    let before = Handle::current().metrics().num_alive_tasks();
    let connections = Tenant::default();
    let writes = Writes::default();
    let taken = Arc::clone(&writes);
    let client = connections.client(HttpClient::builder(), 64 * 1024, move |stream| {
        serve(stream, Arc::clone(&taken))
    });
    let upstream = Upstream::new(client, tenant())
        .with_head_timeout(HEAD)
        .with_body_idle_timeout(BODY);
    let start = Instant::now();
    let calls = faults()
        .into_iter()
        .enumerate()
        .map(|(number, (bytes, then, expected))| {
            let (upstream, other) = (upstream.clone(), upstream.clone());
            async move {
                let case = format!("{bytes:?}, {then:?}");
                let call = upstream.oneshot(put(&format!("/x/{number}")));
                // Other requests before, during and after the fault.
                let beside = async {
                    for _ in 0..20 {
                        let response = other.clone().oneshot(get("/x")).await.unwrap();
                        assert_eq!(response.status(), 200, "beside {case}");
                        let whole = response.into_body().collect().await.unwrap();
                        assert_eq!(whole.to_bytes(), "ok", "beside {case}");
                        sleep(Duration::from_secs(2)).await;
                    }
                };
                let failing = async { outcome(call.await.unwrap()).await };
                let (outcome, ()) = tokio::join!(failing, beside);
                assert_eq!(outcome, expected, "{case}");
            }
        });
    futures(calls).await;
    // In the time of the other requests: no fault took longer.
    assert_eq!(start.elapsed(), Duration::from_secs(40));
    for (number, (bytes, ..)) in faults().iter().enumerate() {
        let count = writes.lock().unwrap()[&format!("/api/v3/x/{number}")];
        assert_eq!(count, 1, "{bytes:?}");
    }
    drop(upstream);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(connections.open_connections.count(), 0);
    assert_eq!(Handle::current().metrics().num_alive_tasks(), before);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_is_slow_for_a_minute_recovers_with_the_next_request() {
    let connections = Tenant::default();
    let slow_until = Instant::now() + Duration::from_secs(60);
    let client = connections.client(
        HttpClient::builder(),
        64 * 1024,
        move |mut stream| async move {
            while head(&mut stream).await.is_some() {
                if Instant::now() < slow_until {
                    // Longer than any deadline.
                    sleep(HEAD * 2).await;
                }
                if stream.write_all(OK.as_bytes()).await.is_err() {
                    return;
                }
            }
        },
    );
    let upstream = Upstream::new(client, tenant())
        .with_head_timeout(HEAD)
        .with_max_in_flight(50);
    let mut late = 0;
    while Instant::now() < slow_until {
        let start = Instant::now();
        // More than the limit in flight: the others are rejected at once.
        let calls = (0..60).map(|_| upstream.clone().oneshot(get("/x")));
        let responses = futures(calls).await;
        assert_eq!(start.elapsed(), HEAD);
        let of = |wanted| {
            let kinds = responses
                .iter()
                .map(|response| kind(response.as_ref().unwrap()));
            kinds.filter(|kind| *kind == wanted).count()
        };
        assert_eq!(of(RejectionKind::TenantTimeout), 50);
        assert_eq!(of(RejectionKind::TenantBusy), 10);
        late += 50;
        assert_eq!(
            connections.open_connections.count(),
            0,
            "a call that timed out leaves no connection"
        );
    }
    assert_eq!(connections.opened(), late);
    // Afterwards no call is in flight, and requests are served normally.
    let start = Instant::now();
    for response in futures((0..50).map(|_| upstream.clone().oneshot(get("/x")))).await {
        assert_eq!(response.unwrap().status(), 200);
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}
