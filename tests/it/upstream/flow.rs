//! Backpressure and cancellation of bodies.

use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use omneo_id::Body;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tower::ServiceExt;

use super::support::{Chunks, data, fed, get, kind, permitted};
use super::tenants::{BOTH, Protocol, forward_get, serve, settle, upstream_to};

const CHUNK: usize = 64 * 1024;
const CHUNKS: usize = 512;
/// Far above the buffers of two sockets and hyper, far below the length of the body.
const HELD: usize = 256;

fn chunks() -> (Chunks, Arc<AtomicUsize>) {
    let made = Arc::new(AtomicUsize::new(0));
    let chunks = Chunks {
        left: CHUNKS,
        chunk: Bytes::from(vec![b'x'; CHUNK]),
        made: Arc::clone(&made),
    };
    (chunks, made)
}

async fn length(body: impl http_body::Body<Data = Bytes, Error: std::fmt::Debug> + Unpin) -> usize {
    let mut body = body;
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.unwrap().data_ref().map_or(0, Bytes::len);
    }
    length
}

#[tokio::test]
async fn an_upload_is_read_at_the_speed_of_the_tenant() {
    let gate = Arc::new(Notify::new());
    let open = Arc::clone(&gate);
    let origin = serve(move |request: Request<Incoming>| {
        let gate = Arc::clone(&gate);
        async move {
            gate.notified().await;
            let length = length(request.into_body()).await;
            Response::new(Full::new(Bytes::from(length.to_string())))
        }
    })
    .await;
    for protocol in BOTH {
        let (body, made) = chunks();
        let call = put(&origin, protocol, Body::new(body));
        settle().await;
        let held = made.load(Ordering::Relaxed);
        assert!((1..HELD).contains(&held), "{protocol:?}: {held}");
        open.notify_one();
        let response = call.await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, (CHUNK * CHUNKS).to_string());
    }
}

#[tokio::test]
async fn a_download_is_read_at_the_speed_of_the_client() {
    for protocol in BOTH {
        let made = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&made);
        let origin = serve(move |_: Request<Incoming>| {
            let (mut chunks, _) = chunks();
            chunks.made = Arc::clone(&count);
            async move { Response::new(chunks) }
        })
        .await;
        let response = forward_get(&origin, protocol).await;
        settle().await;
        let held = made.load(Ordering::Relaxed);
        assert!(held < HELD, "{protocol:?}: {held}");
        assert_eq!(length(response.into_body()).await, CHUNK * CHUNKS);
    }
}

/// Sends a message when it is dropped.
struct Dropped(mpsc::Sender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.try_send(());
    }
}

#[tokio::test]
async fn a_disconnected_client_cancels_the_call() {
    let (starts, mut started) = mpsc::channel(8);
    let (ends, mut ended) = mpsc::channel(8);
    let origin = serve(move |_: Request<Incoming>| {
        let (starts, ended) = (starts.clone(), Dropped(ends.clone()));
        async move {
            let _ended = ended;
            starts.send(()).await.unwrap();
            pending::<Response<Body>>().await
        }
    })
    .await;
    for protocol in BOTH {
        let call = tokio::spawn(upstream_to(&origin, protocol).oneshot(get("/x")));
        started.recv().await.unwrap();
        call.abort();
        ended.recv().await.unwrap();
    }
}

