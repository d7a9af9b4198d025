//! The paths of the own profile.

use http::{Request, StatusCode, header};
use omneo_id::sandbox::Sandbox;
use serde_json::json;

use crate::support::{Shop, bearer};

#[tokio::test]
async fn paths_of_me_are_forwarded_to_the_profile_of_the_token() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    let response = shop.get("/profiles/me", &token).await;
    assert_eq!(response.json()["data"]["email"], Sandbox::ADA_EMAIL);
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
        let response = shop.get(path, &token).await;
        assert_eq!(
            response.status,
            StatusCode::OK,
            "{path}: {:?}",
            response.body
        );
    }
    let received = shop.sandbox.requests();
    let prefix = format!("/api/v3/profiles/{}", Sandbox::ADA_ID);
    assert!(
        received
            .iter()
            .all(|request| request.path().starts_with(&prefix))
    );
    assert_eq!(received[3].query(), Some("page%5Bsize%5D=2"));
}

#[tokio::test]
async fn writes_are_forwarded_and_their_responses_returned() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    let response = shop
        .put(
            "/profiles/me/attributes/comms",
            &token,
            &json!({"email_promo": false}),
        )
        .await;
    assert_eq!(response.status, StatusCode::OK, "{:?}", response.body);
    let response = shop.get("/profiles/me/attributes/comms", &token).await;
    assert_eq!(response.json()["data"]["email_promo"], false);

    let address = json!({"address_line_1": "1 Analytical Way", "city": "London", "country": "GB"});
    let response = shop.post("/profiles/me/addresses", &token, &address).await;
    assert_eq!(response.status, StatusCode::CREATED, "{:?}", response.body);
    let location = response.headers[header::LOCATION].to_str().unwrap();
    assert!(
        location.starts_with("../../profiles/me/addresses/"),
        "{location}"
    );

    let request = Request::delete("/profiles/me").header("authorization", bearer(&token));
    let response = shop.send(request, "").await;
    assert_eq!(
        (response.status, response.body.len()),
        (StatusCode::NO_CONTENT, 0)
    );
    assert!(shop.sandbox.profile(Sandbox::ADA_ID).is_none());
}

#[tokio::test]
async fn validation_errors_of_the_tenant_are_returned() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    let response = shop
        .put("/profiles/me", &token, &json!({"email": "no address"}))
        .await;
    assert_eq!(response.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(response.json()["errors"]["email"].is_array());
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
    let response = shop.get("/profiles/me", &token).await;
    assert_eq!(response.headers[header::CACHE_CONTROL], "private, no-store");
    let vary: Vec<_> = response.headers.get_all(header::VARY).iter().collect();
    assert!(
        vary.iter()
            .any(|value| value.as_bytes().eq_ignore_ascii_case(b"authorization"))
    );
}
