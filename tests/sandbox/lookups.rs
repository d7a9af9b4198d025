//! Look-ups of profiles.

use omneo_id::sandbox::{Matching, Sandbox};
use serde_json::json;

use crate::support::{get, post};

#[tokio::test]
async fn search_id_takes_an_id_or_an_identity() {
    let sandbox = Sandbox::new();
    for (kind, id, found) in [
        ("profile_id", json!(Sandbox::ADA_ID), Some(Sandbox::ADA_ID)),
        (
            "shopify",
            json!(Sandbox::ADA_IDENTITY),
            Some(Sandbox::ADA_ID),
        ),
        ("shopify", json!(6142338891902_u64), Some(Sandbox::ADA_ID)),
        ("magento_id", json!("1001"), Some(Sandbox::ADA_ID)),
        ("pos", json!("1001"), Some(Sandbox::GRACE_ID)),
        ("shopify", json!("1001"), None),
        ("profile_id", json!("nobody"), None),
    ] {
        let response = post(
            &sandbox,
            "/profiles/search-id",
            json!({"type": kind, "id": id}),
        )
        .await;
        match found {
            Some(found) => assert_eq!(response.expect(200).data()["id"], found),
            None => assert!(response.expect(404).json()["message"].is_string()),
        }
    }
    let errors = post(&sandbox, "/profiles/search-id", json!({}))
        .await
        .expect(422)
        .json();
    assert_eq!(
        errors["message"],
        "The type field is required. (and 1 more error)"
    );
}

#[tokio::test]
async fn loose_filters_find_similar_profiles_first() {
    let sandbox = Sandbox::new();
    let found = get(
        &sandbox,
        &format!("/profiles?filter[email]={}", Sandbox::ADA_EMAIL),
    )
    .await
    .expect(200);
    let emails = [
        "nada.lovelace@example.com",
        "ada.lovelace@example.com.au",
        Sandbox::ADA_EMAIL,
    ];
    assert_eq!(found.each("email"), emails);
    let found = get(
        &sandbox,
        "/profiles?filter%5Bemail%5D=ada_LOVELACE@example.com",
    )
    .await
    .expect(200);
    assert_eq!(found.each("email").len(), 4);
    let found = get(&sandbox, "/profiles?filter[mobile_phone]=%2B61412323123")
        .await
        .expect(200);
    assert_eq!(
        found.each("mobile_phone"),
        ["+614123231239", Sandbox::ADA_PHONE]
    );
    let all = get(&sandbox, "/profiles?filter[email]=").await.expect(200);
    assert_eq!(all.json()["meta"]["total"], 28);
}

#[tokio::test]
async fn an_unescaped_plus_is_a_space() {
    let sandbox = Sandbox::new();
    let found = get(&sandbox, "/profiles?filter[email]=kim+vip@example.com")
        .await
        .expect(200);
    assert_eq!(found.data(), json!([]));
    let found = get(&sandbox, "/profiles?filter[email]=kim%2Bvip@example.com")
        .await
        .expect(200);
    assert_eq!(found.each("id"), [Sandbox::KIM_ID]);
}

#[tokio::test]
async fn exact_filters_find_one_profile() {
    let exact = Sandbox::builder().matching(Matching::Exact).build();
    let found = get(
        &exact,
        &format!("/profiles?filter[email]={}", Sandbox::ADA_EMAIL),
    )
    .await
    .expect(200);
    assert_eq!(found.each("id"), [Sandbox::ADA_ID]);
    let loose = Sandbox::new();
    for (filter, ids) in [
        (
            "filter[email][eq]=grace.hopper@example.com",
            vec![Sandbox::GRACE_ID],
        ),
        ("filter[id]=nobody", vec![]),
    ] {
        let found = get(&loose, &format!("/profiles?{filter}"))
            .await
            .expect(200);
        assert_eq!(found.each("id"), ids, "{filter}");
    }
}

#[tokio::test]
async fn search_tolerates_typos() {
    let sandbox = Sandbox::new();
    for text in ["grace", "hoper", "Grace%20Hopper"] {
        let found = get(&sandbox, &format!("/profiles?search={text}"))
            .await
            .expect(200);
        assert_eq!(found.each("id"), [Sandbox::GRACE_ID], "{text}");
    }
}

#[tokio::test]
async fn availability_names_the_profile() {
    let sandbox = Sandbox::new();
    let asked = json!({"email": "ADA.lovelace@example.com", "mobile_phone": "+61400000000"});
    let availability = post(&sandbox, "/profiles/availability", asked)
        .await
        .expect(200)
        .data();
    assert_eq!(availability["email"]["available"], false);
    assert_eq!(
        availability["email"]["profile"],
        json!({"id": Sandbox::ADA_ID, "full_name": "Ada Lovelace"})
    );
    assert_eq!(
        availability["mobile_phone"],
        json!({"available": true, "profile": null})
    );
    post(&sandbox, "/profiles/availability", json!({}))
        .await
        .expect(422);
}

#[tokio::test]
async fn identities_can_be_listed_over_all_profiles() {
    let sandbox = Sandbox::new();
    let found = get(
        &sandbox,
        "/identities?filter[handle]=loyalty_card&include=profile",
    )
    .await
    .expect(200);
    assert_eq!(found.each("handle"), ["loyalty_card", "loyalty_card"]);
    assert_eq!(
        found.data()[0]["profile"]["id"],
        found.data()[0]["profile_id"]
    );
}
