//! Sign-ups.

use http::StatusCode;
use omneo_id::sandbox::Sandbox;
use serde_json::json;

use crate::support::Shop;

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
        .post("/profiles", &token, &body("new.profile@example.com"))
        .await;
    let without_consent = shop
        .post("/profiles", &token, &json!({"email": Sandbox::GRACE_EMAIL}))
        .await;
    for response in [&known, &unknown, &without_consent] {
        assert_eq!(response.status, StatusCode::OK, "{:?}", response.body);
        assert_eq!(response.body, r#"{"data":{"success":true}}"#);
        assert!(response.headers.iter().eq(known.headers.iter()));
    }
    let ada = shop.sandbox.profile(Sandbox::ADA_ID).unwrap();
    assert_eq!(ada["attributes"]["comms"]["email_promo"], false);
}

#[tokio::test]
async fn a_sign_up_of_a_known_address_changes_only_the_consent() {
    let shop = Shop::open();
    let token = shop.mint_anonymous().await;
    let before = shop.sandbox.profile(Sandbox::ADA_ID).unwrap();
    let response = shop
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
    assert_eq!(response.status, StatusCode::OK, "{:?}", response.body);
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
        &json!({"email": "new.profile@example.com"}),
    )
    .await;
    let created = shop
        .sandbox
        .profiles()
        .into_iter()
        .find(|profile| profile["email"] == "new.profile@example.com")
        .unwrap();
    assert_eq!(created["first_name"], "unknown");
    assert_eq!(created["last_name"], "unknown");
    assert_eq!(created["attributes"]["comms"]["email_promo"], true);
    assert_eq!(created["attributes"]["comms"]["email_optout"], false);
}

#[tokio::test]
async fn a_sign_up_without_an_id_token_requires_the_api_token() {
    let shop = Shop::open();
    let body = json!({"email": "new.profile@example.com"});
    assert_eq!(
        shop.post("/profiles", Sandbox::API_TOKEN, &body)
            .await
            .status,
        StatusCode::OK
    );
    let people = shop.sandbox.profiles().len();
    shop.sandbox.take_requests();
    let response = shop
        .post("/profiles", "wrong", &json!({"email": "other@example.com"}))
        .await;
    assert_eq!(response.status, StatusCode::UNAUTHORIZED);
    assert!(shop.sandbox.requests().is_empty());
    assert_eq!(shop.sandbox.profiles().len(), people);
}

#[tokio::test]
async fn an_invalid_sign_up_is_rejected_before_the_look_up() {
    let shop = Shop::open();
    let token = shop.mint_anonymous().await;
    let response = shop
        .post(
            "/profiles",
            &token,
            &json!({"email": 7, "mobile_phone": "0412"}),
        )
        .await;
    assert_eq!(response.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(response.json()["errors"]["email"].is_array());
    assert!(response.json()["errors"]["mobile_phone"].is_array());
    assert!(shop.sandbox.requests().is_empty());
}
