//! Requests to a sandbox in process.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use omneo_id::sandbox::Sandbox;
use serde_json::Value;
use tower::{BoxError, ServiceExt};

use crate::shared::CollectedResponse;

/// A request below the base path of the API, with the sandbox's token.
pub(crate) fn request(method: Method, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(format!("/api/v3{path}"))
        .header("host", "tenant.test")
        .header("authorization", format!("Bearer {}", Sandbox::API_TOKEN))
}

pub(crate) async fn send(
    sandbox: &Sandbox,
    request: Request<Full<Bytes>>,
) -> Result<CollectedResponse, BoxError> {
    let response = sandbox.clone().oneshot(request).await?;
    CollectedResponse::try_collect(response).await
}

pub(crate) async fn bare(sandbox: &Sandbox, builder: http::request::Builder) -> CollectedResponse {
    let request = builder.body(Full::default()).expect("a request");
    send(sandbox, request).await.expect("a response")
}

pub(crate) async fn get(sandbox: &Sandbox, path: &str) -> CollectedResponse {
    bare(sandbox, request(Method::GET, path)).await
}

pub(crate) async fn delete(sandbox: &Sandbox, path: &str) -> CollectedResponse {
    bare(sandbox, request(Method::DELETE, path)).await
}

pub(crate) async fn post(sandbox: &Sandbox, path: &str, body: Value) -> CollectedResponse {
    with_json(sandbox, request(Method::POST, path), body).await
}

pub(crate) async fn put(sandbox: &Sandbox, path: &str, body: Value) -> CollectedResponse {
    with_json(sandbox, request(Method::PUT, path), body).await
}

pub(crate) async fn with_json(
    sandbox: &Sandbox,
    builder: http::request::Builder,
    body: Value,
) -> CollectedResponse {
    let builder = builder.header("content-type", "application/json");
    let request = builder
        .body(Full::from(body.to_string()))
        .expect("a request");
    send(sandbox, request).await.expect("a response")
}
