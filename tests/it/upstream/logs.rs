//! Log events, and data that they must not contain.

use std::io;

use http::{Request, Response};
use omneo_id::upstream::RequestBody;
use omneo_id::{Body, Upstream};
use tower::{ServiceExt, service_fn};

use super::support::{data, frames, permitted, tenant};
use super::tenants::{Protocol, raw, upstream_to};
use crate::support::logs::Log;

/// A request with sensitive data at every place that a client controls.
fn request() -> Request<Body> {
    permitted(Request::put(
        "/profiles/ada?filter%5Bemail%5D=ada@example.com",
    ))
    .header("authorization", "Bearer of.the.client")
    .header("user-agent", "ada@example.com")
    .body(frames([
        data("ada@example.com"),
        Err("ada@example.com".into()),
    ]))
    .unwrap()
}

fn assert_clean(log: &Log) {
    let text = log.text();
    for secret in ["4fzK", "of.the.client", "ada", "example"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn outcomes_are_logged_without_request_data() {
    let (log, _guard) = Log::capture();
    for (response, words) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "tenant.status_code=200",
        ),
        (
            "HTTP/1.1 500 Oh\r\nx: ada\r\ncontent-length: 3\r\n\r\nada",
            "responded with 500",
        ),
        ("ada", "tenant_answer"),
    ] {
        let origin = raw(response, true).await;
        let request = request().map(|_| Body::empty());
        upstream_to(&origin, Protocol::Http1)
            .oneshot(request)
            .await
            .unwrap();
        assert!(log.text().contains(words), "{words} in {}", log.text());
    }
    let origin = raw("", false).await;
    upstream_to(&origin, Protocol::Http1)
        .oneshot(request())
        .await
        .unwrap();
    assert!(log.text().contains("body_aborted"));
    assert_clean(&log);
}

#[tokio::test]
async fn errors_of_a_foreign_client_are_not_logged() {
    let (log, _guard) = Log::capture();
    let client = service_fn(|request: Request<RequestBody>| async move {
        let url = format!("error sending request for {}", request.uri());
        Err::<Response<Body>, _>(io::Error::other(url))
    });
    Upstream::new(client, tenant())
        .oneshot(request())
        .await
        .unwrap();
    assert!(log.text().contains("tenant_unreachable"));
    assert_clean(&log);
}