#[tokio::test]
async fn a_dropped_response_cancels_the_call() {
    /// A body without an end.
    struct Endless(Dropped);

    impl http_body::Body for Endless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let _watched = &self.0;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; CHUNK])))))
        }
    }

    let (ends, mut ended) = mpsc::channel(8);
    let origin = serve(move |_: Request<Incoming>| {
        let body = Endless(Dropped(ends.clone()));
        async move { Response::new(body) }
    })
    .await;
    for protocol in BOTH {
        let upstream = upstream_to(&origin, protocol);
        let response = upstream.oneshot(get("/x")).await.unwrap();
        let mut body = response.into_body();
        assert!(body.frame().await.unwrap().is_ok());
        drop(body);
        ended.recv().await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_disconnects_during_the_upload_cancels_the_call() {
    let (starts, mut started) = mpsc::channel(8);
    let (ends, mut ended) = mpsc::channel(8);
    let origin = serve(move |request: Request<Incoming>| {
        let (starts, ends) = (starts.clone(), ends.clone());
        async move {
            let mut body = request.into_body();
            assert!(body.frame().await.unwrap().is_ok());
            starts.send(()).await.unwrap();
            // Aborted, not ended: the truncated body must not look complete.
            let rest = body.frame().await;
            ends.send(rest.is_some_and(|frame| frame.is_err()))
                .await
                .unwrap();
            Response::new(Body::empty())
        }
    })
    .await;
    for protocol in BOTH {
        let (feeder, body) = fed();
        feeder.send(data("begin")).await.unwrap();
        let call = put(&origin, protocol, body);
        started.recv().await.unwrap();
        call.abort();
        let _ = call.await;
        assert!(ended.recv().await.unwrap(), "{protocol:?}");
        drop(feeder);
    }
}

/// A tenant that reads each request body, reports whether the body is complete, and never responds.
async fn tenant_without_response() -> (String, mpsc::Receiver<bool>) {
    let (reports, is_complete) = mpsc::channel(8);
    let origin = serve(move |request: Request<Incoming>| {
        let reports = reports.clone();
        async move {
            let complete = request.into_body().collect().await.is_ok();
            reports.send(complete).await.unwrap();
            pending::<Response<Body>>().await
        }
    })
    .await;
    (origin, is_complete)
}

/// Forwards a PUT request with this body.
fn put(origin: &str, protocol: Protocol, body: Body) -> JoinHandle<Response<Body>> {
    let request = permitted(Request::put("/x")).body(body).unwrap();
    let upstream = upstream_to(origin, protocol);
    tokio::spawn(async move { upstream.oneshot(request).await.unwrap() })
}

#[tokio::test]
async fn an_aborted_request_body_is_a_400_and_never_looks_complete() {
    let (origin, mut is_complete) = tenant_without_response().await;
    for protocol in BOTH {
        let (feeder, body) = fed();
        let call = put(&origin, protocol, body);
        feeder.send(data("begin")).await.unwrap();
        settle().await;
        feeder.send(Err("the client reset".into())).await.unwrap();
        let response = call.await.unwrap();
        assert_eq!(kind(&response).code(), "body_aborted", "{protocol:?}");
        assert_eq!(is_complete.recv().await, Some(false), "{protocol:?}");
    }
}

#[tokio::test]
async fn a_body_over_its_limit_is_too_large_and_never_looks_complete() {
    let (origin, mut is_complete) = tenant_without_response().await;
    for protocol in BOTH {
        let (feeder, body) = fed();
        let limited = Body::new(http_body_util::Limited::new(body, 8));
        let call = put(&origin, protocol, limited);
        feeder.send(data("begin")).await.unwrap();
        settle().await;
        feeder.send(data("too much")).await.unwrap();
        let response = call.await.unwrap();
        assert_eq!(response.status(), 413, "{protocol:?}");
        assert_eq!(is_complete.recv().await, Some(false), "{protocol:?}");
    }
}

#[tokio::test]
async fn a_body_that_differs_from_its_declared_length_never_looks_complete() {
    let (origin, mut is_complete) = tenant_without_response().await;
    for protocol in BOTH {
        for (rest, expected) in [
            ("", "body_aborted"),
            ("nin", "body_aborted"),
            ("ning!", "malformed_body"),
        ] {
            let case = format!("{protocol:?} {rest}");
            let (feeder, body) = fed();
            let request = permitted(Request::put("/x")).header("content-length", "9");
            let request = request.body(body).unwrap();
            let call = tokio::spawn(upstream_to(&origin, protocol).oneshot(request));
            feeder.send(data("begin")).await.unwrap();
            settle().await;
            feeder.send(data(rest)).await.unwrap();
            drop(feeder);
            let response = call.await.unwrap().unwrap();
            assert_eq!(kind(&response).code(), expected, "{case}");
            assert_eq!(is_complete.recv().await, Some(false), "{case}");
        }
    }
}

/// An application with `RequestBodyLimitLayer::new(0)`, which accepts no body.
#[tokio::test]
async fn a_body_limit_of_zero_is_enforced() {
    let origin = serve(|_: Request<Incoming>| async { Response::new(Body::empty()) }).await;
    for protocol in BOTH {
        let limited = http_body_util::Limited::new(super::support::frames([data("x")]), 0);
        let request = permitted(Request::put("/x"))
            .body(Body::new(limited))
            .unwrap();
        let response = upstream_to(&origin, protocol)
            .oneshot(request)
            .await
            .unwrap();
        assert_eq!(response.status(), 413, "{protocol:?}");
    }
}

#[tokio::test]
async fn an_early_response_does_not_wait_for_the_upload() {
    let origin = serve(|_: Request<Incoming>| async {
        Response::builder().status(413).body(Body::empty()).unwrap()
    })
    .await;
    for protocol in BOTH {
        let (feeder, body) = fed();
        feeder.send(data("begin")).await.unwrap();
        let request = permitted(Request::put("/x")).body(body).unwrap();
        let response = upstream_to(&origin, protocol)
            .oneshot(request)
            .await
            .unwrap();
        assert_eq!(response.status(), 413, "{protocol:?}");
        drop(feeder);
    }
}
