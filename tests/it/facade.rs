//! The whole service, over a scripted tenant with unusual responses.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use omneo_id::client_info::ClientInfo;
use omneo_id::error::ConfigErrorKind;
use omneo_id::headers::ResponseHeaders;
use omneo_id::keys::KeySet;
use omneo_id::sandbox::{Fault, Sandbox};
use omneo_id::upstream::Forwarding;
use omneo_id::{ApiToken, Keyring, OmneoId, RejectionKind, SigningKey};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{SECRET, Shop, bearer};

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

// --- tokens
// ---------------------------------------------------------------------------------------

#[tokio::test]
async fn a_mint_by_profile_id_returns_a_token_of_that_profile() {
    let shop = Shop::open();
    let answer = shop
        .post(
            "/auth/token",
            Sandbox::API_TOKEN,
            &json!({"id": Sandbox::ADA_ID}),
        )
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    let data = &answer.json()["data"];
    let claims = claims(data["token"].as_str().unwrap());
    assert_eq!(claims["pid"], Sandbox::ADA_ID);
    assert_eq!(claims["exp"], data["exp"]);
    assert_eq!(
        claims["exp"], 1_700_003_600,
        "one hour by the clock that was given"
    );
    let asked = shop.sandbox.requests();
    assert_eq!(
        asked.len(),
        1,
        "one request both authenticates and resolves"
    );
    assert_eq!(asked[0].path(), "/api/v3/profiles/search-id");
}

#[tokio::test]
async fn a_mint_by_identity_returns_a_token_of_its_profile() {
    let shop = Shop::open();
    let body = json!({"id": Sandbox::ADA_IDENTITY, "id_handle": Sandbox::ADA_IDENTITY_HANDLE});
    assert_eq!(claims(&shop.mint(&body).await)["pid"], Sandbox::ADA_ID);
    // The customer ids of shop platforms are numbers.
    let number: u64 = Sandbox::ADA_IDENTITY.parse().unwrap();
    let body = json!({"id": number, "id_handle": Sandbox::ADA_IDENTITY_HANDLE});
    assert_eq!(claims(&shop.mint(&body).await)["pid"], Sandbox::ADA_ID);
}

#[tokio::test]
async fn a_mint_without_an_id_returns_an_anonymous_token() {
    let shop = Shop::open();
    for body in [
        json!({}),
        json!({"id": ""}),
        json!({"id": null}),
        json!({"id_handle": "shopify"}),
    ] {
        assert_eq!(claims(&shop.mint(&body).await)["pid"], "null", "{body}");
    }
    let request = Request::post("/auth/token").header("authorization", bearer(Sandbox::API_TOKEN));
    assert_eq!(
        shop.send(request, "").await.status,
        StatusCode::OK,
        "no body at all"
    );
}

