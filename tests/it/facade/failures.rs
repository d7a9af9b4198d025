//! Limits, timeouts and failures of the tenant.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use omneo_id::ApiToken;
use omneo_id::sandbox::{Fault, Sandbox};
use serde_json::json;
use tower::ServiceExt;

use crate::support::body::{FrameBody, data};
use crate::support::{Shop, bearer};

#[tokio::test]
async fn a_call_over_the_limit_in_flight_is_rejected_with_retry_after() {
    let shop = Shop::with(|builder| {
        let pinned = ApiToken::new("pinned-by-the-operator").unwrap();
        builder.pinned_api_tokens([pinned]).max_in_flight(0)
    });
    let anonymous = json!({});
    let minted = shop.post("/auth/token", "pinned-by-the-operator", &anonymous);
    let minted = minted.await.json();
    let token = minted["data"]["token"].as_str().unwrap();
    let response = shop.get("/locations", token).await;
    assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers.contains_key("retry-after"));
    assert!(shop.sandbox.requests().is_empty());
}

#[tokio::test]
async fn a_response_whose_first_frame_contains_the_api_token_is_a_bad_gateway() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    let in_json = format!(r#"{{"debug":"{}"}}"#, bearer(Sandbox::API_TOKEN));
    for (coding, page, holds_it) in [
        (None, in_json, true),
        (None, Sandbox::API_TOKEN.to_owned(), true),
        (None, "sandbox-api-toke, sandbox-api-toke".to_owned(), false),
        // No other content coding, either.
        (Some("identity"), Sandbox::API_TOKEN.to_owned(), true),
        (Some(" ,Identity"), Sandbox::API_TOKEN.to_owned(), true),
        // Compressed content cannot be scanned.
        (Some("br"), "not really compressed".to_owned(), false),
    ] {
        let mut tenant_response = Response::builder();
        if let Some(coding) = coding {
            tenant_response = tenant_response.header("content-encoding", coding);
        }
        let tenant_response = tenant_response.body(page.clone()).unwrap();
        shop.sandbox.inject(Fault::response(tenant_response));
        let request = Request::get("/profiles/me").header("authorization", bearer(&token));
        let request = request.body(Full::<Bytes>::default()).unwrap();
        let response = shop.id.clone().oneshot(request).await.unwrap();
        let (status, message) = match holds_it {
            true => (
                502,
                r#"{"message":"The upstream service gave an unusable answer."}"#,
            ),
            false => (200, &*page),
        };
        assert_eq!(response.status(), status);
        let body = response.into_body().collect().await.unwrap();
        assert_eq!(body.to_bytes(), message);
    }
}

#[tokio::test]
async fn tenant_errors_have_messages_of_this_crate() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    let page = Response::builder()
        .status(500)
        .body("SQLSTATE: a debug page")
        .unwrap();
    for (fault, status) in [
        (Fault::response(page), StatusCode::BAD_GATEWAY),
        (
            Fault::status(StatusCode::BAD_GATEWAY),
            StatusCode::BAD_GATEWAY,
        ),
        (
            Fault::status(StatusCode::SERVICE_UNAVAILABLE),
            StatusCode::SERVICE_UNAVAILABLE,
        ),
        (
            Fault::status(StatusCode::GATEWAY_TIMEOUT),
            StatusCode::GATEWAY_TIMEOUT,
        ),
        (
            Fault::status(StatusCode::UNAUTHORIZED),
            StatusCode::BAD_GATEWAY,
        ),
        (Fault::reset(), StatusCode::BAD_GATEWAY),
    ] {
        shop.sandbox.inject(fault);
        let response = shop.get("/profiles/me", &token).await;
        assert_eq!(response.status, status);
        assert!(response.json()["message"].is_string());
        assert!(!response.body.windows(8).any(|bytes| bytes == b"SQLSTATE"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_without_a_response_is_a_gateway_timeout() {
    let shop = Shop::with(|builder| builder.head_timeout(Duration::from_secs(7)));
    let token = shop.mint_for_ada().await;
    shop.sandbox.inject(Fault::stall().until_cleared());
    let before = tokio::time::Instant::now();
    assert_eq!(
        shop.get("/profiles/me", &token).await.status,
        StatusCode::GATEWAY_TIMEOUT
    );
    assert_eq!(before.elapsed().as_secs(), 7);
    let response = shop
        .post("/profiles", &token, &json!({"email": "a@example.com"}))
        .await;
    assert_eq!(response.status, StatusCode::GATEWAY_TIMEOUT);
    let response = shop
        .post("/auth/token", Sandbox::API_TOKEN, &json!({"id": "x"}))
        .await;
    assert_eq!(response.status, StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn an_idle_request_body_times_out() {
    let shop = Shop::open();
    let token = shop.mint_anonymous().await;
    for (uri, token) in [("/profiles", &*token), ("/auth/token", Sandbox::API_TOKEN)] {
        let body = FrameBody::new([data("{\"email\":")]).then_pending();
        let request = Request::post(uri)
            .header("authorization", bearer(token))
            .header("content-type", "application/json")
            .body(body)
            .unwrap();
        let response = shop.id.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT, "{uri}");
    }
    assert!(shop.sandbox.requests().is_empty());
}
