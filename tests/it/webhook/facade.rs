//! The route `POST /hooks/omneo` of the whole service.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use omneo_id::report::{Report, Route};
use omneo_id::sandbox::Sandbox;
use omneo_id::webhook::WebhookOutcome;
use omneo_id::{Body, RejectionKind, WebhookEndpoint};
use serde_json::json;
use tower::ServiceExt;

use super::{DELETED, SIGNATURE, kind, signed};
use crate::support::body::{FrameBody, data};
use crate::support::{Shop, bearer};

fn endpoint() -> WebhookEndpoint {
    WebhookEndpoint::new(Sandbox::WEBHOOK_SECRET).unwrap()
}

fn shop() -> Shop {
    Shop::with(|builder| builder.webhook(endpoint()))
}

#[tokio::test]
async fn a_deleted_profile_is_signed_out_and_its_next_token_works() {
    let shop = shop();
    let ada = shop.mint_for_ada().await;
    let anonymous = shop.mint_anonymous().await;
    shop.get("/profiles/me", &ada).await.expect(200);
    let calls = shop.sandbox.requests().len();

    let webhook = signed(DELETED, &json!({ "data": { "id": Sandbox::ADA_ID } }));
    let response = shop.id.clone().oneshot(webhook).await.unwrap();
    assert_eq!(response.status(), 204);
    let extensions = response.extensions();
    assert_eq!(extensions.get(), Some(&WebhookOutcome::TokensEnded));
    let report = extensions.get::<Report>().unwrap();
    assert_eq!(
        (report.route(), report.token()),
        (Some(Route::Webhook), None)
    );
    assert_eq!(
        shop.sandbox.requests().len(),
        calls,
        "no call of the tenant"
    );

    shop.get("/profiles/me", &ada).await.expect(401);
    shop.get("/locations", &anonymous).await.expect(200);
    let again = shop.mint_for_ada().await;
    shop.get("/profiles/me", &again).await.expect(200);
}

#[tokio::test]
async fn the_route_is_unknown_without_an_endpoint() {
    let shop = Shop::open();
    let ada = shop.mint_for_ada().await;
    for method in [Method::POST, Method::GET, Method::OPTIONS, Method::DELETE] {
        let send = |uri: &str| {
            let mut request = signed(DELETED, &json!({ "id": Sandbox::ADA_ID }));
            *request.method_mut() = method.clone();
            *request.uri_mut() = uri.parse().unwrap();
            shop.call(request)
        };
        let (off, unknown) = (send("/hooks/omneo").await, send("/hooks/other").await);
        assert_eq!(off.status, 404, "{method}");
        assert_eq!((off.headers, off.body), (unknown.headers, unknown.body));
    }
    shop.get("/profiles/me", &ada).await.expect(200);
}

#[tokio::test]
async fn the_signature_is_the_only_credential() {
    let shop = shop();
    let ada = shop.mint_for_ada().await;
    for token in [Sandbox::API_TOKEN, &ada] {
        let mut request = signed(DELETED, &json!({ "id": Sandbox::ADA_ID }));
        request.headers_mut().remove(SIGNATURE);
        let value = bearer(token).parse().unwrap();
        request.headers_mut().insert("authorization", value);
        let response = shop.id.clone().oneshot(request).await.unwrap();
        assert_eq!(kind(&response), Some(RejectionKind::InvalidSignature));
    }
    shop.get("/profiles/me", &ada).await.expect(200);
}

#[tokio::test]
async fn methods_and_paths_are_those_of_the_other_routes() {
    let shop = shop();
    let request = |method: &str, uri: &str| {
        let request = Request::builder().method(method).uri(uri);
        request.body(Full::<Bytes>::default()).unwrap()
    };
    for method in ["GET", "PUT", "DELETE"] {
        let answer = shop.call(request(method, "/hooks/omneo")).await.expect(405);
        assert_eq!(answer.header("allow"), "POST, OPTIONS");
    }
    let options = shop
        .call(request("OPTIONS", "/hooks/omneo"))
        .await
        .expect(204);
    assert_eq!(options.header("allow"), "POST, OPTIONS");
    for uri in ["//hooks//omneo", "/hooks/omneo/", "/hooks/omneo?x=1"] {
        shop.call(request("POST", uri)).await.expect(401);
    }
    for uri in ["/hooks", "/hooks/omneo/x", "/hooks/OMNEO", "/hooks%2fomneo"] {
        shop.call(request("POST", uri)).await.expect(404);
    }
}

#[tokio::test(start_paused = true)]
async fn the_body_has_the_total_time_of_the_service_or_its_own() {
    use std::time::Duration;

    use tokio::time::Instant;

    let own = Duration::from_secs(7);
    for (endpoint, expected) in [
        (endpoint(), Duration::from_secs(30)),
        (endpoint().with_read_timeout(own), own),
    ] {
        let shop = Shop::with(|builder| builder.webhook(endpoint));
        let body = Body::new(FrameBody::new([data("{")]).then_pending());
        let request = Request::post("/hooks/omneo").header(SIGNATURE, "0".repeat(64));
        let start = Instant::now();
        let response = shop.id.clone().oneshot(request.body(body).unwrap()).await;
        assert_eq!(
            kind(&response.unwrap()),
            Some(RejectionKind::RequestTimeout)
        );
        assert_eq!(start.elapsed(), expected);
    }
}