#[tokio::test]
async fn a_mint_requires_the_api_token_and_rejects_an_id_token() {
    let shop = Shop::open();
    let ada = shop.mint_for_ada().await;
    for body in [json!({}), json!({"id": Sandbox::ADA_ID})] {
        for (token, asked) in [(&*ada, 0), ("wrong", 1)] {
            let answer = shop.post("/auth/token", token, &body).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
            assert_eq!(answer.body, r#"{"message":"Unauthenticated."}"#);
            assert_eq!(
                shop.sandbox.take_requests().len(),
                asked,
                "an ID token is known here"
            );
        }
    }
    let answer = shop.send(Request::post("/auth/token"), "{}").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(
        shop.sandbox.requests().is_empty(),
        "without a credential the tenant is not asked"
    );
}

#[tokio::test]
async fn a_mint_for_an_unknown_profile_is_not_found() {
    let shop = Shop::open();
    for body in [
        json!({"id": "7f1c9d3e-0000-4000-8000-000000000000"}),
        json!({"id": "nobody", "id_handle": "shopify"}),
    ] {
        let answer = shop.post("/auth/token", Sandbox::API_TOKEN, &body).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{body}");
        assert_eq!(answer.json()["data"], Value::Null);
    }
}

#[tokio::test]
async fn pinned_api_tokens_are_checked_without_the_tenant() {
    let shop = Shop::with(|builder| {
        builder.pinned_api_tokens([ApiToken::new("pinned-by-the-operator").unwrap()])
    });
    let answer = shop
        .post("/auth/token", Sandbox::API_TOKEN, &json!({}))
        .await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let answer = shop
        .post("/auth/token", "pinned-by-the-operator", &json!({}))
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(
        shop.sandbox.requests().is_empty(),
        "anonymous tokens need no look-up"
    );
    let answer = shop
        .post(
            "/auth/token",
            "pinned-by-the-operator",
            &json!({"id": Sandbox::ADA_ID}),
        )
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    let asked = shop.sandbox.requests();
    assert_eq!(
        asked[0].header("authorization"),
        Some(&*bearer(Sandbox::API_TOKEN))
    );
}

#[tokio::test]
async fn an_empty_list_of_pinned_tokens_rejects_every_mint() {
    let shop = Shop::with(|builder| builder.pinned_api_tokens([]));
    let nobody = json!({});
    let answer = shop.post("/auth/token", Sandbox::API_TOKEN, &nobody).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let newcomer = json!({"email": "new@shop.test"});
    let answer = shop.post("/profiles", Sandbox::API_TOKEN, &newcomer).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(shop.sandbox.requests().is_empty());
}

#[tokio::test]
async fn without_a_signing_key_build_and_mint_fail() {
    let key = SigningKey::hs256([7; 32]).unwrap();
    let verifying = || KeySet::verifying_only([key.verifying_key()]).unwrap();
    let refused = OmneoId::builder()
        .upstream("https://api.acme.test")
        .unwrap()
        .api_token("secret")
        .keyring(verifying().into())
        .build();
    assert_eq!(refused.unwrap_err().kind(), ConfigErrorKind::Missing);

    // A signing key that is removed at run time is not an error of the tenant.
    let ring = Keyring::new(key.clone());
    let shop = Shop::with(|builder| builder.keyring(ring.clone()));
    ring.replace(verifying());
    let nobody = json!({});
    let answer = shop.post("/auth/token", Sandbox::API_TOKEN, &nobody).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        answer.json()["message"],
        "No token can be issued at present."
    );
}

#[tokio::test]
async fn connect_is_rejected_for_every_target() {
    let shop = Shop::open();
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri("evil.test:443");
    let answer = shop.call(request.body(Full::default()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(answer.headers.contains_key(header::ALLOW));
    assert!(shop.sandbox.requests().is_empty());
}

#[tokio::test]
async fn a_successful_api_token_check_is_cached_if_configured() {
    let shop = Shop::with(|builder| builder.verify_cache(Duration::from_secs(30)));
    for (after, asked) in [(0, 1), (29, 1), (1, 2)] {
        shop.clock.advance(after);
        let nobody = json!({});
        let answer = shop.post("/auth/token", Sandbox::API_TOKEN, &nobody).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(shop.sandbox.requests().len(), asked);
    }
    let refused = OmneoId::builder()
        .upstream("https://api.acme.test")
        .unwrap()
        .api_token("secret")
        .signing_key(SigningKey::hs256([7; 32]).unwrap())
        .verify_cache(Duration::from_secs(61))
        .build();
    assert_eq!(
        refused.unwrap_err().kind(),
        ConfigErrorKind::InvalidDuration
    );
}

#[tokio::test]
async fn a_token_is_valid_until_it_expires() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    assert_eq!(
        shop.get("/profiles/me", &token).await.status,
        StatusCode::OK
    );
    shop.clock.advance(3600 + 60);
    let answer = shop.get("/profiles/me", &token).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.rejection, Some(RejectionKind::InvalidToken));
}

