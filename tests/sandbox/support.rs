//! Sends requests to a sandbox, and reads its responses.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use omneo_id::sandbox::Sandbox;
use serde_json::Value;
use tower::{BoxError, ServiceExt};

/// A complete response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// The member `data` of the body.
    pub(crate) fn data(&self) -> Value {
        self.json()["data"].take()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().expect("a header of text")
    }

    /// The value of one member in each item of `data`.
    pub(crate) fn each(&self, member: &str) -> Vec<Value> {
        let data = self.data();
        data.as_array()
            .expect("a list")
            .iter()
            .map(|item| item[member].clone())
            .collect()
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

/// A request below the base path with the sandbox's token.
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
) -> Result<Answer, BoxError> {
    let response = sandbox.clone().oneshot(request).await?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    })
}

pub(crate) async fn bare(sandbox: &Sandbox, builder: http::request::Builder) -> Answer {
    let request = builder.body(Full::default()).expect("a request");
    send(sandbox, request).await.expect("an answer")
}

pub(crate) async fn get(sandbox: &Sandbox, path: &str) -> Answer {
    bare(sandbox, request(Method::GET, path)).await
}

pub(crate) async fn delete(sandbox: &Sandbox, path: &str) -> Answer {
    bare(sandbox, request(Method::DELETE, path)).await
}

pub(crate) async fn post(sandbox: &Sandbox, path: &str, body: Value) -> Answer {
    with_json(sandbox, request(Method::POST, path), body).await
}

pub(crate) async fn put(sandbox: &Sandbox, path: &str, body: Value) -> Answer {
    with_json(sandbox, request(Method::PUT, path), body).await
}

pub(crate) async fn with_json(
    sandbox: &Sandbox,
    builder: http::request::Builder,
    body: Value,
) -> Answer {
    let builder = builder.header("content-type", "application/json");
    let request = builder
        .body(Full::from(body.to_string()))
        .expect("a request");
    send(sandbox, request).await.expect("an answer")
}
