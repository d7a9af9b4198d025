//! Tenants on loopback: an HTTP server over both protocols, and raw TCP.

use std::convert::Infallible;
use std::future::Future;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use omneo_id::client::HttpClient;
use omneo_id::error::BoxError;
use omneo_id::{Body, Upstream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use super::upstream::{get, tenant_at};

/// The protocol of a connection, with prior knowledge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

pub(crate) const BOTH: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

/// The forwarding service over the real client, which uses this protocol only.
pub(crate) fn upstream_to(origin: &str, protocol: Protocol) -> Upstream<HttpClient> {
    let builder = match protocol {
        Protocol::Http1 => HttpClient::builder(),
        Protocol::Http2 => HttpClient::builder().http2_only(),
    };
    let client = builder.build().unwrap();
    let tenant = tenant_at(origin);
    client.check_scheme(tenant.scheme()).unwrap();
    Upstream::new(client, tenant)
}

/// Forwards `GET /x` through [`upstream_to`].
pub(crate) async fn forward_get(origin: &str, protocol: Protocol) -> Response<Body> {
    let upstream = upstream_to(origin, protocol);
    upstream.oneshot(get("/x")).await.unwrap()
}

/// A tenant that responds with `handler`, over HTTP/1.1 and HTTP/2 with prior knowledge. Returns
/// its origin.
pub(crate) async fn serve<H, F, B>(handler: H) -> String
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    connections(move |stream| {
        let handler = handler.clone();
        let service = service_fn(move |request| {
            let response = handler(request);
            async move { Ok::<_, Infallible>(response.await) }
        });
        async move {
            let server = auto::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        }
    })
    .await
}

/// A raw TCP tenant: `handler` serves each connection. Returns its origin.
pub(crate) async fn connections<H, F>(handler: H) -> String
where
    H: Fn(TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handler(stream));
        }
    });
    origin
}

/// A raw TCP tenant that sends to every request head with these bytes, and closes the connection
/// after the first one if `close` is set.
pub(crate) async fn raw(response: impl Into<Bytes>, close: bool) -> String {
    let response = response.into();
    connections(move |mut stream| {
        let response = response.clone();
        async move {
            while read_head(&mut stream).await.is_some() {
                if stream.write_all(&response).await.is_err() || close {
                    return;
                }
            }
        }
    })
    .await
}

/// The head of the next request, with its empty line.
pub(crate) async fn read_head<S>(stream: &mut S) -> Option<String>
where
    S: AsyncRead + Unpin,
{
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// Yields until all tasks of this thread's runtime are idle. 2000 is far more than any test needs.
pub(crate) async fn settle() {
    for _ in 0..2_000 {
        tokio::task::yield_now().await;
    }
}

/// An HTTP/2 frame of at most 255 bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, stream];
    frame.extend_from_slice(payload);
    frame
}