#[tokio::test]
async fn keys_rotate_while_requests_run() {
    let key = |secret: &str, id| SigningKey::hs256(secret).unwrap().with_key_id(id).unwrap();
    let (first, second) = (
        key(SECRET, "old"),
        key("another secret of thirty-two bytes!", "new"),
    );
    let ring = Keyring::new(first.clone());
    let shop = Shop::with(|builder| builder.keyring(ring.clone()));
    let old = shop.mint_for_ada().await;

    let both = KeySet::new(second.clone())
        .with_verifying_key(first.verifying_key())
        .unwrap();
    ring.replace(both);
    let new = shop.mint_for_ada().await;
    assert_eq!(shop.get("/profiles/me", &old).await.status, StatusCode::OK);
    assert_eq!(shop.get("/profiles/me", &new).await.status, StatusCode::OK);

    ring.replace(KeySet::new(second));
    assert_eq!(
        shop.get("/profiles/me", &old).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(shop.get("/profiles/me", &new).await.status, StatusCode::OK);
}

// --- me

#[tokio::test]
async fn paths_of_me_are_forwarded_to_the_profile_of_the_token() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    let answer = shop.get("/profiles/me", &token).await;
    assert_eq!(answer.json()["data"]["email"], Sandbox::ADA_EMAIL);
    for path in [
        "/profiles/me/balances",
        "/profiles/me/lists/wishlist",
        "//profiles/me/transactions?page%5Bsize%5D=2",
        "/profiles/me/identities",
        "/profiles/me/attributes/comms",
        "/profiles/me/addresses",
        "/profiles/me/rewards",
        "/profiles/me/group_transactions",
    ] {
        let answer = shop.get(path, &token).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {:?}", answer.body);
    }
    let asked = shop.sandbox.requests();
    let prefix = format!("/api/v3/profiles/{}", Sandbox::ADA_ID);
    assert!(
        asked
            .iter()
            .all(|request| request.path().starts_with(&prefix))
    );
    assert_eq!(asked[3].query(), Some("page%5Bsize%5D=2"));
}

#[tokio::test]
async fn writes_are_forwarded_and_their_responses_returned() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    let answer = shop
        .put(
            "/profiles/me/attributes/comms",
            &token,
            &json!({"email_promo": false}),
        )
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    let answer = shop.get("/profiles/me/attributes/comms", &token).await;
    assert_eq!(answer.json()["data"]["email_promo"], false);

    let address = json!({"address_line_1": "1 Analytical Way", "city": "London", "country": "GB"});
    let answer = shop.post("/profiles/me/addresses", &token, &address).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.body);
    let location = answer.headers[header::LOCATION].to_str().unwrap();
    assert!(
        location.starts_with("../../profiles/me/addresses/"),
        "{location}"
    );

    let request = Request::delete("/profiles/me").header("authorization", bearer(&token));
    let answer = shop.send(request, "").await;
    assert_eq!(
        (answer.status, answer.body.len()),
        (StatusCode::NO_CONTENT, 0)
    );
    assert!(shop.sandbox.profile(Sandbox::ADA_ID).is_none());
}

#[tokio::test]
async fn validation_errors_of_the_tenant_are_returned() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    let answer = shop
        .put("/profiles/me", &token, &json!({"email": "no address"}))
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.json()["errors"]["email"].is_array());
}

#[tokio::test]
async fn me_with_an_anonymous_token_is_not_found_without_a_tenant_call() {
    let shop = Shop::open();
    let token = shop.mint_anonymous().await;
    for path in ["/profiles/me", "/profiles/me/balances"] {
        assert_eq!(shop.get(path, &token).await.status, StatusCode::NOT_FOUND);
    }
    assert!(shop.sandbox.requests().is_empty());
}

#[tokio::test]
async fn responses_of_me_are_private_for_every_cache() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    let answer = shop.get("/profiles/me", &token).await;
    assert_eq!(answer.headers[header::CACHE_CONTROL], "private, no-store");
    let vary: Vec<_> = answer.headers.get_all(header::VARY).iter().collect();
    assert!(
        vary.iter()
            .any(|value| value.as_bytes().eq_ignore_ascii_case(b"authorization"))
    );
}

