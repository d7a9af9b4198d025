//! The resources of a profile, except its lists.

use omneo_id::sandbox::Sandbox;
use serde_json::json;

use crate::support::{delete, get, post, put};

fn ada(below: &str) -> String {
    format!("/profiles/{}/{below}", Sandbox::ADA_ID)
}

#[tokio::test]
async fn every_resource_that_clients_use_can_be_read() {
    let sandbox = Sandbox::new();
    for below in [
        "addresses",
        "aggregations",
        "aggregations/calculate",
        "attributes",
        "attributes/appearance",
        "attributes/comms",
        "attributes/dates",
        "attributes/custom",
        "attributes/custom/loyalty:card_number",
        "balances",
        "benefits",
        "comms",
        "connections",
        "find-transactions",
        "group_transactions",
        "identities",
        "identities/shopify",
        "interactions",
        "ledgers",
        "lists",
        "lists/wishlist/items",
        "points",
        "regions",
        "rewards",
        "tiers",
        "tiers/calculate",
        "transaction-products",
        "transactionitems/list/unassigned",
        "transactions",
        "transactions/claims",
        "achievements",
        "appointments",
        "credits",
        "orders",
        "group_orders",
        "redemptions",
        "redeemable_benefits",
        "custom-fields",
    ] {
        let response = get(&sandbox, &ada(below)).await.expect(200);
        assert!(response.json().get("data").is_some(), "{below}");
    }
    get(&sandbox, "/profiles/nobody/lists").await.expect(404);
}

#[tokio::test]
async fn every_writable_resource_can_be_created_updated_and_deleted() {
    let sandbox = Sandbox::new();
    for (below, new) in [
        ("addresses", json!({"address_line_1": "1 New Street"})),
        (
            "attributes/custom",
            json!({"namespace": "n", "handle": "h", "value": 1}),
        ),
        ("identities/id", json!({"handle": "app", "identifier": "9"})),
        ("benefits", json!({"name": "Cake", "value": 3})),
        ("rewards", json!({"value": 3})),
        ("points", json!({"points": 3})),
        ("credits", json!({"value": 3})),
        ("regions", json!({"handle": "nsw"})),
        ("interactions", json!({"type": "call"})),
        ("transactions", json!({"external_id": "T-1"})),
        ("transactions/claims", json!({"external_id": "T-1"})),
        ("appointments", json!({"starts_at": "2030-01-01 10:00:00"})),
    ] {
        let at = if below == "identities/id" {
            "identities"
        } else {
            below
        };
        let created = post(&sandbox, &ada(at), new).await.expect(201).data();
        assert_eq!(created["profile_id"], Sandbox::ADA_ID);
        let path = ada(&format!("{below}/{}", created["id"]));
        assert_eq!(
            get(&sandbox, &path).await.expect(200).data(),
            created,
            "{below}"
        );
        let changed = put(&sandbox, &path, json!({"note": "changed", "id": 1}))
            .await
            .expect(200)
            .data();
        assert_eq!(
            (&changed["note"], &changed["id"]),
            (&json!("changed"), &created["id"])
        );
        delete(&sandbox, &path).await.expect(204);
        get(&sandbox, &path).await.expect(404);
    }
}

#[tokio::test]
async fn dates_are_put_as_a_list_and_returned_after_a_removal() {
    let sandbox = Sandbox::new();
    let dates = ada("attributes/dates");
    let put_dates = json!({"dates": [
        {"name": "Birthday", "date": "1999-09-09"},
        {"name": "Move", "date": "2020-02-02"},
    ]});
    let all = put(&sandbox, &dates, put_dates).await.expect(200);
    assert_eq!(all.each("name"), ["Anniversary", "Birthday", "Move"]);
    assert_eq!(all.each("date")[1], "1999-09-09");
    let first = all.each("id")[0].to_string();
    let remaining = delete(&sandbox, &format!("{dates}/{first}"))
        .await
        .expect(200);
    assert_eq!(remaining.each("name"), ["Birthday", "Move"]);
    put(&sandbox, &dates, json!({"name": "Nameless"}))
        .await
        .expect(422);
}

#[tokio::test]
async fn a_custom_attribute_is_put_by_its_name() {
    let sandbox = Sandbox::new();
    let path = ada("attributes/custom/preferences:colour");
    get(&sandbox, &path).await.expect(404);
    put(&sandbox, &path, json!({"value": "red"}))
        .await
        .expect(200);
    put(&sandbox, &path, json!({"value": "blue"}))
        .await
        .expect(200);
    assert_eq!(
        get(&sandbox, &path).await.expect(200).data()["value"],
        "blue"
    );
    delete(&sandbox, &path).await.expect(204);
}

