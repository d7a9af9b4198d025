//! Routes, methods, targets and the mount.

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::Full;
use omneo_id::sandbox::Sandbox;
use serde_json::json;

use crate::support::{Shop, bearer};

#[tokio::test]
async fn connect_is_rejected_for_every_target() {
    let shop = Shop::open();
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri("evil.test:443");
    let response = shop.call(request.body(Full::default()).unwrap()).await;
    assert_eq!(response.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(response.headers.contains_key(header::ALLOW));
    assert!(shop.sandbox.requests().is_empty());
}

#[tokio::test]
async fn an_unknown_path_is_not_found_without_a_tenant_call() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    let grace = format!("/profiles/{}", Sandbox::GRACE_ID);
    for path in [
        "/",
        &grace,
        "/profiles/search-id",
        "/profiles/search-id/",
        "/profiles/meprofile",
        "/profiles/ME/",
        "/profiles/ME",
        "/profiles/%6de",
        "/profiles/me;x",
        "/profiles/me/%2e%2e/search-id",
        "/profiles/me/..%2f..%2fauth/verify",
        "/profiles/me/%252e%252e/x",
        "/profiles/me/..\\x",
        "/profiles/me/%5c..%5c",
        "/profiles/connection/1",
        "/locations/1/custom-fields",
        "/locations/%31",
        "/locations/..",
        "/locations/1/%2f",
        "/locations%2f",
        "/locations/1/custom-fields/",
        "/rewards",
        "/rewards/",
        "/auth/verify",
        "/api/v3/profiles",
    ] {
        let response = shop.get(path, &token).await;
        assert_eq!(response.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(response.body, r#"{"message":"Not found."}"#, "{path}");
    }
    assert!(shop.sandbox.requests().is_empty());
}

#[tokio::test]
async fn a_route_lists_its_methods_in_allow() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    for (method, path, allow) in [
        (Method::GET, "/auth/token", "POST, DELETE, OPTIONS"),
        (Method::PUT, "/auth/token", "POST, DELETE, OPTIONS"),
        (Method::GET, "/auth/revoke", "POST, OPTIONS"),
        (Method::DELETE, "/auth/revoke", "POST, OPTIONS"),
        (Method::GET, "/profiles", "POST, OPTIONS"),
        (Method::DELETE, "/profiles", "POST, OPTIONS"),
        (Method::POST, "/locations", "GET, HEAD, OPTIONS"),
        (Method::DELETE, "/locations/1", "GET, HEAD, OPTIONS"),
        (
            Method::TRACE,
            "/profiles/me",
            "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
        ),
        (
            Method::CONNECT,
            "/profiles/me",
            "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
        ),
    ] {
        let request = Request::builder().method(&method).uri(path);
        let response = shop
            .send(request.header("authorization", bearer(&token)), "")
            .await;
        assert_eq!(
            response.status,
            StatusCode::METHOD_NOT_ALLOWED,
            "{method} {path}"
        );
        assert_eq!(response.headers[header::ALLOW], allow);

        let response = shop.send(Request::options(path), "").await;
        assert_eq!(
            response.status,
            StatusCode::NO_CONTENT,
            "OPTIONS {path} needs no token"
        );
        assert_eq!(response.headers[header::ALLOW], allow);
    }
    assert!(shop.sandbox.requests().is_empty());
}

#[tokio::test]
async fn every_route_except_the_mint_requires_an_id_token() {
    let shop = Shop::open();
    for (method, path) in [
        (Method::GET, "/profiles/me"),
        (Method::POST, "/profiles"),
        (Method::GET, "/locations"),
        (Method::GET, "/locations/1"),
    ] {
        let request = || Request::builder().method(&method).uri(path);
        let response = shop.send(request(), "{}").await;
        assert_eq!(response.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(
            response.headers[header::WWW_AUTHENTICATE],
            r#"Bearer realm="omneo-id""#
        );
        for credential in [
            "Bearer x.y.z",
            "Basic YTpi",
            "Bearer",
            "Bearer  a",
            "Bearer\ta",
        ] {
            let response = shop
                .send(request().header("authorization", credential), "{}")
                .await;
            assert_eq!(
                response.status,
                StatusCode::UNAUTHORIZED,
                "{path} {credential:?}"
            );
            assert_eq!(response.body, r#"{"message":"Unauthenticated."}"#);
        }
        let twice = request()
            .header("authorization", "Bearer a")
            .header("authorization", "Bearer b");
        assert_eq!(
            shop.send(twice, "{}").await.status,
            StatusCode::BAD_REQUEST,
            "{path}"
        );
    }
    assert!(shop.sandbox.requests().is_empty());
}

#[tokio::test]
async fn a_target_over_8_kib_is_too_long() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    let response = shop
        .get(&format!("/profiles/me?{}", "x".repeat(8200)), &token)
        .await;
    assert_eq!(response.status, StatusCode::URI_TOO_LONG);
}

#[tokio::test]
async fn a_configured_mount_is_stripped() {
    let shop = Shop::with(|builder| builder.mount("/id/api/v1"));
    let response = shop
        .post(
            "/id/api/v1/auth/token",
            Sandbox::API_TOKEN,
            &json!({"id": Sandbox::ADA_ID}),
        )
        .await;
    let token = response.json()["data"]["token"]
        .as_str()
        .unwrap()
        .to_owned();
    for path in [
        "/id/api/v1/profiles/me",
        "/id/api/v1//profiles/me?include=tiers",
        "/id/api/v1/locations",
    ] {
        assert_eq!(
            shop.get(path, &token).await.status,
            StatusCode::OK,
            "{path}"
        );
    }
    for path in [
        "/profiles/me",
        "/id/api/v1",
        "/id/api/v1x/profiles/me",
        "/id/api/v1/id/api/v1/locations",
    ] {
        assert_eq!(
            shop.get(path, &token).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}

#[tokio::test]
async fn locations_accept_anonymous_tokens_and_keep_the_query() {
    let shop = Shop::open();
    let token = shop.mint_anonymous().await;
    let query = "filter%5Bis_published%5D=1&filter[is_permanently_closed]=0&page[size]=3";
    let response = shop.get(&format!("/locations?{query}"), &token).await;
    assert_eq!(response.status, StatusCode::OK);
    let stores = response.json()["data"].as_array().unwrap().clone();
    assert_eq!(stores.len(), 3);
    assert_eq!(shop.sandbox.requests()[0].query(), Some(query));
    let one = format!("/locations/{}", stores[0]["id"]);
    assert_eq!(
        shop.get(&one, &token).await.json()["data"]["id"],
        stores[0]["id"]
    );
    assert_eq!(
        shop.get("//locations//", &token).await.status,
        StatusCode::OK
    );
    assert_eq!(
        shop.get("//locations?page[size]=1", &token).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_rejected_grpc_request_has_a_grpc_response() {
    let shop = Shop::open();
    let request = Request::post("/profiles/me").header("content-type", "application/grpc");
    let response = shop
        .call(request.body(Full::new(Bytes::new())).unwrap())
        .await;
    assert_eq!(response.status, StatusCode::OK);
    assert_eq!(response.headers["grpc-status"], "16");
}
