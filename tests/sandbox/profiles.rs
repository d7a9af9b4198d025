//! Creating, changing and removing profiles.

use std::time::{Duration, UNIX_EPOCH};

use http::Method;
use omneo_id::sandbox::Sandbox;
use serde_json::json;

use crate::support::{bare, delete, get, post, put, request};

#[tokio::test]
async fn a_new_profile_has_the_tenants_defaults() {
    let moment = UNIX_EPOCH + Duration::from_secs(1_709_251_199);
    let sandbox = Sandbox::builder().stopped_clock(moment).build();
    let new = json!({"email": "new@example.com", "attributes": {"comms": {"email_promo": 1,
        "colour": "red"}}});
    let created = post(&sandbox, "/profiles", new).await.expect(201).data();
    assert_eq!(created["full_name"], "Unknown Unknown");
    assert_eq!(created["profile_type"], "active");
    assert_eq!(created["created_at"], "2024-02-29 23:59:59");
    let comms = &created["attributes"]["comms"];
    assert_eq!(comms["email_promo"], true);
    assert!(comms["sms_promo"].is_null());
    assert!(comms.get("colour").is_none());
    let id = created["id"].as_str().unwrap();
    assert_eq!(id.len(), 36);
    assert_eq!(sandbox.profile(id).unwrap(), created);
}

#[tokio::test]
async fn a_new_profile_is_created_with_its_nested_resources() {
    let sandbox = Sandbox::new();
    let new = json!({
        "email": "new@example.com", "mobile_phone": "+61400000001", "first_name": "New",
        "last_name": "Person",
        "attributes": {"appearance": {"eye_colour": "green"}},
        "dates_attributes": [{"name": "Birthday", "date": "2000-01-01"}],
        "identities": [{"handle": "shopify", "identifier": "77"}],
        "addresses": [{"address_line_1": "1 New Street"}],
        "tags": ["new"],
    });
    let created = post(&sandbox, "/profiles", new).await.expect(201).data();
    assert_eq!(created["mobile_phone_country"], "AU");
    assert_eq!(created["mobile_phone_national"], "0400000001");
    assert_eq!(created["attributes"]["appearance"]["eye_colour"], "green");
    assert_eq!(created["attributes"]["dates"][0]["name"], "Birthday");
    assert_eq!(created["addresses"][0]["address_line_1"], "1 New Street");
    assert_eq!(created["tags"], json!(["new"]));
    let found = post(
        &sandbox,
        "/profiles/search-id",
        json!({"type": "shopify", "id": "77"}),
    )
    .await
    .expect(200);
    assert_eq!(found.data()["id"], created["id"]);
}

#[tokio::test]
async fn addresses_and_numbers_are_unique() {
    let sandbox = Sandbox::new();
    let taken = json!({"email": "ADA.Lovelace@example.com", "mobile_phone": Sandbox::GRACE_PHONE});
    let refused = post(&sandbox, "/profiles", taken).await.expect(422).json();
    assert_eq!(
        refused["message"],
        "The email has already been taken. (and 1 more error)"
    );
    assert_eq!(
        refused["errors"]["mobile_phone"],
        json!(["The phone number exists"])
    );
    let path = format!("/profiles/{}", Sandbox::ADA_ID);
    put(&sandbox, &path, json!({"email": Sandbox::GRACE_EMAIL}))
        .await
        .expect(422);
    put(&sandbox, &path, json!({"email": Sandbox::ADA_EMAIL}))
        .await
        .expect(200);
    assert_eq!(sandbox.profiles().len(), 28);
}

#[tokio::test]
async fn errors_of_nested_fields_have_dotted_names() {
    let sandbox = Sandbox::new();
    let wrong = json!({
        "email": "new@example.com", "gender": "Female", "birth_month": 13, "mobile_phone": "0412",
        "attributes": {"comms": {"email_promo": "yes"}},
        "identities": [{"handle": "magento_id", "identifier": Sandbox::ADA_MAGENTO_ID},
        {"handle": "pos"}],
    });
    let errors = post(&sandbox, "/profiles", wrong).await.expect(422).json()["errors"].take();
    let fields: Vec<&String> = errors.as_object().unwrap().keys().collect();
    let invalid_fields = [
        "attributes.comms.email_promo",
        "birth_month",
        "gender",
        "identities.0.identifier",
        "identities.1.identifier",
        "mobile_phone",
    ];
    for field in invalid_fields {
        assert!(fields.iter().any(|known| *known == field), "{field}");
    }
    assert_eq!(fields.len(), invalid_fields.len());
}

#[tokio::test]
async fn comms_are_updated_field_by_field() {
    let sandbox = Sandbox::new();
    let path = format!("/profiles/{}", Sandbox::GRETA_ID);
    let before = sandbox.profile(Sandbox::GRETA_ID).unwrap();
    let change = json!({"email_promo": true, "email_consent_updated_at": "2025-01-01T00:00:00Z",
        "profile_id": "x"});
    let comms = put(&sandbox, &format!("{path}/attributes/comms"), change)
        .await
        .expect(200)
        .data();
    assert_eq!(comms["email_promo"], true);
    assert_eq!(comms["email_optout"], true);
    assert_eq!(comms["profile_id"], Sandbox::GRETA_ID);
    let after = sandbox.profile(Sandbox::GRETA_ID).unwrap();
    assert_eq!(after["attributes"]["comms"], comms);
    assert_eq!(after["updated_at"], before["updated_at"]);
    let listed = put(
        &sandbox,
        &format!("{path}/comms"),
        json!({"sms_promo": false}),
    )
    .await
    .expect(200)
    .data();
    assert_eq!(listed[0]["sms_promo"], false);
    let refused = put(
        &sandbox,
        &format!("{path}/attributes/comms"),
        json!({"sms_promo": "no"}),
    )
    .await
    .expect(422);
    assert!(refused.json()["errors"]["sms_promo"].is_array());
}

#[tokio::test]
async fn a_deleted_profile_is_not_found() {
    let sandbox = Sandbox::new();
    for (method, id, below) in [
        (Method::DELETE, Sandbox::ADA_ID, ""),
        (Method::DELETE, Sandbox::GRACE_ID, "/purge"),
        (Method::POST, Sandbox::ALAN_ID, "/purge"),
    ] {
        let path = format!("/profiles/{id}");
        let response = bare(&sandbox, request(method, &format!("{path}{below}")))
            .await
            .expect(204);
        assert!(response.body.is_empty());
        get(&sandbox, &path).await.expect(404);
        delete(&sandbox, &path).await.expect(404);
    }
    assert_eq!(sandbox.profiles().len(), 25);
}

#[tokio::test]
async fn resync_and_update_type_return_the_profile() {
    let sandbox = Sandbox::new();
    let path = format!("/profiles/{}", Sandbox::ADA_ID);
    assert_eq!(
        get(&sandbox, &format!("{path}/resync"))
            .await
            .expect(200)
            .data()["id"],
        Sandbox::ADA_ID
    );
    let update = format!("{path}/update-type");
    let changed = put(&sandbox, &update, json!({"profile_type": "pending"}))
        .await
        .expect(200)
        .data();
    assert_eq!(changed["profile_type"], "pending");
    put(&sandbox, &update, json!({"profile_type": "emperor"}))
        .await
        .expect(422);
}
