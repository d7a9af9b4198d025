//! Tenants on loopback: a hyper server over both protocols, and a scripted socket.

use std::convert::Infallible;
use std::future::Future;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use omneo_id::Upstream;
use omneo_id::client::HttpClient;
use omneo_id::error::BoxError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::support::tenant_at;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

pub(crate) const BOTH: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

pub(crate) fn upstream_to(origin: &str, protocol: Protocol) -> Upstream<HttpClient> {
    let builder = match protocol {
        Protocol::Http1 => HttpClient::builder(),
        Protocol::Http2 => HttpClient::builder().with_http2_only(),
    };
    let client = builder.build().unwrap();
    let tenant = tenant_at(origin);
    client.check_tenant(&tenant).unwrap();
    Upstream::new(client, tenant)
}

/// A tenant that responds with `handler`, over HTTP/1.1 and HTTP/2 with prior knowledge.
pub(crate) async fn serve<H, F, B>(handler: H) -> String
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    connections(move |stream| {
        let handler = handler.clone();
        let service = service_fn(move |request| {
            let answer = handler(request);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        async move {
            let server = auto::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        }
    })
    .await
}

/// A tenant that runs `handler` for each connection.
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

/// A tenant that responds to every request with these bytes. With `close`, it closes the connection
/// after the first one.
pub(crate) async fn raw(answer: impl Into<Bytes>, close: bool) -> String {
    let answer = answer.into();
    connections(move |mut stream| {
        let answer = answer.clone();
        async move {
            while read_head(&mut stream).await.is_some() {
                if stream.write_all(&answer).await.is_err() || close {
                    return;
                }
            }
        }
    })
    .await
}

/// The head of the next request, including the empty line.
pub(crate) async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// Yields until the other tasks of this thread's runtime are idle.
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
