//! Injected faults.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use omneo_id::sandbox::{ConnectionReset, Fault, Sandbox};
use serde_json::json;
use tokio::time::{Instant, timeout};
use tower::ServiceExt;

use crate::shared::body::channel;
use crate::support::{delete, get, put, request, send};

const LONG: Duration = Duration::from_secs(3600);

fn locations() -> http::Request<Full<Bytes>> {
    request(Method::GET, "/locations")
        .body(Full::default())
        .unwrap()
}

#[tokio::test]
async fn a_status_fault_occurs_once_and_the_request_has_no_effect() {
    let sandbox = Sandbox::new();
    let path = format!("/profiles/{}", Sandbox::ALAN_ID);
    sandbox.inject(Fault::status(StatusCode::SERVICE_UNAVAILABLE));
    delete(&sandbox, &path).await.expect(503);
    assert!(sandbox.profile(Sandbox::ALAN_ID).is_some());
    delete(&sandbox, &path).await.expect(204);
}

#[tokio::test]
async fn a_429_has_retry_after() {
    let sandbox = Sandbox::new();
    sandbox.inject(Fault::status(StatusCode::TOO_MANY_REQUESTS));
    assert_eq!(
        get(&sandbox, "/locations")
            .await
            .expect(429)
            .header("retry-after"),
        "60"
    );
}

#[tokio::test]
async fn faults_are_counted_restricted_and_removed() {
    let sandbox = Sandbox::new();
    let path = format!("/profiles/{}", Sandbox::ADA_ID);
    sandbox.inject(
        Fault::status(StatusCode::BAD_GATEWAY)
            .times(2)
            .on(Method::PUT, "/profiles/"),
    );
    sandbox.inject(
        Fault::status(StatusCode::INTERNAL_SERVER_ERROR)
            .on_path("/api/v3/locations")
            .until_cleared(),
    );
    get(&sandbox, &path).await.expect(200);
    put(&sandbox, &path, json!({})).await.expect(502);
    put(&sandbox, &path, json!({})).await.expect(502);
    put(&sandbox, &path, json!({})).await.expect(200);
    for _ in 0..3 {
        get(&sandbox, "/locations").await.expect(500);
    }
    sandbox.clear_faults();
    get(&sandbox, "/locations").await.expect(200);
}

#[tokio::test]
async fn a_configured_response_is_returned_unchanged() {
    let sandbox = Sandbox::new();
    let response = Response::builder()
        .status(302)
        .header("location", "https://evil.test/")
        .body("<p>moved");
    let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), "1".parse().unwrap())]);
    sandbox.inject(Fault::response_with_trailers(response.unwrap(), trailers));
    let response = sandbox.clone().oneshot(locations()).await.unwrap();
    assert_eq!(response.status(), 302);
    assert_eq!(response.headers().len(), 1);
    let collected = response.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x-sum"], "1");
    assert_eq!(collected.to_bytes(), "<p>moved");
}

#[tokio::test(start_paused = true)]
async fn latencies_add_up_before_the_response() {
    let sandbox = Sandbox::new();
    sandbox.inject(Fault::latency(Duration::from_secs(2)));
    sandbox.inject(Fault::latency(Duration::from_secs(3)));
    sandbox.inject(Fault::status(StatusCode::IM_A_TEAPOT));
    let start = Instant::now();
    get(&sandbox, "/locations").await.expect(418);
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test]
async fn a_reset_is_an_error_of_the_service() {
    let sandbox = Sandbox::new();
    sandbox.inject(Fault::reset());
    let error = send(&sandbox, locations()).await.unwrap_err();
    assert!(error.is::<ConnectionReset>());
    assert_eq!(sandbox.requests().len(), 1);
}

#[tokio::test]
async fn a_request_with_a_lost_response_takes_effect() {
    let sandbox = Sandbox::new();
    sandbox.inject(Fault::reset().after_effect());
    let path = format!("/profiles/{}", Sandbox::ALAN_ID);
    let request = request(Method::DELETE, &path)
        .body(Full::default())
        .unwrap();
    send(&sandbox, request).await.unwrap_err();
    assert!(sandbox.profile(Sandbox::ALAN_ID).is_none());
}

#[tokio::test]
async fn a_response_body_is_aborted_midway() {
    let sandbox = Sandbox::new();
    let whole = get(&sandbox, "/locations").await.body.len();
    sandbox.inject(Fault::reset_body());
    let response = sandbox.clone().oneshot(locations()).await.unwrap();
    let mut body = response.into_body();
    assert_eq!(body.size_hint().exact(), Some(whole as u64));
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first.len(), whole / 2);
    assert!(
        body.frame()
            .await
            .unwrap()
            .unwrap_err()
            .is::<ConnectionReset>()
    );
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stall_never_ends() {
    let sandbox = Sandbox::new();
    sandbox.inject(Fault::stall());
    assert!(timeout(LONG, send(&sandbox, locations())).await.is_err());
    sandbox.inject(Fault::stall_body());
    let response = sandbox.clone().oneshot(locations()).await.unwrap();
    let mut body = response.into_body();
    assert!(body.frame().await.unwrap().is_ok());
    assert!(timeout(LONG, body.frame()).await.is_err());
    get(&sandbox, "/locations").await.expect(200);
}

#[tokio::test]
async fn a_request_is_in_flight_until_its_response_is_dropped() {
    let sandbox = Sandbox::new();
    let pending = sandbox.clone().oneshot(locations());
    assert_eq!(sandbox.in_flight(), 0);
    let response = pending.await.unwrap();
    assert_eq!(sandbox.in_flight(), 1);
    drop(response);
    assert_eq!(sandbox.in_flight(), 0);
}

#[tokio::test]
async fn an_early_fault_does_not_wait_for_the_body() {
    let sandbox = Sandbox::new();
    sandbox.inject(Fault::status(StatusCode::UNAUTHORIZED).early());
    let (never, body) = channel();
    let request = request(Method::POST, "/profiles").body(body).unwrap();
    let response = sandbox.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 401);
    assert!(never.is_closed());
}

#[tokio::test]
async fn an_aborted_request_is_not_counted() {
    let sandbox = Sandbox::new();
    let (sender, body) = channel();
    sender.send(Err("gone".into())).await.unwrap();
    let request = request(Method::POST, "/profiles").body(body).unwrap();
    let error = sandbox.clone().oneshot(request).await.unwrap_err();
    assert_eq!(error.to_string(), "gone");
    assert!(sandbox.requests().is_empty());
}
