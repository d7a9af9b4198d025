//! Several HTTP/2 connections to one tenant: how many are opened, which one a request uses, and
//! that each stream is counted from its first frame to its last.

mod age;
mod connecting;
mod connections;
mod limits;
mod streams;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn as hyper_service;
use hyper_util::rt::{TokioExecutor, TokioIo};
use omneo_id::Body;
use omneo_id::client::{HttpClient, HttpClientBuilder};
use omneo_id::upstream::RequestBody;
use tokio::io::DuplexStream;
use tokio::sync::Barrier;
use tokio::time::{Instant, sleep, timeout};
use tower::{Service, ServiceExt, service_fn};

use super::http2_script::{Script, goaway, no_content, refused, settings};
use super::in_memory::{Client, PAGE, Tenant, erase, futures, get, http2_tenant, text};
use super::support::{data, fed, frames};
use super::tenants::settle;

const SOON: Duration = Duration::from_secs(60);

fn http2_only() -> HttpClientBuilder {
    HttpClient::builder().http2_only()
}

fn request(method: &str, path: &str, body: impl Into<Body>) -> Request<RequestBody> {
    let uri = format!("http://tenant.test{path}");
    let request = Request::builder().method(method).uri(uri);
    request.body(RequestBody::new(body.into())).unwrap()
}

/// A tenant whose response depends on the path of the request.
#[derive(Clone)]
struct ScriptedTenant {
    /// How many streams the tenant allows on a connection.
    streams: u32,
    barrier: Arc<Barrier>,
    /// How many requests have arrived.
    arrived: Arc<AtomicUsize>,
}

impl ScriptedTenant {
    /// The responses to `/meet` begin when `meeting` requests have arrived.
    fn new(streams: u32, meeting: usize) -> Self {
        Self {
            streams,
            barrier: Arc::new(Barrier::new(meeting)),
            arrived: Arc::default(),
        }
    }

    async fn serve(self, stream: DuplexStream) {
        let streams = self.streams;
        let service = hyper_service(move |request| self.clone().respond(request));
        let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        server.max_concurrent_streams(streams);
        let _ = server.serve_connection(TokioIo::new(stream), service).await;
    }

    async fn respond(self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        self.arrived.fetch_add(1, Ordering::SeqCst);
        let (parts, body) = request.into_parts();
        let ok = || Body::from(Bytes::from_static(b"ok"));
        let body = match parts.uri.path() {
            "/meet" => {
                self.barrier.wait().await;
                ok()
            }
            "/empty" => Body::empty(),
            "/large" => Body::from(Bytes::from_static(&[b'x'; 1_000_000])),
            "/breaks-off" => {
                let (feeder, body) = fed();
                tokio::spawn(async move {
                    feeder.send(data("begin")).await.unwrap();
                    settle().await;
                    let _ = feeder.send(Err("broken".into())).await;
                });
                body
            }
            "/fails" => return Err(io::ErrorKind::Other.into()),
            "/never" => std::future::pending().await,
            "/early" => {
                tokio::spawn(body.collect());
                ok()
            }
            _ => {
                let _ = body.collect().await;
                ok()
            }
        };
        Ok(Response::new(body))
    }

    fn client(&self, tenant: &Tenant, builder: HttpClientBuilder) -> Client {
        let scripted = self.clone();
        tenant.client(builder, PAGE, move |stream| scripted.clone().serve(stream))
    }
}

async fn send(client: &Client, path: &str) -> String {
    let response = client.clone().oneshot(request("GET", path, Body::empty()));
    let response = timeout(SOON, response).await.expect("a response").unwrap();
    text(response).await
}

/// Sends `count` requests, whose responses begin when all have arrived.
async fn send_together(client: &Client, count: usize) {
    let call = || async {
        let call = request("GET", "/meet", Body::empty());
        text(client.clone().oneshot(call).await.unwrap()).await
    };
    let responses = timeout(SOON, futures((0..count).map(|_| call()))).await;
    for response in responses.expect("all are in flight at one time") {
        assert_eq!(response, "ok");
    }
}

/// A client whose connector runs `connect` with the number of each attempt, from 0.
fn connecting<F>(
    builder: HttpClientBuilder,
    connect: impl Fn(usize) -> F + Clone + Send + Sync + 'static,
) -> (Client, Arc<AtomicUsize>)
where
    F: Future<Output = io::Result<super::in_memory::Pipe>> + Send + 'static,
{
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&attempts);
    let connector = service_fn(move |_| connect(counted.fetch_add(1, Ordering::SeqCst)));
    (erase(builder.build_with_connector(connector)), attempts)
}
