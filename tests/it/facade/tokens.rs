//! The token endpoint and the tokens that it mints.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{Request, StatusCode, header};
use omneo_id::error::ConfigErrorKind;
use omneo_id::sandbox::Sandbox;
use omneo_id::{ApiToken, OmneoId, RejectionKind, SigningKey};
use serde_json::{Value, json};

use crate::support::{Shop, bearer};

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn a_mint_by_profile_id_returns_a_token_of_that_profile() {
    let shop = Shop::open();
    let response = shop
        .post(
            "/auth/token",
            Sandbox::API_TOKEN,
            &json!({"id": Sandbox::ADA_ID}),
        )
        .await;
    assert_eq!(response.status, StatusCode::OK);
    assert_eq!(response.headers[header::CACHE_CONTROL], "no-store");
    let data = &response.json()["data"];
    let claims = claims(data["token"].as_str().unwrap());
    assert_eq!(claims["pid"], Sandbox::ADA_ID);
    assert_eq!(claims["exp"], data["exp"]);
    assert_eq!(
        claims["exp"], 1_700_003_600,
        "one hour by the clock that was given"
    );
    let received = shop.sandbox.requests();
    assert_eq!(
        received.len(),
        1,
        "one request both authenticates and resolves"
    );
    assert_eq!(received[0].path(), "/api/v3/profiles/search-id");
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
        for (token, received) in [(&*ada, 0), ("wrong", 1)] {
            let response = shop.post("/auth/token", token, &body).await;
            assert_eq!(response.status, StatusCode::UNAUTHORIZED);
            assert_eq!(response.body, r#"{"message":"Unauthenticated."}"#);
            assert_eq!(
                shop.sandbox.take_requests().len(),
                received,
                "an ID token is known here"
            );
        }
    }
    let response = shop.send(Request::post("/auth/token"), "{}").await;
    assert_eq!(response.status, StatusCode::UNAUTHORIZED);
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
        let response = shop.post("/auth/token", Sandbox::API_TOKEN, &body).await;
        assert_eq!(response.status, StatusCode::NOT_FOUND, "{body}");
        assert_eq!(response.json()["data"], Value::Null);
    }
}

#[tokio::test]
async fn pinned_api_tokens_are_checked_without_the_tenant() {
    let shop = Shop::with(|builder| {
        builder.pinned_api_tokens([ApiToken::new("pinned-by-the-operator").unwrap()])
    });
    let response = shop
        .post("/auth/token", Sandbox::API_TOKEN, &json!({}))
        .await;
    assert_eq!(response.status, StatusCode::UNAUTHORIZED);
    let response = shop
        .post("/auth/token", "pinned-by-the-operator", &json!({}))
        .await;
    assert_eq!(response.status, StatusCode::OK);
    assert!(
        shop.sandbox.requests().is_empty(),
        "anonymous tokens need no look-up"
    );
    let response = shop
        .post(
            "/auth/token",
            "pinned-by-the-operator",
            &json!({"id": Sandbox::ADA_ID}),
        )
        .await;
    assert_eq!(response.status, StatusCode::OK);
    let received = shop.sandbox.requests();
    assert_eq!(
        received[0].header("authorization"),
        Some(&*bearer(Sandbox::API_TOKEN))
    );
}

#[tokio::test]
async fn an_empty_list_of_pinned_tokens_rejects_every_mint() {
    let shop = Shop::with(|builder| builder.pinned_api_tokens([]));
    let without_id = json!({});
    let response = shop
        .post("/auth/token", Sandbox::API_TOKEN, &without_id)
        .await;
    assert_eq!(response.status, StatusCode::UNAUTHORIZED);
    let new_profile = json!({"email": "new@shop.test"});
    let response = shop
        .post("/profiles", Sandbox::API_TOKEN, &new_profile)
        .await;
    assert_eq!(response.status, StatusCode::UNAUTHORIZED);
    assert!(shop.sandbox.requests().is_empty());
}

#[tokio::test]
async fn a_successful_api_token_check_is_cached_if_configured() {
    let shop = Shop::with(|builder| builder.verify_cache(Duration::from_secs(30)));
    for (after, received) in [(0, 1), (29, 1), (1, 2)] {
        shop.clock.advance(after);
        let without_id = json!({});
        let response = shop
            .post("/auth/token", Sandbox::API_TOKEN, &without_id)
            .await;
        assert_eq!(response.status, StatusCode::OK);
        assert_eq!(shop.sandbox.requests().len(), received);
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
    let response = shop.get("/profiles/me", &token).await;
    assert_eq!(response.status, StatusCode::UNAUTHORIZED);
    assert_eq!(response.rejection, Some(RejectionKind::InvalidToken));
}
