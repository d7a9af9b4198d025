//! An application on loopback that forwards every request, and clients of it.

use std::convert::Infallible;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use omneo_id::client::HttpClient;
use omneo_id::tenant::AllowForward;
use omneo_id::{Body, Upstream};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tower::ServiceExt;

use super::tenants::{BOTH, Protocol, connections, upstream_to};

/// Each protocol of the client, combined with each of the tenant.
pub(crate) fn ways() -> impl Iterator<Item = (Protocol, Protocol)> {
    BOTH.into_iter()
        .flat_map(|down| BOTH.into_iter().map(move |up| (down, up)))
}

/// Forwards every request to the tenant at `origin`, over its protocol.
pub(crate) async fn host(origin: &str, up: Protocol) -> String {
    serve_upstream(upstream_to(origin, up)).await
}

/// Serves this `Upstream` on loopback.
pub(crate) async fn serve_upstream(upstream: Upstream<HttpClient>) -> String {
    connections(move |stream| {
        let upstream = upstream.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(AllowForward::new());
            let response = upstream.clone().oneshot(request);
            async move { Ok::<_, Infallible>(response.await.unwrap()) }
        });
        async move {
            let server = auto::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        }
    })
    .await
}

/// A client with one connection.
pub(crate) struct Client {
    host: String,
    sender: Sender,
    socket: std::net::TcpStream,
}

#[derive(Clone)]
enum Sender {
    Http1(Arc<Mutex<http1::SendRequest<Body>>>),
    Http2(http2::SendRequest<Body>),
}

impl Client {
    pub(crate) async fn connect(host: &str, protocol: Protocol) -> Self {
        let stream = TcpStream::connect(host.trim_start_matches("http://"));
        let stream = stream.await.unwrap().into_std().unwrap();
        let socket = stream.try_clone().unwrap();
        let stream = TokioIo::new(TcpStream::from_std(stream).unwrap());
        let sender = match protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(stream).await.unwrap();
                tokio::spawn(connection);
                Sender::Http1(Arc::new(sender.into()))
            }
            Protocol::Http2 => {
                let executor = TokioExecutor::new();
                let (sender, connection) = http2::handshake(executor, stream).await.unwrap();
                tokio::spawn(connection);
                Sender::Http2(sender)
            }
        };
        Self {
            host: host.to_owned(),
            sender,
            socket,
        }
    }

    /// Requests `/x`. `request` is a method and headers.
    pub(crate) fn send(
        &self,
        request: http::request::Builder,
        body: Body,
    ) -> impl Future<Output = hyper::Result<Response<Incoming>>> + Send + 'static {
        self.send_to("/x", request, body)
    }

    /// Sends a request for `path`. `request` is a method and headers.
    pub(crate) fn send_to(
        &self,
        path: &'static str,
        request: http::request::Builder,
        body: Body,
    ) -> impl Future<Output = hyper::Result<Response<Incoming>>> + Send + 'static {
        let (host, sender) = (self.host.clone(), self.sender.clone());
        async move {
            match sender {
                Sender::Http1(sender) => {
                    let host = host.trim_start_matches("http://");
                    let request = request.uri(path).header("host", host).body(body);
                    let response = sender.lock().await.send_request(request.unwrap());
                    response.await
                }
                Sender::Http2(mut sender) => {
                    let request = request.uri(format!("{host}{path}")).body(body);
                    sender.send_request(request.unwrap()).await
                }
            }
        }
    }

    /// Closes the connection, also with a request in flight.
    pub(crate) fn close_all(&self) {
        self.socket.shutdown(Shutdown::Both).unwrap();
    }
}

/// Fails if the future hangs.
pub(crate) async fn with_timeout<F: Future>(case: &str, future: F) -> F::Output {
    let limit = Duration::from_secs(10);
    let result = tokio::time::timeout(limit, future).await;
    result.unwrap_or_else(|_| panic!("{case}: it hangs"))
}
