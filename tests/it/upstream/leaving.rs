//! From socket to socket: clients and tenants that disconnect, at every stage of a call.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use omneo_id::Body;
use tokio::sync::{Notify, mpsc};

use super::host::{Client, host, ways, with_timeout};
use super::support::{Feeder, data, fed};
use super::tenants::{Protocol, connections, serve, settle};
use crate::support::body::FrameBody;

// --- clients that disconnect
// -------------------------------------------------------------------------

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    BeforeBody,
    DuringUpload,
    BeforeResponse,
    DuringResponse,
}

const STAGES: [Stage; 4] = [
    Stage::BeforeBody,
    Stage::DuringUpload,
    Stage::BeforeResponse,
    Stage::DuringResponse,
];

/// How a client disconnects.
#[derive(Clone, Copy, Debug)]
enum Disconnect {
    /// It cancels this request: a reset over HTTP/2.
    Cancel,
    /// It closes the connection.
    Close,
}

/// Sends a message when it is dropped.
struct Dropped(mpsc::UnboundedSender<&'static str>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

/// A body that is pending after its first frame.
fn unfinished() -> FrameBody {
    FrameBody::new([data("begin")]).then_pending()
}

/// The request body of a stage, and its sender unless the body is complete.
async fn upload(stage: Stage) -> (Option<Feeder>, Body) {
    let (feeder, body) = fed();
    match stage {
        Stage::BeforeBody => (Some(feeder), body),
        Stage::DuringUpload => {
            feeder.send(data("begin")).await.unwrap();
            (Some(feeder), body)
        }
        Stage::BeforeResponse | Stage::DuringResponse => (None, body),
    }
}

#[tokio::test]
async fn a_client_that_disconnects_at_any_stage_cancels_the_call() {
    for (down, up) in ways() {
        for stage in STAGES {
            for disconnect in [Disconnect::Cancel, Disconnect::Close] {
                let case = format!("{down:?} to {up:?}, {stage:?}, {disconnect:?}");
                with_timeout(
                    &case,
                    client_disconnects(&case, down, up, stage, disconnect),
                )
                .await;
            }
        }
    }
}

async fn client_disconnects(
    case: &str,
    down: Protocol,
    up: Protocol,
    stage: Stage,
    disconnect: Disconnect,
) {
    let (events, mut received) = mpsc::unbounded_channel();
    let origin = serve(move |request: Request<Incoming>| {
        let events = events.clone();
        async move {
            let dropped = Dropped(events.clone());
            let mut body = request.into_body();
            if stage == Stage::DuringUpload {
                assert!(body.frame().await.unwrap().is_ok());
            }
            if matches!(stage, Stage::BeforeBody | Stage::DuringUpload) {
                events.send("begun").unwrap();
                // The body must not look complete.
                if body.collect().await.is_ok() {
                    events.send("complete").unwrap();
                }
                return Response::new(Body::empty());
            }
            assert!(body.collect().await.is_ok());
            if stage == Stage::BeforeResponse {
                events.send("begun").unwrap();
                pending::<()>().await;
            }
            Response::new(Body::new(unfinished().with_guard(dropped)))
        }
    })
    .await;
    let client = Client::connect(&host(&origin, up).await, down).await;
    let (feeder, body) = upload(stage).await;
    let call = tokio::spawn(client.send(Request::put("/"), body));
    let mut tenant_response = None;
    if stage == Stage::DuringResponse {
        let response = call.await.unwrap().unwrap();
        let mut body = response.into_body();
        assert!(body.frame().await.unwrap().is_ok(), "{case}");
        tenant_response = Some(body);
    } else {
        assert_eq!(received.recv().await, Some("begun"), "{case}");
        match disconnect {
            Disconnect::Cancel => call.abort(),
            Disconnect::Close => {}
        }
    }
    match disconnect {
        Disconnect::Cancel => drop(tenant_response),
        Disconnect::Close => client.close_all(),
    }
    assert_eq!(received.recv().await, Some("dropped"), "{case}");
    drop(feeder);
}

// --- tenants that disconnect
// -------------------------------------------------------------------------

/// A tenant that closes its connection at this stage of a request.
async fn disconnecting_tenant(stage: Stage) -> String {
    connections(move |stream| async move {
        let close = Arc::new(Notify::new());
        let closing = Arc::clone(&close);
        let service = service_fn(move |request: Request<Incoming>| {
            let close = Arc::clone(&close);
            async move {
                let mut body = request.into_body();
                match stage {
                    Stage::BeforeBody => close.notify_one(),
                    Stage::DuringUpload => {
                        assert!(body.frame().await.unwrap().is_ok());
                        close.notify_one();
                    }
                    Stage::BeforeResponse => {
                        assert!(body.collect().await.is_ok());
                        close.notify_one();
                    }
                    Stage::DuringResponse => {
                        let close_later = async move {
                            settle().await;
                            close.notify_one();
                        };
                        tokio::spawn(close_later);
                        return Ok(Response::new(unfinished()));
                    }
                }
                pending::<Result<Response<FrameBody>, Infallible>>().await
            }
        });
        let server = auto::Builder::new(TokioExecutor::new());
        tokio::select! {
            _ = server.serve_connection(TokioIo::new(stream), service) => {}
            () = closing.notified() => {}
        }
    })
    .await
}

#[tokio::test]
async fn a_tenant_that_disconnects_at_any_stage_is_a_bad_gateway() {
    for (down, up) in ways() {
        for stage in STAGES {
            let case = format!("{down:?} to {up:?}, {stage:?}");
            with_timeout(&case, tenant_disconnects(&case, down, up, stage)).await;
        }
    }
}

async fn tenant_disconnects(case: &str, down: Protocol, up: Protocol, stage: Stage) {
    let origin = disconnecting_tenant(stage).await;
    let client = Client::connect(&host(&origin, up).await, down).await;
    let (feeder, body) = upload(stage).await;
    let response = client.send(Request::put("/"), body).await.unwrap();
    let (status, mut body) = (response.status(), response.into_body());
    if stage == Stage::DuringResponse {
        assert_eq!(status, 200, "{case}");
        let first = body.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "begin", "{case}");
        // Aborted, not ended: the truncated body must not look complete.
        assert!(body.frame().await.unwrap().is_err(), "{case}");
        return;
    }
    assert_eq!(status, 502, "{case}");
    let body = body.collect().await.unwrap().to_bytes();
    let expected = r#"{"message":"The upstream service gave an unusable answer."}"#;
    assert_eq!(body, expected, "{case}");
    drop(feeder);
}

#[tokio::test]
async fn a_tenant_that_closes_every_connection_is_a_bad_gateway() {
    let origin = connections(|stream| async move { drop(stream) }).await;
    for (down, up) in ways() {
        let case = format!("{down:?} to {up:?}");
        let client = Client::connect(&host(&origin, up).await, down).await;
        let call = client.send(Request::get("/"), Body::empty());
        let response = with_timeout(&case, call).await.unwrap();
        assert_eq!(response.status(), 502, "{case}");
    }
}
