//! A tenant responds to the head of a request and closes the connection while the body is still
//! being sent. The response reaches the caller over TCP and over TLS, for each kind of close.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use omneo_id::client::HttpClient;
use omneo_id::{Body, Rejection, RejectionKind, Upstream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;
use tower::{Service, ServiceExt, service_fn};

use super::host::{host, with_timeout};
use super::support::{Chunks, kind, permitted, tenant_at};
use super::tenants::Protocol;

const TOO_LARGE: &[u8] =
    b"HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 9\r\n\r\ntoo large";
const TOO_LARGE_UNTIL_EOF: &[u8] = b"HTTP/1.1 413 Content Too Large\r\n\r\ntoo large";

/// How the tenant closes a connection. The body is left unread in all cases.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Close {
    /// `close()`: the unread data makes the kernel send a reset.
    WithUnreadData,
    /// A FIN, then a reset.
    AfterFin,
    /// A FIN only, without further reads.
    FinOnly,
}

const CLOSES: [Close; 3] = [Close::WithUnreadData, Close::AfterFin, Close::FinOnly];

/// A connection of a blocking tenant.
trait Stream: Read + Write {
    fn tcp(&self) -> &TcpStream;

    /// Ends the data in the protocol, if it has such a message.
    fn send_close_notify(&mut self) {}
}

impl Stream for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

#[cfg(feature = "tls")]
impl Stream for rustls::StreamOwned<rustls::ServerConnection, TcpStream> {
    fn tcp(&self) -> &TcpStream {
        &self.sock
    }

    fn send_close_notify(&mut self) {
        self.conn.send_close_notify();
        // Fails if the client has closed already.
        let _ = self.flush();
    }
}

/// Reads to the end of a head.
fn skip_head(stream: &mut impl Stream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    Ok(())
}

/// A tenant on a thread of its own, so that it closes while the client writes. Returns its address.
fn tenant<S, A>(response: &'static [u8], close: Close, accept: A) -> String
where
    S: Stream,
    A: Fn(TcpStream) -> S + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            // A reset discards what Nagle's algorithm holds back.
            stream.set_nodelay(true).unwrap();
            let mut stream = accept(stream);
            skip_head(&mut stream).unwrap();
            stream.write_all(response).unwrap();
            if close != Close::WithUnreadData {
                stream.send_close_notify();
                let _ = stream.tcp().shutdown(Shutdown::Write);
            }
            match close {
                Close::WithUnreadData => {}
                Close::AfterFin => thread::sleep(Duration::from_millis(2)),
                Close::FinOnly => kept.push(stream),
            }
        }
    });
    address
}

/// A body of `size` bytes, with or without a declared length.
fn body(size: usize, is_sized: bool) -> Body {
    if is_sized {
        return Body::from(Full::from(vec![0; size]));
    }
    Body::new(Chunks {
        left: size / 1_000,
        chunk: Bytes::from_static(&[0; 1_000]),
        made: Arc::default(),
    })
}

fn put(body: Body) -> Request<Body> {
    permitted(Request::put("/x")).body(body).unwrap()
}

/// Uploads many times to a tenant that responds 413 and closes. Returns the other results.
async fn other_results<S>(upstream: S, close: Close) -> Vec<String>
where
    S: Service<Request<Body>, Response = http::Response<Body>, Error: std::fmt::Debug> + Clone,
{
    let mut lost = Vec::new();
    for (size, times) in [(50_000, 50), (5_000_000, 20)] {
        for is_sized in [true, false] {
            for _ in 0..times {
                let case = format!("{close:?}, {size} bytes, sized: {is_sized}");
                let call = upstream.clone().oneshot(put(body(size, is_sized)));
                let response = with_timeout(&case, call).await.unwrap();
                let status = response.status();
                let rejection = response.extensions().get::<Rejection>().cloned();
                let whole = with_timeout(&case, response.into_body().collect()).await;
                let text = whole.map(|whole| whole.to_bytes());
                if status != 413 || text.as_deref().ok() != Some(b"too large") {
                    lost.push(format!("{case}: {status}, {text:?}, {rejection:?}"));
                }
            }
        }
    }
    lost
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_response_to_the_head_survives_the_close() {
    for close in CLOSES {
        let address = tenant(TOO_LARGE, close, |stream| stream);
        let tenant = tenant_at(&format!("http://{address}"));
        let upstream = Upstream::new(HttpClient::new().unwrap(), tenant);
        assert_eq!(other_results(upstream, close).await, [""; 0]);
    }
}

#[cfg(feature = "tls")]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_response_over_tls_survives_the_close() {
    use super::tls::{config, connector};

    for close in CLOSES {
        let config = config(&["http/1.1"]);
        let address = tenant(TOO_LARGE, close, move |stream| {
            let session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            rustls::StreamOwned::new(session, stream)
        });
        let tenant = tenant_at(&format!("https://{address}"));
        let client = HttpClient::builder().build_with_connector(connector("127.0.0.1"));
        assert_eq!(
            other_results(Upstream::new(client, tenant), close).await,
            [""; 0]
        );
    }
}

