//! Which requests are retried, and which never are.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Uri};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use omneo_id::client::HttpClient;
use omneo_id::{Body, RejectionKind, Upstream};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tower::{ServiceExt, service_fn};

use super::support::{kind, permitted, tenant, text};
use super::tenants::{Protocol, connections, frame, read_head, settle, upstream_to};

fn call(method: &Method, body: &'static str) -> Request<Body> {
    let request = permitted(Request::builder().method(method).uri("/x"));
    let body = match body {
        "" => Body::empty(),
        body => Body::from(Bytes::from_static(body.as_bytes())),
    };
    request.body(body).unwrap()
}

// --- HTTP/1.1: reused connections

/// One end of a connection without a socket: the other end reads its close immediately.
struct Wire(DuplexStream);

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_connection_closed_at_its_reuse_fails_no_request() {
    for (method, body) in [
        (Method::GET, ""),
        (Method::POST, ""),
        (Method::POST, "body"),
    ] {
        let (ends, mut opened) = mpsc::unbounded_channel();
        let connector = service_fn(move |_: Uri| {
            let (client_io, tenant_io) = duplex(64 * 1024);
            ends.send(tenant_io).unwrap();
            async move { Ok::<_, io::Error>(TokioIo::new(Wire(client_io))) }
        });
        let client = HttpClient::builder().build_with_connector(connector);
        let upstream = Upstream::new(client, tenant());
        let mut responses = async || {
            let mut stream = opened.recv().await.unwrap();
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.unwrap();
            let response = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            stream.write_all(response).await.unwrap();
            head.truncate(read);
            (stream, String::from_utf8(head).unwrap())
        };
        let first = upstream.clone().oneshot(call(&method, body));
        let (first, (stream, _)) = tokio::join!(first, responses());
        assert_eq!(text(first.unwrap()).await, "ok");
        settle().await;

        // No task runs in between: the pool still considers the connection open.
        drop(stream);
        let second = upstream.clone().oneshot(call(&method, body));
        let (second, (_stream, head)) = tokio::join!(second, responses());
        let second = second.unwrap();
        assert_eq!(second.status(), 200, "{method} {body}");
        assert_eq!(text(second).await, "ok");
        assert!(head.ends_with(&format!("\r\n\r\n{body}")), "{head}");
        assert!(opened.try_recv().is_err(), "{method}: no third connection");
    }
}

#[tokio::test]
async fn a_post_or_patch_that_was_sent_is_not_retried() {
    let (heads, mut seen) = mpsc::channel(8);
    let origin = connections(move |mut stream| {
        let heads = heads.clone();
        async move {
            // Reads the second request on a connection, and closes without a response.
            let response = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            for response in [&response[..], b""] {
                let Some(head) = read_head(&mut stream).await else {
                    return;
                };
                heads.send(head).await.unwrap();
                stream.write_all(response).await.unwrap();
            }
        }
    })
    .await;
    for method in [Method::POST, Method::PATCH] {
        let upstream = upstream_to(&origin, Protocol::Http1);
        let first = upstream.clone().oneshot(call(&method, "")).await.unwrap();
        assert_eq!(text(first).await, "ok");
        let second = upstream.clone().oneshot(call(&method, "")).await.unwrap();
        assert_eq!(kind(&second), RejectionKind::TenantAnswer);
        settle().await;
        let mut sent = 0;
        while seen.try_recv().is_ok() {
            sent += 1;
        }
        assert_eq!(sent, 2, "{method}");
    }
}

// --- HTTP/2: refused requests

/// Writes the frames of a response to a request on a stream.
type WriteResponse = fn(u8) -> Vec<u8>;

fn refused(stream: u8) -> Vec<u8> {
    frame(3, 0, stream, &[0, 0, 0, 7])
}

fn internal_error(stream: u8) -> Vec<u8> {
    frame(3, 0, stream, &[0, 0, 0, 2])
}

/// A GOAWAY that names no processed stream.
fn goaway_before(_: u8) -> Vec<u8> {
    frame(7, 0, 0, &[0; 8])
}

/// A GOAWAY that names the stream as processed. The response never arrives.
fn goaway_after(stream: u8) -> Vec<u8> {
    frame(7, 0, 0, &[0, 0, 0, stream, 0, 0, 0, 0])
}

fn goaway_with_error(_: u8) -> Vec<u8> {
    frame(7, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 11])
}

fn no_content(stream: u8) -> Vec<u8> {
    // END_STREAM and END_HEADERS; the ninth entry of HPACK's static table is `:status: 204`.
    frame(1, 1 | 4, stream, &[0x89])
}

/// An HTTP/2 tenant that sends the next of these responses to each request, on any connection. A
/// connection ends with a `GOAWAY`.
async fn scripted(responses: &'static [WriteResponse]) -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let origin = connections(move |mut stream| {
        let count = Arc::clone(&count);
        async move {
            let _ = stream.write_all(&frame(4, 0, 0, &[])).await;
            let mut preface = [0; 24];
            let _ = stream.read_exact(&mut preface).await;
            while let Some(id) = next_request(&mut stream).await {
                let response = responses.get(count.fetch_add(1, Ordering::Relaxed));
                let response = response.map_or_else(Vec::new, |response| response(id));
                let _ = stream.write_all(&response).await;
                if response.get(3) == Some(&7) {
                    settle().await;
                    return;
                }
            }
        }
    })
    .await;
    (origin, asked)
}

/// Reads frames until one begins a request.
async fn next_request(stream: &mut TcpStream) -> Option<u8> {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let length = usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await.ok()?;
        if head[3] == 1 {
            return Some(head[8]);
        }
    }
}

#[tokio::test]
async fn a_request_that_an_http2_tenant_refuses_is_retried_once_if_it_is_safe() {
    for (name, responses, method, body, expected, sent) in [
        (
            "refused",
            &[refused as WriteResponse, no_content][..],
            Method::GET,
            "",
            204,
            2,
        ),
        ("refused", &[refused, no_content], Method::HEAD, "", 204, 2),
        (
            "going away",
            &[goaway_before, no_content],
            Method::GET,
            "",
            204,
            2,
        ),
        (
            "refused twice",
            &[refused, refused, no_content],
            Method::GET,
            "",
            502,
            2,
        ),
        (
            "with a body",
            &[refused, no_content],
            Method::GET,
            "body",
            502,
            1,
        ),
        ("a change", &[refused, no_content], Method::POST, "", 502, 1),
        (
            "a change",
            &[goaway_before, no_content],
            Method::DELETE,
            "",
            502,
            1,
        ),
        (
            "a failure",
            &[internal_error, no_content],
            Method::GET,
            "",
            502,
            1,
        ),
        (
            "worked on",
            &[goaway_after, no_content],
            Method::GET,
            "",
            502,
            1,
        ),
        (
            "anger",
            &[goaway_with_error, no_content],
            Method::GET,
            "",
            502,
            1,
        ),
    ] {
        let (origin, asked) = scripted(responses).await;
        let upstream = upstream_to(&origin, Protocol::Http2);
        let response = upstream.oneshot(call(&method, body)).await.unwrap();
        assert_eq!(response.status(), expected, "{name}, {method}");
        assert_eq!(asked.load(Ordering::Relaxed), sent, "{name}, {method}");
    }
}
