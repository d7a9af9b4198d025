//! Lists and their items.

use omneo_id::sandbox::Sandbox;
use serde_json::json;

use crate::support::{delete, get, post, put};

#[tokio::test]
async fn a_list_is_found_by_number_and_by_handle() {
    let sandbox = Sandbox::new();
    let lists = format!("/profiles/{}/lists", Sandbox::ADA_ID);
    let by_handle = get(&sandbox, &format!("{lists}/{}", Sandbox::WISHLIST))
        .await
        .expect(200)
        .data();
    let number = by_handle["id"].to_string();
    assert_eq!(
        get(&sandbox, &format!("{lists}/{number}"))
            .await
            .expect(200)
            .data(),
        by_handle
    );
    get(&sandbox, &format!("{lists}/nothing")).await.expect(404);
    // The list of another profile is not found.
    get(
        &sandbox,
        &format!("/profiles/{}/lists/{number}", Sandbox::GRACE_ID),
    )
    .await
    .expect(404);
}

#[tokio::test]
async fn a_list_can_be_created_updated_and_deleted() {
    let sandbox = Sandbox::new();
    let lists = format!("/profiles/{}/lists", Sandbox::ADA_ID);
    post(&sandbox, &lists, json!({})).await.expect(422);
    let created = post(&sandbox, &lists, json!({"name": "Summer Looks", "id": 1}))
        .await
        .expect(201)
        .data();
    assert_eq!(created["handle"], "summer-looks");
    assert_ne!(created["id"], 1);
    let path = format!("{lists}/summer-looks");
    let changed = put(&sandbox, &path, json!({"name": "Winter"}))
        .await
        .expect(200)
        .data();
    assert_eq!(changed["name"], "Winter");
    delete(&sandbox, &path).await.expect(204);
    get(&sandbox, &path).await.expect(404);
}

#[tokio::test]
async fn items_are_added_and_removed_and_the_remaining_ones_returned() {
    let sandbox = Sandbox::new();
    let items = format!("/profiles/{}/lists/wishlist/items", Sandbox::ADA_ID);
    let created = post(&sandbox, &items, json!({"sku": "HAT-1", "quantity": 2}))
        .await
        .expect(201)
        .data();
    let listed = get(&sandbox, &items).await.expect(200);
    assert_eq!(listed.json()["meta"]["total"], 3);
    let item = format!("{items}/{}", created["id"]);
    assert_eq!(get(&sandbox, &item).await.expect(200).data(), created);
    assert_eq!(
        put(&sandbox, &item, json!({"quantity": 5}))
            .await
            .expect(200)
            .data()["quantity"],
        5
    );
    let remaining = delete(&sandbox, &item).await.expect(200);
    assert_eq!(remaining.each("id"), [1, 2]);
    delete(&sandbox, &item).await.expect(404);
    let list = &sandbox.collection(Sandbox::ADA_ID, "lists")[0];
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn lists_are_shared() {
    let sandbox = Sandbox::new();
    let shares = format!("/profiles/{}/lists/wishlist/shares", Sandbox::ADA_ID);
    post(&sandbox, &shares, json!({"email": "friend@example.com"}))
        .await
        .expect(201);
    assert_eq!(
        get(&sandbox, &shares).await.expect(200).each("email"),
        ["friend@example.com"]
    );
}