// --- routes
// ------------------------------------------------------------------------------------

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
        let answer = shop.get(path, &token).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.body, r#"{"message":"Not found."}"#, "{path}");
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
        let answer = shop
            .send(request.header("authorization", bearer(&token)), "")
            .await;
        assert_eq!(
            answer.status,
            StatusCode::METHOD_NOT_ALLOWED,
            "{method} {path}"
        );
        assert_eq!(answer.headers[header::ALLOW], allow);

        let answer = shop.send(Request::options(path), "").await;
        assert_eq!(
            answer.status,
            StatusCode::NO_CONTENT,
            "OPTIONS {path} needs no token"
        );
        assert_eq!(answer.headers[header::ALLOW], allow);
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
        let answer = shop.send(request(), "{}").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(
            answer.headers[header::WWW_AUTHENTICATE],
            r#"Bearer realm="omneo-id""#
        );
        for credential in [
            "Bearer x.y.z",
            "Basic YTpi",
            "Bearer",
            "Bearer  a",
            "Bearer\ta",
        ] {
            let answer = shop
                .send(request().header("authorization", credential), "{}")
                .await;
            assert_eq!(
                answer.status,
                StatusCode::UNAUTHORIZED,
                "{path} {credential:?}"
            );
            assert_eq!(answer.body, r#"{"message":"Unauthenticated."}"#);
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
    let answer = shop
        .get(&format!("/profiles/me?{}", "x".repeat(8200)), &token)
        .await;
    assert_eq!(answer.status, StatusCode::URI_TOO_LONG);
}

#[tokio::test]
async fn a_configured_mount_is_stripped() {
    let shop = Shop::with(|builder| builder.mount("/id/api/v1"));
    let answer = shop
        .post(
            "/id/api/v1/auth/token",
            Sandbox::API_TOKEN,
            &json!({"id": Sandbox::ADA_ID}),
        )
        .await;
    let token = answer.json()["data"]["token"].as_str().unwrap().to_owned();
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

// --- sign-up
// --------------------------------------------------------------------------------------

#[tokio::test]
async fn a_sign_up_has_the_same_response_for_known_and_unknown_addresses() {
    let shop = Shop::open();
    let token = shop.mint_anonymous().await;
    let body =
        |email: &str| json!({"email": email, "attributes": {"comms": {"email_promo": false}}});
    let known = shop
        .post("/profiles", &token, &body(Sandbox::ADA_EMAIL))
        .await;
    let unknown = shop
        .post("/profiles", &token, &body("newcomer@example.com"))
        .await;
    let nothing_to_do = shop
        .post("/profiles", &token, &json!({"email": Sandbox::GRACE_EMAIL}))
        .await;
    for answer in [&known, &unknown, &nothing_to_do] {
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        assert_eq!(answer.body, r#"{"data":{"success":true}}"#);
        assert!(answer.headers.iter().eq(known.headers.iter()));
    }
    let ada = shop.sandbox.profile(Sandbox::ADA_ID).unwrap();
    assert_eq!(ada["attributes"]["comms"]["email_promo"], false);
}

#[tokio::test]
async fn a_sign_up_of_a_known_address_changes_only_the_consent() {
    let shop = Shop::open();
    let token = shop.mint_anonymous().await;
    let before = shop.sandbox.profile(Sandbox::ADA_ID).unwrap();
    let answer = shop
        .post(
            "/profiles?first_name=Mallory&_method=DELETE",
            &token,
            &json!({
                "email": Sandbox::ADA_EMAIL.to_uppercase(),
                "id": Sandbox::GRACE_ID,
                "first_name": "Mallory",
                "mobile_phone": "+61400000001",
                "attributes": {"comms": {
                    "sms_promo": true, "profile_id": Sandbox::GRACE_ID, "email_bounced": true,
                }},
            }),
        )
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    let mut after = shop.sandbox.profile(Sandbox::ADA_ID).unwrap();
    assert_eq!(after["attributes"]["comms"]["sms_promo"], true);
    for volatile in ["sms_promo", "updated_at"] {
        after["attributes"]["comms"][volatile] = before["attributes"]["comms"][volatile].clone();
    }
    after["updated_at"] = before["updated_at"].clone();
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_sign_up_of_an_unknown_address_creates_a_profile_with_defaults() {
    let shop = Shop::open();
    let token = shop.mint_anonymous().await;
    shop.post(
        "/profiles",
        &token,
        &json!({"email": "newcomer@example.com"}),
    )
    .await;
    let created = shop
        .sandbox
        .profiles()
        .into_iter()
        .find(|profile| profile["email"] == "newcomer@example.com")
        .unwrap();
    assert_eq!(created["first_name"], "unknown");
    assert_eq!(created["last_name"], "unknown");
    assert_eq!(created["attributes"]["comms"]["email_promo"], true);
    assert_eq!(created["attributes"]["comms"]["email_optout"], false);
}

#[tokio::test]
async fn a_sign_up_without_an_id_token_requires_the_api_token() {
    let shop = Shop::open();
    let body = json!({"email": "newcomer@example.com"});
    assert_eq!(
        shop.post("/profiles", Sandbox::API_TOKEN, &body)
            .await
            .status,
        StatusCode::OK
    );
    let people = shop.sandbox.profiles().len();
    shop.sandbox.take_requests();
    let answer = shop
        .post("/profiles", "wrong", &json!({"email": "other@example.com"}))
        .await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(shop.sandbox.requests().is_empty());
    assert_eq!(shop.sandbox.profiles().len(), people);
}

#[tokio::test]
async fn an_invalid_sign_up_is_rejected_before_the_look_up() {
    let shop = Shop::open();
    let token = shop.mint_anonymous().await;
    let answer = shop
        .post(
            "/profiles",
            &token,
            &json!({"email": 7, "mobile_phone": "0412"}),
        )
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.json()["errors"]["email"].is_array());
    assert!(answer.json()["errors"]["mobile_phone"].is_array());
    assert!(shop.sandbox.requests().is_empty());
}

// --- locations
// ------------------------------------------------------------------------------------

#[tokio::test]
async fn locations_accept_anonymous_tokens_and_keep_the_query() {
    let shop = Shop::open();
    let token = shop.mint_anonymous().await;
    let query = "filter%5Bis_published%5D=1&filter[is_permanently_closed]=0&page[size]=3";
    let answer = shop.get(&format!("/locations?{query}"), &token).await;
    assert_eq!(answer.status, StatusCode::OK);
    let stores = answer.json()["data"].as_array().unwrap().clone();
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

// --- guarantees
// -----------------------------------------------------------------------

#[tokio::test]
async fn credentials_are_neither_forwarded_nor_returned() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    let echo = Response::builder()
        .header("x-echo", bearer(Sandbox::API_TOKEN))
        .header("set-cookie", "a=b")
        .header("server", "nginx")
        .header("access-control-allow-origin", "*")
        .body(r#"{"data":[]}"#)
        .unwrap();
    shop.sandbox.inject(Fault::answer(echo));
    let request = Request::get("/profiles/me")
        .header("authorization", bearer(&token))
        .header("cookie", "session=1")
        .header("connection", "authorization, host, x-request-id")
        .header("x-forwarded-for", "203.0.113.9")
        .header("x-http-method-override", "DELETE")
        .header("x_request_id", "alias")
        .header("x-original-url", "/api/v3/profiles");
    let answer = shop.send(request, "").await;
    assert_eq!(answer.status, StatusCode::OK);
    for (name, value) in &answer.headers {
        assert!(
            !value.to_str().unwrap().contains(Sandbox::API_TOKEN),
            "{name}"
        );
    }
    for name in ["set-cookie", "server", "access-control-allow-origin"] {
        assert!(!answer.headers.contains_key(name), "{name}");
    }

    let asked = shop.sandbox.requests().pop().unwrap();
    let authorization: Vec<_> = asked.headers.get_all("authorization").iter().collect();
    assert_eq!(authorization, [&*bearer(Sandbox::API_TOKEN)]);
    for (name, value) in &asked.headers {
        assert!(!value.to_str().unwrap().contains(&*token), "{name}");
    }
    for name in [
        "cookie",
        "x-http-method-override",
        "x_request_id",
        "x-original-url",
        "connection",
    ] {
        assert!(!asked.headers.contains_key(name), "{name}");
    }
    assert_ne!(asked.header("x-forwarded-for"), Some("203.0.113.9"));
}

#[tokio::test]
async fn request_and_response_header_policies_are_configurable() {
    let shop = Shop::with(|builder| {
        let down = ResponseHeaders::default().allow("set-cookie").unwrap();
        let forwarding = Forwarding::both().with_pseudonym("shop").unwrap();
        builder.response_headers(down).forwarding(forwarding)
    });
    let token = shop.mint_for_ada().await;
    let cookies = Response::builder()
        .header("set-cookie", "a=b")
        .header("set-cookie", "c=d")
        .header("server", "nginx")
        .body(r#"{"data":[]}"#)
        .unwrap();
    shop.sandbox.inject(Fault::answer(cookies));
    let client = ClientInfo::default().add_addr([203, 0, 113, 7].into());
    let request = Request::get("/profiles/me")
        .header("authorization", bearer(&token))
        .extension(client);
    let answer = shop.send(request, "").await;
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=b", "c=d"]);
    assert!(!answer.headers.contains_key("server"));
    let asked = shop.sandbox.requests().pop().unwrap();
    assert_eq!(asked.header("via"), Some("1.1 shop"));
    assert_eq!(asked.header("forwarded"), Some("for=203.0.113.7"));
    assert_eq!(asked.header("x-forwarded-for"), Some("203.0.113.7"));
}

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
    let answer = shop.get("/locations", token).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers.contains_key("retry-after"));
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
        let mut answer = Response::builder();
        if let Some(coding) = coding {
            answer = answer.header("content-encoding", coding);
        }
        let answer = answer.body(page.clone()).unwrap();
        shop.sandbox.inject(Fault::answer(answer));
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
        (Fault::answer(page), StatusCode::BAD_GATEWAY),
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
        let answer = shop.get("/profiles/me", &token).await;
        assert_eq!(answer.status, status);
        assert!(answer.json()["message"].is_string());
        assert!(!answer.body.windows(8).any(|bytes| bytes == b"SQLSTATE"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_without_a_response_is_a_gateway_timeout() {
    let shop = Shop::with(|builder| builder.head_timeout(Duration::from_secs(7)));
    let token = shop.mint_for_ada().await;
    shop.sandbox.inject(Fault::stall().forever());
    let before = tokio::time::Instant::now();
    assert_eq!(
        shop.get("/profiles/me", &token).await.status,
        StatusCode::GATEWAY_TIMEOUT
    );
    assert_eq!(before.elapsed().as_secs(), 7);
    let answer = shop
        .post("/profiles", &token, &json!({"email": "a@example.com"}))
        .await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
    let answer = shop
        .post("/auth/token", Sandbox::API_TOKEN, &json!({"id": "x"}))
        .await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn an_idle_request_body_times_out() {
    let shop = Shop::open();
    let token = shop.mint_anonymous().await;
    for (uri, token) in [("/profiles", &*token), ("/auth/token", Sandbox::API_TOKEN)] {
        let (half, body) = tokio::sync::mpsc::channel::<Bytes>(1);
        half.send(Bytes::from_static(b"{\"email\":")).await.unwrap();
        let request = Request::post(uri)
            .header("authorization", bearer(token))
            .header("content-type", "application/json")
            .body(Silent(body))
            .unwrap();
        let response = shop.id.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT, "{uri}");
        drop(half);
    }
    assert!(shop.sandbox.requests().is_empty());
}

/// A body that yields the given frames, and then stays pending.
struct Silent(tokio::sync::mpsc::Receiver<Bytes>);

impl http_body::Body for Silent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(cx)
            .map(|data| data.map(|data| Ok(Frame::data(data))))
    }
}

#[tokio::test]
async fn a_rejected_grpc_request_has_a_grpc_response() {
    let shop = Shop::open();
    let request = Request::post("/profiles/me").header("content-type", "application/grpc");
    let answer = shop
        .call(request.body(Full::new(Bytes::new())).unwrap())
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["grpc-status"], "16");
}

#[tokio::test]
async fn rate_limit_headers_of_the_api_token_are_removed() {
    let shop = Shop::open();
    let anonymous = shop.mint_anonymous().await;
    let ada = shop.mint_for_ada().await;
    for status in [200, 404, 422, 429] {
        for (path, token) in [("/locations", &anonymous), ("/profiles/me/lists", &ada)] {
            let counted = Response::builder()
                .status(status)
                .header("content-type", "application/json")
                .header("x-ratelimit-limit", "600")
                .header("x-ratelimit-remaining", "59")
                .header("ratelimit", "\"default\";r=50;t=30")
                .header("server-timing", "db;dur=53")
                .header("retry-after", "7")
                .body("{}")
                .unwrap();
            shop.sandbox.inject(Fault::answer(counted));
            let answer = shop.get(path, token).await;
            assert_eq!(answer.status, status, "{path}");
            assert_eq!(answer.headers["retry-after"], "7");
            for name in [
                "x-ratelimit-limit",
                "x-ratelimit-remaining",
                "ratelimit",
                "server-timing",
            ] {
                assert!(!answer.headers.contains_key(name), "{path} {status} {name}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keys_can_be_replaced_under_load() {
    let key = |number: usize| {
        SigningKey::hs256(format!(
            "secret number {number} of at least thirty-two bytes"
        ))
        .unwrap()
    };
    let ring = Keyring::new(key(0));
    let shared = ring.clone();
    let shop = Arc::new(Shop::with(|builder| builder.keyring(shared)));
    let stop = Arc::new(AtomicBool::new(false));
    let served: Arc<[AtomicUsize]> = (0..8).map(|_| AtomicUsize::new(0)).collect();
    let visitors: Vec<_> = (0..served.len())
        .map(|visitor| {
            let (shop, stop, served) = (Arc::clone(&shop), Arc::clone(&stop), Arc::clone(&served));
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    // Minted with one keyring, and verified while the keyring may be replaced.
                    let token = shop.mint_for_ada().await;
                    tokio::task::yield_now().await;
                    let answer = shop.get("/profiles/me", &token).await;
                    assert_eq!(answer.status, 200);
                    served[visitor].fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for number in 1..=30 {
        // The previous key still verifies, and no client is two rotations behind.
        let keys = KeySet::new(key(number));
        let before = key(number - 1).verifying_key();
        ring.replace(keys.with_verifying_key(before).unwrap());
        for (visitor, served) in visitors.iter().zip(served.iter()) {
            let before = served.load(Ordering::SeqCst);
            while served.load(Ordering::SeqCst) < before + 2 {
                assert!(!visitor.is_finished(), "a request failed");
                tokio::time::sleep(Duration::from_micros(100)).await;
            }
        }
    }
    stop.store(true, Ordering::SeqCst);
    for visitor in visitors {
        visitor.await.unwrap();
    }
    // A token of an older key is rejected.
    let old = omneo_id::sandbox::TestTokens::new(&Keyring::new(key(1))).unwrap();
    let clock = shop.clock.clone();
    let token = old.with_clock(move || clock.now()).valid(Sandbox::ADA_ID);
    assert_eq!(shop.get("/profiles/me", &token).await.status, 401);
}