#[tokio::test]
async fn appearance_is_merged() {
    let sandbox = Sandbox::new();
    let path = ada("attributes/appearance");
    put(&sandbox, &path, json!({"hair_colour": "red"}))
        .await
        .expect(200);
    let appearance = get(&sandbox, &path).await.expect(200).data();
    assert_eq!(
        (&appearance["hair_colour"], &appearance["eye_colour"]),
        (&json!("red"), &json!("brown"))
    );
}

#[tokio::test]
async fn rewards_are_redeemed_down_to_zero() {
    let sandbox = Sandbox::new();
    let balances = get(&sandbox, &ada("balances")).await.expect(200).data();
    assert_eq!(balances["reward_balance"], 25.0);
    assert_eq!(balances["point_balance"], 660.0);
    assert_eq!(balances["combined_balance_dollars"], 36.6);
    post(&sandbox, &ada("redeem"), json!({"amount": 25.5}))
        .await
        .expect(422);
    post(&sandbox, &ada("redeem"), json!({"amount": "-1"}))
        .await
        .expect(422);
    post(&sandbox, &ada("redeem"), json!({})).await.expect(422);
    let redeemed = post(&sandbox, &ada("redeem"), json!({"amount": 12}))
        .await
        .expect(200)
        .data();
    assert_eq!(redeemed["balances"]["reward_balance"], 13.0);
    let rewards = get(&sandbox, &ada("rewards")).await.expect(200);
    assert_eq!(rewards.each("value_remaining"), [0.0, 13.0]);
    assert_eq!(
        get(&sandbox, &ada("redemptions"))
            .await
            .expect(200)
            .each("amount"),
        [12.0]
    );
}

#[tokio::test]
async fn a_benefit_is_redeemed_once() {
    let sandbox = Sandbox::new();
    let path = ada("benefits/coffee/redeem");
    assert_eq!(
        post(&sandbox, &path, json!({})).await.expect(200).data()["status"],
        "redeemed"
    );
    post(&sandbox, &path, json!({})).await.expect(422);
    post(&sandbox, &ada("benefits/nothing/redeem"), json!({}))
        .await
        .expect(404);
}

#[tokio::test]
async fn a_tier_is_assigned() {
    let sandbox = Sandbox::new();
    post(
        &sandbox,
        &ada("tiers/assign"),
        json!({"tier_handle": "gold"}),
    )
    .await
    .expect(200);
    assert_eq!(
        get(&sandbox, &ada("tiers/calculate"))
            .await
            .expect(200)
            .data()["handle"],
        "gold"
    );
    post(&sandbox, &ada("tiers/assign"), json!({}))
        .await
        .expect(422);
}

#[tokio::test]
async fn identities_name_at_most_one_profile() {
    let sandbox = Sandbox::new();
    let taken = json!({"handle": "pos", "identifier": Sandbox::ADA_MAGENTO_ID});
    post(&sandbox, &ada("identities"), taken.clone())
        .await
        .expect(422);
    put(&sandbox, &ada("identities/shopify"), taken)
        .await
        .expect(422);
    let renamed = put(
        &sandbox,
        &ada("identities/shopify"),
        json!({"identifier": "42"}),
    )
    .await
    .expect(200)
    .data();
    assert_eq!(renamed["identifier"], "42");
    delete(&sandbox, &ada("identities/shopify"))
        .await
        .expect(204);
    get(&sandbox, &ada("identities/shopify")).await.expect(404);
}

#[tokio::test]
async fn connections_have_two_sides() {
    let sandbox = Sandbox::new();
    assert_eq!(
        get(&sandbox, &ada("connections"))
            .await
            .expect(200)
            .each("status"),
        ["accepted", "pending"]
    );
    let grace = format!("/profiles/{}/connections/1", Sandbox::GRACE_ID);
    let info = get(&sandbox, &format!("{grace}/profileInfo"))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&info["id"], info.get("data")),
        (&json!(Sandbox::ADA_ID), None)
    );
    let changed = put(
        &sandbox,
        &grace,
        json!({"status": "hold", "connected_id": "x"}),
    )
    .await
    .expect(200)
    .data();
    assert_eq!(
        (&changed["status"], &changed["connected_id"]),
        (&json!("hold"), &json!(Sandbox::GRACE_ID))
    );
    put(&sandbox, &grace, json!({"status": "friends"}))
        .await
        .expect(422);
    get(&sandbox, &ada("connections/3")).await.expect(404);
    assert_eq!(
        get(&sandbox, "/connections/3").await.expect(200).data()["status"],
        "rejected"
    );
    let created = post(
        &sandbox,
        &ada("connections"),
        json!({"connected_id": Sandbox::ZOE_ID}),
    )
    .await
    .expect(201);
    delete(
        &sandbox,
        &ada(&format!("connections/{}", created.data()["id"])),
    )
    .await
    .expect(204);
    post(
        &sandbox,
        &ada("connections"),
        json!({"connected_id": Sandbox::ADA_ID}),
    )
    .await
    .expect(422);
}
