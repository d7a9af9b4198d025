//! A tenant closes an idle connection just as a request is sent on it. A replayable request is
//! retried once on a new connection. Other requests are sent only on connections that the tenant
//! still keeps open.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body::{Frame, SizeHint};
use http_body_util::Full;
use omneo_id::Body;
use omneo_id::client::HttpClient;
use omneo_id::upstream::RequestBody;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::sleep;
use tower::ServiceExt;

use super::early::upload_of;
use super::host::with_timeout;
use super::in_memory::{Client, OK, PAGE, Tenant, head, request, send, text};
use super::support::{Feeder, data, fed, frames};
use super::tenants::settle;

/// The reaction of a tenant to a request.
#[derive(Clone, Copy, Debug)]
enum Step {
    Answer(&'static [u8]),
    /// Reads the request, sends this and closes.
    Close(&'static [u8]),
}

const ANSWER: Step = Step::Answer(OK);
const CLOSE: Step = Step::Close(b"");

/// The requests that a tenant has read, each with its body.
pub(super) type Seen = Arc<Mutex<Vec<String>>>;

/// A tenant that performs one step per request, on any connection.
fn scripted(tenant: &Tenant, steps: &'static [Step]) -> (Client, Seen) {
    let seen = Seen::default();
    let next = Arc::new(AtomicUsize::new(0));
    let record = Arc::clone(&seen);
    let client = tenant.client(HttpClient::builder(), PAGE, move |stream| {
        serve(stream, steps, Arc::clone(&next), Arc::clone(&record))
    });
    (client, seen)
}

async fn serve(
    mut stream: DuplexStream,
    steps: &'static [Step],
    next: Arc<AtomicUsize>,
    seen: Seen,
) {
    while let Some(head) = head(&mut stream).await {
        let body = body(&mut stream, &head).await;
        seen.lock().unwrap().push(format!("{head}{body}"));
        match steps[next.fetch_add(1, Ordering::SeqCst)] {
            Step::Answer(response) => stream.write_all(response).await.unwrap(),
            Step::Close(bytes) => {
                stream.write_all(bytes).await.unwrap();
                return;
            }
        }
    }
}

/// The body that follows this head, without the framing of its chunks.
pub(super) async fn body(stream: &mut DuplexStream, head: &str) -> String {
    let mut body = Vec::new();
    if head.contains("transfer-encoding: chunked") {
        while !body.ends_with(b"0\r\n\r\n") {
            body.push(stream.read_u8().await.unwrap());
        }
        let text = String::from_utf8(body).unwrap();
        return text.split("\r\n").skip(1).step_by(2).collect();
    }
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    body.resize(length.map_or(0, |length| length.parse().unwrap()), 0);
    stream.read_exact(&mut body).await.unwrap();
    String::from_utf8(body).unwrap()
}

fn sized(text: &'static str) -> RequestBody {
    RequestBody::new(Full::new(Bytes::from_static(text.as_bytes())))
}

fn unsized_body() -> RequestBody {
    RequestBody::new(frames([data("some "), data("text")]))
}

pub(super) async fn status(client: &Client, request: Request<RequestBody>) -> Result<u16, String> {
    let response = with_timeout("the response", client.clone().oneshot(request)).await;
    match response {
        Ok(response) => {
            let status = response.status().as_u16();
            text(response).await;
            Ok(status)
        }
        Err(error) => Err(format!("{error:?}")),
    }
}

#[tokio::test]
async fn a_replayable_request_is_retried_once_on_a_new_connection() {
    type Make = fn() -> RequestBody;
    let none: Make = RequestBody::default;
    for (method, body, expected) in [
        ("GET", none, ""),
        ("OPTIONS", none, ""),
        ("DELETE", none, ""),
        ("DELETE", || sized("text"), "text"),
        ("PUT", none, ""),
        ("PUT", || sized("some text"), "some text"),
        ("PUT", unsized_body, "some text"),
        ("GET", || sized("text"), "text"),
    ] {
        let tenant = Tenant::default();
        let (client, seen) = scripted(&tenant, &[ANSWER, CLOSE, ANSWER, ANSWER]);
        assert_eq!(send(&client).await, "ok");
        settle().await;
        assert_eq!(
            status(&client, request(method, body())).await,
            Ok(200),
            "{method}"
        );
        settle().await;
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        assert_eq!(seen.len(), 3, "{method} {expected}");
        assert!(seen[1].starts_with(method));
        assert!(
            seen[1].ends_with(&format!("\r\n\r\n{expected}")),
            "{}",
            seen[1]
        );
        assert_eq!(seen[1], seen[2], "the second attempt is the same request");
        assert_eq!(tenant.opened(), 2);
        // The new connection is idle, and reused.
        assert_eq!(send(&client).await, "ok");
        assert_eq!(tenant.opened(), 2);
    }
}

#[tokio::test]
async fn a_head_request_is_retried_once() {
    let tenant = Tenant::default();
    let no_body = Step::Answer(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n");
    let steps: &'static [Step] = vec![ANSWER, CLOSE, no_body].leak();
    let (client, seen) = scripted(&tenant, steps);
    assert_eq!(send(&client).await, "ok");
    let head = request("HEAD", RequestBody::default());
    assert_eq!(status(&client, head).await, Ok(200));
    assert_eq!(seen.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_post_or_patch_is_sent_once() {
    for method in ["POST", "PATCH", "UNHEARD-OF"] {
        for body in [RequestBody::default, || sized("text")] {
            let tenant = Tenant::default();
            let (client, seen) = scripted(&tenant, &[ANSWER, CLOSE, ANSWER]);
            assert_eq!(send(&client).await, "ok");
            settle().await;
            let error = status(&client, request(method, body())).await.unwrap_err();
            assert!(error.contains("IncompleteMessage"), "{error}");
            settle().await;
            assert_eq!(seen.lock().unwrap().len(), 2, "{method}");
            assert_eq!(tenant.opened(), 1, "{method}");
        }
    }
}

#[tokio::test]
async fn no_request_is_sent_a_third_time() {
    let tenant = Tenant::default();
    let (client, seen) = scripted(&tenant, &[ANSWER, ANSWER, CLOSE, CLOSE, ANSWER]);
    // Two idle connections; the second attempt uses neither.
    let first = client
        .clone()
        .oneshot(request("GET", RequestBody::default()));
    let second = client
        .clone()
        .oneshot(request("GET", RequestBody::default()));
    let (first, second) = tokio::join!(first, second);
    text(first.unwrap()).await;
    text(second.unwrap()).await;
    settle().await;
    assert_eq!((tenant.opened(), tenant.open_connections.count()), (2, 2));
    assert!(
        status(&client, request("PUT", sized("text")))
            .await
            .is_err()
    );
    assert_eq!(seen.lock().unwrap().len(), 4);
    assert_eq!(tenant.opened(), 3);
}

#[tokio::test]
async fn the_close_of_a_new_connection_causes_no_retry() {
    let tenant = Tenant::default();
    let (client, seen) = scripted(&tenant, &[CLOSE, ANSWER]);
    let get = request("GET", RequestBody::default());
    assert!(status(&client, get).await.is_err());
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_request_is_not_retried_after_one_byte_of_a_response() {
    for bytes in [
        &b"H"[..],
        b"HTTP/1.1 200 OK\r\ncontent-length",
        b"HTTP/1.1 102 Processing\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n",
    ] {
        let tenant = Tenant::default();
        let steps: &'static [Step] = vec![ANSWER, Step::Close(bytes), ANSWER].leak();
        let (client, seen) = scripted(&tenant, steps);
        assert_eq!(send(&client).await, "ok");
        let get = request("GET", RequestBody::default());
        assert!(status(&client, get).await.is_err());
        assert_eq!(seen.lock().unwrap().len(), 2);
    }
}

/// Reads `part` bytes of a body and closes the connection. The next connection reads all of it.
fn closing_midway(tenant: &Tenant, part: usize) -> (Client, Seen) {
    let seen = Seen::default();
    let record = Arc::clone(&seen);
    let connections = Arc::new(AtomicUsize::new(0));
    let client = tenant.client(HttpClient::builder(), PAGE, move |mut stream| {
        let record = Arc::clone(&record);
        let number = connections.fetch_add(1, Ordering::SeqCst);
        async move {
            while let Some(head) = head(&mut stream).await {
                if head.starts_with("PUT") && number == 0 {
                    let mut bytes = vec![0; part];
                    stream.read_exact(&mut bytes).await.unwrap();
                    return;
                }
                let body = body(&mut stream, &head).await;
                record.lock().unwrap().push(format!("{head}{body}"));
                stream.write_all(OK).await.unwrap();
            }
        }
    });
    (client, seen)
}

#[tokio::test]
async fn an_upload_continues_on_the_new_connection() {
    let tenant = Tenant::default();
    let (client, seen) = closing_midway(&tenant, 4);
    assert_eq!(send(&client).await, "ok");
    settle().await;
    let (feeder, body) = fed();
    let call = tokio::spawn({
        let client = client.clone();
        async move { status(&client, request("PUT", RequestBody::new(body))).await }
    });
    feed(&feeder, "first ").await;
    feed(&feeder, "second ").await;
    feed(&feeder, "third").await;
    drop(feeder);
    assert_eq!(call.await.unwrap(), Ok(200));
    assert_eq!(tenant.opened(), 2);
    let last = seen.lock().unwrap().pop().unwrap();
    assert!(last.ends_with("\r\n\r\nfirst second third"), "{last}");
}

async fn feed(feeder: &Feeder, text: &'static str) {
    feeder.send(data(text)).await.unwrap();
    settle().await;
}

#[tokio::test]
async fn a_body_that_is_not_recorded_completely_is_sent_once() {
    // Without a declared length, so that an idle connection is reused.
    for (chunks, is_replayed) in [(60, true), (70, false)] {
        let tenant = Tenant::default();
        let (client, seen) = closing_midway(&tenant, chunks * 1_024);
        assert_eq!(send(&client).await, "ok");
        settle().await;
        let put = request("PUT", upload_of(chunks, &[b'x'; 1_024]));
        let response = status(&client, put).await;
        assert_eq!(response.is_ok(), is_replayed, "{chunks}: {response:?}");
        assert_eq!(tenant.opened(), 1 + usize::from(is_replayed));
        if is_replayed {
            let last = seen.lock().unwrap().pop().unwrap();
            assert!(last.ends_with(&"x".repeat(chunks * 1_024)));
        }
    }
}

/// A body of a known length that does not report its end before it is polled again.
struct Declared(Option<Bytes>);

impl http_body::Body for Declared {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|data| Ok(Frame::data(data))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, Bytes::len) as u64)
    }
}

#[tokio::test]
async fn a_finished_upload_frees_its_connection() {
    let tenant = Tenant::default();
    let (client, _) = scripted(&tenant, &[ANSWER; 4]);
    for _ in 0..4 {
        let body = RequestBody::new(Declared(Some(Bytes::from_static(b"some text"))));
        assert_eq!(status(&client, request("PUT", body)).await, Ok(200));
        settle().await;
    }
    assert_eq!(tenant.opened(), 1);
}

/// Waits, then sends a request. Returns how many connections were opened.
async fn opened_after(
    response: &'static [u8],
    idle: Duration,
    second: Request<RequestBody>,
) -> usize {
    let tenant = Tenant::default();
    let builder = HttpClient::builder().pool_idle_timeout(Duration::from_secs(60));
    let client = tenant.client(builder, PAGE, super::in_memory::respond_with(response));
    assert_eq!(send(&client).await, "ok");
    sleep(idle).await;
    assert_eq!(status(&client, second).await, Ok(200));
    tenant.opened()
}

#[tokio::test(start_paused = true)]
async fn a_post_reuses_only_a_connection_that_the_tenant_keeps_open() {
    const SAYS_NOTHING: &[u8] = OK;
    const SAYS_10: &[u8] =
        b"HTTP/1.1 200 OK\r\nkeep-alive: timeout=10, max=100\r\ncontent-length: 2\r\n\r\nok";
    const SAYS_1: &[u8] =
        b"HTTP/1.1 200 OK\r\nKeep-Alive: max=5,Timeout = 1\r\ncontent-length: 2\r\n\r\nok";
    const MALFORMED: &[u8] =
        b"HTTP/1.1 200 OK\r\nkeep-alive: timeout=soon\r\ncontent-length: 2\r\n\r\nok";
    for (response, idle, opened) in [
        (SAYS_NOTHING, 0, 1),
        (SAYS_NOTHING, 3_900, 1),
        (SAYS_NOTHING, 4_000, 2),
        (SAYS_10, 8_900, 1),
        (SAYS_10, 9_000, 2),
        (SAYS_1, 0, 2),
        (MALFORMED, 3_900, 1),
        (MALFORMED, 4_000, 2),
    ] {
        let case = format!("{} after {idle} ms", String::from_utf8_lossy(response));
        let idle = Duration::from_millis(idle);
        for method in [Method::POST, Method::PATCH] {
            let second = request(method.as_str(), sized("text"));
            assert_eq!(opened_after(response, idle, second).await, opened, "{case}");
        }
        // A body that is too long to be recorded.
        let long = request(
            "PUT",
            RequestBody::new(Full::new(Bytes::from(vec![0; 70_000]))),
        );
        assert_eq!(opened_after(response, idle, long).await, opened, "{case}");
        // A replayable request is sent on any connection.
        let get = request("GET", RequestBody::default());
        assert_eq!(opened_after(response, idle, get).await, 1, "{case}");
        let put = request(
            "PUT",
            RequestBody::from(Body::from(Bytes::from_static(b"short"))),
        );
        assert_eq!(opened_after(response, idle, put).await, 1, "{case}");
    }
}
