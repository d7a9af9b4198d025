//! Deadlines: each wait is limited, and the slow side determines the status.

use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use omneo_id::body::IdleError;
use omneo_id::error::BoxError;
use omneo_id::upstream::RequestBody;
use omneo_id::{Body, RejectionKind, Upstream};
use tokio::time::{Instant, sleep};
use tower::{Service, ServiceExt, service_fn};

use super::support::{data, fed, get, kind, permitted, silent, tenant, text};

const SECOND: Duration = Duration::from_secs(1);

fn put(body: Body) -> Request<Body> {
    permitted(Request::put("/profiles/ada")).body(body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_tenant_without_a_response_times_out_after_thirty_seconds() {
    let start = Instant::now();
    let upstream = Upstream::new(silent(), tenant());
    let response = upstream.oneshot(get("/locations")).await.unwrap();
    assert_eq!(start.elapsed(), 30 * SECOND);
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(kind(&response), RejectionKind::TenantTimeout);
}

#[tokio::test(start_paused = true)]
async fn the_head_timeout_can_be_changed_or_disabled() {
    let start = Instant::now();
    let upstream = Upstream::new(silent(), tenant()).with_head_timeout(SECOND);
    upstream.clone().oneshot(get("/locations")).await.unwrap();
    assert_eq!(start.elapsed(), SECOND);

    let patient = upstream.with_head_timeout(Duration::MAX);
    let waiting = patient.oneshot(get("/locations"));
    assert!(
        tokio::time::timeout(1_000_000 * SECOND, waiting)
            .await
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn a_long_upload_does_not_count_as_a_slow_tenant() {
    let start = Instant::now();
    let (feeder, body) = fed();
    let sending = tokio::spawn(async move {
        for _ in 0..5 {
            sleep(25 * SECOND).await;
            feeder.send(data("x")).await.unwrap();
        }
    });
    let upstream = Upstream::new(silent(), tenant());
    let response = upstream.oneshot(put(body)).await.unwrap();
    sending.await.unwrap();
    assert_eq!(kind(&response), RejectionKind::TenantTimeout);
    // The timeout starts after the last byte, not after the first.
    assert_eq!(start.elapsed(), (5 * 25 + 30) * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_sending_gets_a_408() {
    let start = Instant::now();
    let (feeder, body) = fed();
    feeder.send(data("x")).await.unwrap();
    let upstream = Upstream::new(silent(), tenant());
    let response = upstream.oneshot(put(body)).await.unwrap();
    assert_eq!(start.elapsed(), 60 * SECOND);
    assert_eq!(kind(&response), RejectionKind::RequestTimeout);
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_does_not_read_times_out() {
    let (_feeder, body) = fed();
    let unread = service_fn(|request: Request<RequestBody>| async move {
        let _kept = request;
        std::future::pending::<Result<Response<Body>, BoxError>>().await
    });
    let start = Instant::now();
    let response = Upstream::new(unread, tenant())
        .oneshot(put(body))
        .await
        .unwrap();
    assert_eq!(start.elapsed(), 30 * SECOND);
    assert_eq!(kind(&response), RejectionKind::TenantTimeout);
}

#[tokio::test(start_paused = true)]
async fn an_idle_response_body_is_aborted() {
    let (feeder, body) = fed();
    let mut body = Some(body);
    let client = service_fn(move |_: Request<RequestBody>| {
        let body = body.take().unwrap();
        async move { Ok::<_, BoxError>(Response::new(body)) }
    });
    let response = Upstream::new(client, tenant())
        .oneshot(get("/locations"))
        .await
        .unwrap();
    let mut body = response.into_body();
    feeder.send(data("x")).await.unwrap();
    assert!(body.frame().await.unwrap().is_ok());
    let start = Instant::now();
    let error = body.frame().await.unwrap().unwrap_err();
    assert!(error.is::<IdleError>());
    assert_eq!(start.elapsed(), 60 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_does_not_count_as_a_slow_tenant() {
    let client = service_fn(move |_: Request<RequestBody>| async move {
        Ok::<_, BoxError>(Response::new(super::support::frames([
            data("a"),
            data("b"),
        ])))
    });
    let response = Upstream::new(client, tenant())
        .oneshot(get("/locations"))
        .await
        .unwrap();
    let mut body = response.into_body();
    assert!(body.frame().await.unwrap().is_ok());
    sleep(600 * SECOND).await;
    assert!(body.frame().await.unwrap().is_ok());
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn the_call_is_dropped_at_its_deadline() {
    let (guard, mut ended) = tokio::sync::mpsc::channel::<()>(1);
    let client = service_fn(move |_: Request<RequestBody>| {
        let guard = guard.clone();
        async move {
            let _guard = guard;
            std::future::pending::<Result<Response<Body>, BoxError>>().await
        }
    });
    let upstream = Upstream::new(client, tenant());
    let mut future = Box::pin(upstream.oneshot(get("/locations")));
    let response = future.as_mut().await.unwrap();
    assert_eq!(kind(&response), RejectionKind::TenantTimeout);
    assert!(
        ended.recv().await.is_none(),
        "the call is dropped, but not its future"
    );
    drop(future);
    text(response).await;
}

#[tokio::test]
async fn calls_beyond_the_limit_are_rejected_with_retry_after() {
    let (feeder, body) = fed();
    let mut bodies = vec![Body::empty(), body];
    let client = service_fn(move |_: Request<RequestBody>| {
        let body = bodies.pop().unwrap();
        async move { Ok::<_, BoxError>(Response::new(body)) }
    });
    let mut upstream = Upstream::new(client, tenant()).with_max_in_flight(1);
    let mut send = async || {
        let ready = ServiceExt::<Request<Body>>::ready(&mut upstream)
            .await
            .unwrap();
        ready.call(get("/locations")).await.unwrap()
    };
    let first = send().await;
    for _ in 0..2 {
        let rejected = send().await;
        assert_eq!(kind(&rejected), RejectionKind::TenantBusy);
        assert_eq!(rejected.headers()["retry-after"], "1");
    }
    // A call stops being in flight when its response body has been read to the end.
    drop(feeder);
    text(first).await;
    assert_eq!(send().await.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_error_of_poll_ready_is_a_rejection() {
    let (mut mock, mut handle) = tower_test::mock::spawn_with(
        |mock: tower_test::mock::Mock<Request<RequestBody>, Response<Body>>| {
            Upstream::new(mock, tenant())
        },
    );
    handle.allow(0);
    handle.send_error("broken");
    tokio_ready(&mut mock).await;
    let response = mock.get_mut().call(get("/locations")).await.unwrap();
    assert_eq!(kind(&response), RejectionKind::TenantUnreachable);
}

async fn tokio_ready<S>(mock: &mut tower_test::mock::Spawn<S>)
where
    S: Service<Request<Body>>,
{
    std::future::poll_fn(|cx| mock.get_mut().poll_ready(cx).map(drop)).await;
}
