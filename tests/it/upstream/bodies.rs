//! Bodies on their way up, over scripted clients.

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body as _;
use http_body_util::{BodyExt, Full, Limited};
use omneo_id::error::BoxError;
use omneo_id::upstream::RequestBody;
use omneo_id::{Body, RejectionKind, Upstream};
use tower::{ServiceExt, service_fn};

use super::support::{data, frames, kind, permitted, sent, tenant, trailers};

fn with_body(method: Method, body: Body) -> Request<Body> {
    permitted(Request::builder().method(method).uri("/profiles/ada"))
        .body(body)
        .unwrap()
}

#[tokio::test]
async fn a_body_of_known_length_keeps_it() {
    let client = service_fn(|request: Request<RequestBody>| async move {
        assert_eq!(request.body().size_hint().exact(), Some(5));
        assert_eq!(request.headers()["content-length"], "5");
        Ok::<_, BoxError>(Response::new(Body::empty()))
    });
    let request = with_body(Method::PUT, Body::from(Bytes::from_static(b"hello")));
    let response = Upstream::new(client, tenant())
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn trailers_of_the_client_stay_here() {
    let body = frames([data("a"), trailers(&[("authorization", "Bearer x")])]);
    let client = service_fn(|request: Request<RequestBody>| async move {
        let body = request
            .into_body()
            .collect()
            .await
            .map_err(BoxError::from)?;
        assert!(body.trailers().is_none());
        assert_eq!(body.to_bytes(), "a");
        Ok::<_, BoxError>(Response::new(Body::empty()))
    });
    let request = with_body(Method::PUT, body);
    let response = Upstream::new(client, tenant())
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_the_clients_fault() {
    let (response, sent) = sent(with_body(
        Method::PUT,
        frames([data("a"), Err("reset".into())]),
    ))
    .await;
    assert_eq!(kind(&response), RejectionKind::BodyAborted);
    assert_eq!(response.status(), 400);
    assert!(sent.is_empty());
}

#[tokio::test]
async fn a_body_over_its_limit_is_too_large() {
    let limited = Limited::new(Full::new(Bytes::from_static(b"abcdef")), 3);
    let (response, _) = sent(with_body(Method::PUT, Body::new(limited))).await;
    assert_eq!(kind(&response), RejectionKind::PayloadTooLarge);
    assert_eq!(response.status(), 413);
}

#[tokio::test]
async fn a_client_error_that_hides_its_cause_is_not_blamed_on_the_tenant() {
    // What an HTTP/2 client sees is its own reset.
    let client = service_fn(|request: Request<RequestBody>| async move {
        let _ = request.into_body().collect().await;
        Err::<Response<Body>, _>(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
    });
    let request = with_body(Method::PUT, frames([Err("gone".into())]));
    let response = Upstream::new(client, tenant())
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(kind(&response), RejectionKind::BodyAborted);
}