/// A body that ends with its connection is complete only if the connection was not reset.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_body_that_ends_with_its_connection_is_complete_only_after_a_fin() {
    for close in CLOSES {
        let address = tenant(TOO_LARGE_UNTIL_EOF, close, |stream| stream);
        let tenant = tenant_at(&format!("http://{address}"));
        let upstream = Upstream::new(HttpClient::new().unwrap(), tenant);
        for _ in 0..50 {
            let call = upstream.clone().oneshot(put(body(5_000_000, false)));
            let response = with_timeout("the response", call).await.unwrap();
            assert_eq!(response.status(), 413, "{close:?}");
            let body = with_timeout("the body", response.into_body().collect()).await;
            match close {
                Close::WithUnreadData => assert!(body.is_err(), "{close:?}"),
                _ => assert_eq!(body.unwrap().to_bytes(), "too large", "{close:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_close_without_a_response_is_an_error() {
    for close in CLOSES {
        for tenant_response in [&b""[..], b"HTTP/1.1 413 Content T"] {
            let address = tenant(tenant_response, close, |stream| stream);
            let tenant = tenant_at(&format!("http://{address}"));
            let upstream = Upstream::new(HttpClient::new().unwrap(), tenant);
            for _ in 0..20 {
                let call = upstream.clone().oneshot(put(body(5_000_000, true)));
                let response = with_timeout("the refusal", call).await.unwrap();
                assert_eq!(kind(&response), RejectionKind::TenantAnswer, "{close:?}");
            }
        }
    }
}

/// The client of the proxy has sent its head and half of its body when the tenant responds.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_client_that_is_still_uploading_gets_the_response() {
    for close in CLOSES {
        let address = tenant(TOO_LARGE, close, |stream| stream);
        let host = host(&format!("http://{address}"), Protocol::Http1).await;
        for _ in 0..20 {
            let stream = tokio::net::TcpStream::connect(host.trim_start_matches("http://"));
            let (mut response, mut upload) = stream.await.unwrap().into_split();
            let head = b"PUT /x HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n";
            upload.write_all(head).await.unwrap();
            upload.write_all(&[0; 50_000]).await.unwrap();
            let mut read = Vec::new();
            while !read.ends_with(b"too large") {
                let more = with_timeout("the response", response.read_buf(&mut read))
                    .await
                    .unwrap();
                assert_ne!(more, 0, "{close:?}: {}", String::from_utf8_lossy(&read));
            }
            assert!(read.starts_with(b"HTTP/1.1 413"), "{close:?}");
        }
    }
}

/// A connection whose writes fail with this error, and whose reads stay pending.
struct FailingWrites(io::ErrorKind);

impl Connection for FailingWrites {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for FailingWrites {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for FailingWrites {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(self.0.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A transport that never reports the end of its data delays the write error for a bounded time.
#[tokio::test(start_paused = true)]
async fn a_write_error_is_reported_while_a_read_is_pending() {
    for (error, expected) in [
        (io::ErrorKind::BrokenPipe, RejectionKind::TenantAnswer),
        (io::ErrorKind::ConnectionReset, RejectionKind::TenantAnswer),
        (io::ErrorKind::TimedOut, RejectionKind::TenantTimeout),
    ] {
        let connector = service_fn(move |_: Uri| async move {
            Ok::<_, io::Error>(TokioIo::new(FailingWrites(error)))
        });
        let client = HttpClient::builder().build_with_connector(connector);
        let upstream = Upstream::new(client, tenant_at("https://api.acme.test"));
        let limit = Duration::from_secs(9);
        let call = timeout(limit, upstream.oneshot(put(body(5_000, true))));
        let response = call.await.unwrap().unwrap();
        assert_eq!(kind(&response), expected, "{error}");
    }
}
