//! Pages of lists, and locations.

use omneo_id::sandbox::Sandbox;
use serde_json::json;

use crate::support::get;

#[tokio::test]
async fn a_list_has_pages_of_fifteen_items() {
    let sandbox = Sandbox::new();
    let path = format!("/profiles/{}/transactions", Sandbox::ADA_ID);
    let url = format!("http://tenant.test/api/v3{path}");
    let page = get(&sandbox, &path).await.expect(200).json();
    assert_eq!(page["data"].as_array().unwrap().len(), 15);
    assert_eq!(
        page["links"],
        json!({
            "first": format!("{url}?page=1"), "last": format!("{url}?page=2"),
            "prev": null, "next": format!("{url}?page=2"),
        })
    );
    let meta = &page["meta"];
    for (member, value) in [
        ("current_page", json!(1)),
        ("from", json!(1)),
        ("to", json!(15)),
        ("last_page", json!(2)),
        ("per_page", json!(15)),
        ("total", json!(23)),
        ("path", json!(url)),
    ] {
        assert_eq!(meta[member], value, "{member}");
    }
    assert_eq!(
        meta["links"][1],
        json!({"url": format!("{url}?page=1"), "label": "1", "active": true})
    );
}

#[tokio::test]
async fn pages_can_be_requested_in_several_ways() {
    let sandbox = Sandbox::new();
    for (query, numbers) in [
        ("per_page=2", vec![1, 2]),
        ("per_page=2&page=3", vec![5, 6]),
        ("page%5Bsize%5D=2&page%5Bnumber%5D=2", vec![3, 4]),
        ("limit=2&offset=8", vec![9, 10]),
        ("page=99", vec![]),
        ("per_page=0&page=0", (1..=12).collect()),
        ("per_page=junk&page=-1", (1..=12).collect()),
        ("page=18446744073709551615", vec![]),
    ] {
        let page = get(&sandbox, &format!("/locations?{query}"))
            .await
            .expect(200);
        assert_eq!(page.each("id"), numbers, "{query}");
    }
}

#[tokio::test]
async fn links_keep_the_rest_of_the_query() {
    let sandbox = Sandbox::new();
    let page = get(
        &sandbox,
        "/locations?filter%5Bis_published%5D=1&page%5Bsize%5D=4",
    )
    .await
    .expect(200)
    .json();
    let next = "http://tenant.test/api/v3/locations?filter%5Bis_published%5D=1&per_page=4&page=2";
    assert_eq!(page["links"]["next"], next);
    let path = next.strip_prefix("http://tenant.test/api/v3").unwrap();
    assert_eq!(
        get(&sandbox, path).await.expect(200).each("id"),
        [5, 6, 8, 9]
    );
}

#[tokio::test]
async fn grouped_transactions_are_a_bare_paginator() {
    let sandbox = Sandbox::new();
    let path = format!(
        "/profiles/{}/group_transactions?per_page=1",
        Sandbox::ADA_ID
    );
    let page = get(&sandbox, &path).await.expect(200).json();
    assert_eq!(
        (&page["total"], &page["current_page"], page.get("meta")),
        (&json!(2), &json!(1), None)
    );
    assert!(
        page["next_page_url"]
            .as_str()
            .unwrap()
            .contains(Sandbox::ADA_ID)
    );
}

#[tokio::test]
async fn lists_are_sorted() {
    let sandbox = Sandbox::new();
    let page = get(&sandbox, "/locations?sort=-id&per_page=2")
        .await
        .expect(200);
    assert_eq!(page.each("id"), [12, 11]);
    let page = get(&sandbox, "/locations?sort=timezone,-name&per_page=6")
        .await
        .expect(200);
    assert_eq!(
        page.each("name"),
        [
            "Acme Adelaide",
            "Acme Brisbane",
            "Acme Hobart",
            "Acme Melbourne",
            "Acme Melbourne",
            "Acme Fitzroy"
        ]
    );
}

#[tokio::test]
async fn locations_are_filtered_by_their_fields() {
    let sandbox = Sandbox::new();
    for (query, count) in [
        ("", 12),
        ("?filter[is_published]=1", 10),
        ("?filter[is_published]=1&filter[is_permanently_closed]=0", 9),
        ("?filter[is_permanently_closed]=true", 2),
        ("?filter[name]=melb", 2),
        ("?filter[id][in]=1,3", 2),
        ("?filter[id][gte]=11", 2),
        ("?filter[id]=1", 1),
        ("?filter[unheard_of]=1", 12),
    ] {
        let page = get(&sandbox, &format!("/locations{query}"))
            .await
            .expect(200);
        assert_eq!(page.json()["meta"]["total"], count, "{query}");
    }
}

#[tokio::test]
async fn one_location_has_all_its_fields() {
    let sandbox = Sandbox::new();
    let location = get(&sandbox, "/locations/11").await.expect(200).data();
    for member in [
        "id",
        "type",
        "name",
        "handle",
        "description",
        "phone",
        "email",
        "timezone",
        "external_id",
        "external_code",
        "is_published",
        "is_permanently_closed",
        "address",
        "normal_hours",
        "special_hours",
        "tags",
        "custom_fields",
        "created_at",
        "updated_at",
    ] {
        assert!(location.get(member).is_some(), "{member}");
    }
    assert_eq!(location["name"], "Acme Malmö");
    assert_eq!(
        get(&sandbox, "/locations/external_id/LOC-011")
            .await
            .expect(200)
            .data(),
        location
    );
    assert_eq!(
        get(&sandbox, "/locations/11/custom-fields")
            .await
            .expect(200)
            .data(),
        json!([])
    );
    get(&sandbox, "/locations/13").await.expect(404);
}
