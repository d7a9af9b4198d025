//! How much an HTTP/1.1 connection to the tenant buffers in each direction.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Uri;
use http_body_util::BodyExt;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use omneo_id::RejectionKind;
use omneo_id::client::HttpClient;
use omneo_id::upstream::RequestBody;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower::{ServiceExt, service_fn};

use super::in_memory::{Client, erase, get, request};
use super::support::{Chunks, kind};
use super::tenants::{Protocol, raw, settle, upstream_to};

/// The bound of each buffer. hyper reads into all of the spare capacity of a buffer, which may be
/// twice that.
const BUFFER: usize = 64 * 1024;
const FRAME: usize = 16 * 1024;

/// A tenant that accepts a number of bytes and sends an endless response as fast as it is read.
struct Endless {
    // `None` without a response.
    head: Option<&'static [u8]>,
    accepts: usize,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    sent: AtomicUsize,
    accepted: AtomicUsize,
}

impl Connection for Endless {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Endless {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.counts.accepted.load(Ordering::SeqCst) == 0 {
            return Poll::Pending;
        }
        let Some(head) = self.head else {
            return Poll::Pending;
        };
        self.head = Some(b"");
        buffer.put_slice(head);
        if head.is_empty() {
            let size = buffer.remaining();
            buffer.initialize_unfilled();
            buffer.advance(size);
            self.counts.sent.fetch_add(size, Ordering::SeqCst);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Endless {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let accepted = self.counts.accepted.load(Ordering::SeqCst);
        match bytes.len().min(self.accepts - accepted) {
            0 => Poll::Pending,
            size => {
                // The response can be read from now on.
                cx.waker().wake_by_ref();
                self.counts.accepted.fetch_add(size, Ordering::SeqCst);
                Poll::Ready(Ok(size))
            }
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.iter().find(|slice| !slice.is_empty());
        self.poll_write(cx, first.map_or(&[], |slice| slice))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn client(head: Option<&'static [u8]>, accepts: usize) -> (Client, Arc<Counts>) {
    let counts = Arc::<Counts>::default();
    let counted = Arc::clone(&counts);
    let connector = service_fn(move |_: Uri| {
        let counts = Arc::clone(&counted);
        async move {
            Ok::<_, io::Error>(TokioIo::new(Endless {
                head,
                accepts,
                counts,
            }))
        }
    });
    let client = HttpClient::builder().build_with_connector(connector);
    (erase(client), counts)
}

/// The reader is fast at first, so that hyper enlarges its buffer, and then stops. A frame is as
/// long as one read.
#[tokio::test]
async fn a_response_is_buffered_within_the_bound() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n";
    let (client, counts) = client(Some(head), usize::MAX);
    let mut body = client.oneshot(get()).await.unwrap().into_body();
    let (mut read, mut longest) = (0, 0);
    for _ in 0..200 {
        let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
        read += data.len();
        longest = longest.max(data.len());
    }
    settle().await;
    let held = counts.sent.load(Ordering::SeqCst) - read;
    assert!(held <= 2 * BUFFER, "{held} bytes");
    assert!(
        (BUFFER / 2..=2 * BUFFER).contains(&longest),
        "{longest} bytes"
    );
}

#[tokio::test]
async fn an_upload_that_is_not_accepted_is_buffered_within_the_bound() {
    let (client, counts) = client(None, 1_000_000);
    let made = Arc::new(AtomicUsize::new(0));
    let chunks = Chunks {
        left: 1_000,
        chunk: Bytes::from(vec![b'x'; FRAME]),
        made: Arc::clone(&made),
    };
    let put = request("PUT", RequestBody::new(chunks));
    let call = tokio::spawn(client.oneshot(put));
    settle().await;
    assert_eq!(counts.accepted.load(Ordering::SeqCst), 1_000_000);
    let held = made.load(Ordering::SeqCst) * FRAME - 1_000_000;
    // The last frame that fits may exceed the bound, and another one is framed meanwhile.
    assert!(held <= BUFFER + 2 * FRAME, "{held} bytes");
    call.abort();
}

#[tokio::test]
async fn a_response_head_longer_than_the_bound_is_rejected() {
    for (size, expected) in [(60_000, None), (200_000, Some(RejectionKind::TenantAnswer))] {
        let long = "x".repeat(size);
        let tenant_response =
            format!("HTTP/1.1 200 OK\r\nx-long: {long}\r\ncontent-length: 2\r\n\r\nok");
        let upstream = upstream_to(&raw(tenant_response, false).await, Protocol::Http1);
        let response = upstream.oneshot(super::support::get("/x")).await.unwrap();
        match expected {
            None => assert_eq!(response.headers()["x-long"], long),
            Some(expected) => assert_eq!(kind(&response), expected),
        }
    }
}
