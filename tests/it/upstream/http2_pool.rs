//! Several HTTP/2 connections to one tenant.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::service::service_fn as hyper_service;
use hyper_util::rt::{TokioExecutor, TokioIo};
use omneo_id::upstream::HttpClient;
use tokio::io::DuplexStream;
use tokio::sync::Barrier;
use tokio::time::timeout;
use tower::ServiceExt;

use super::pool::{PAGE, Tenant, futures, get};

/// Allows so many streams on a connection, and answers when so many requests have arrived on all.
async fn meets(stream: DuplexStream, streams: u32, barrier: Arc<Barrier>) {
    let service = hyper_service(move |_| {
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("ok")))
        }
    });
    let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    server.max_concurrent_streams(streams);
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

#[tokio::test(start_paused = true)]
async fn more_requests_than_a_connection_has_streams_are_in_flight_together() {
    let tenant = Tenant::default();
    let barrier = Arc::new(Barrier::new(250));
    let builder = HttpClient::builder().with_http2_only();
    let client = tenant.client(builder, PAGE, move |stream| {
        meets(stream, 100, Arc::clone(&barrier))
    });
    let calls = futures((0..250).map(|_| client.clone().oneshot(get())));
    let answers = timeout(Duration::from_secs(60), calls).await;
    for answer in answers.expect("all requests are in flight at one time") {
        assert_eq!(answer.unwrap().status(), 200);
    }
    assert_eq!(tenant.opened(), 3);
}
