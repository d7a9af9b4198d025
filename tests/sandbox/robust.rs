//! No request makes the tenant fail.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use omneo_id::sandbox::Sandbox;
use proptest::prelude::*;
use tower::ServiceExt;

const WORDS: [&str; 34] = [
    "profiles",
    Sandbox::ADA_ID,
    "nobody",
    "search-id",
    "availability",
    "attributes",
    "comms",
    "dates",
    "custom",
    "appearance",
    "lists",
    "wishlist",
    "items",
    "1",
    "identities",
    "id",
    "shopify",
    "connections",
    "profileInfo",
    "balances",
    "redeem",
    "benefits",
    "coffee",
    "tiers",
    "assign",
    "transactions",
    "claims",
    "locations",
    "..",
    "%2e%2e",
    "%2f",
    "",
    "a:b",
    "%ff",
];
const NAMES: [&str; 17] = [
    "filter[email]",
    "filter[id][in]",
    "filter[",
    "page",
    "page[size]",
    "page[number]",
    "per_page",
    "limit",
    "offset",
    "sort",
    "search",
    "include",
    "_method",
    "identity[handle]",
    "email",
    "amount",
    "[][]",
];
const VALUES: [&str; 12] = [
    "",
    "1",
    "-1",
    "0",
    "18446744073709551615",
    "PUT",
    "delete",
    "%",
    "a%25_",
    "-id,name",
    "shopify",
    "1e308",
];

fn query() -> impl Strategy<Value = String> {
    let pair = (
        prop::sample::select(&NAMES[..]),
        prop::sample::select(&VALUES[..]),
    );
    prop::collection::vec(pair, 0..4).prop_map(|pairs| {
        pairs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("&")
    })
}

fn body() -> impl Strategy<Value = String> {
    let member = (
        prop::sample::select(vec![
            "email",
            "mobile_phone",
            "attributes",
            "identities",
            "addresses",
            "dates_attributes",
            "tags",
            "name",
            "handle",
            "identifier",
            "amount",
            "value",
            "items",
            "type",
            "id",
            "status",
            "connected_id",
            "_method",
            "tier_id",
            "dates",
            "first_name",
            "birth_day",
        ]),
        prop::sample::select(vec![
            "null",
            "true",
            "1",
            "-1.5e300",
            "\"\"",
            "\" x \"",
            "\"a@b.c\"",
            "[]",
            "[[1]]",
            "{}",
            "[{}]",
            "[{\"handle\":1,\"identifier\":\"2\",\"name\":3}]",
            "{\"comms\":{\"email_promo\":[]}}",
            "{\"comms\":1}",
            "\"PUT\"",
            "\"\\ud83d\\ude00\"",
        ]),
    );
    prop_oneof![
        prop::collection::vec(member, 0..5).prop_map(|members| {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("\"{name}\":{value}"))
                .collect();
            format!("{{{}}}", members.join(","))
        }),
        prop::sample::select(vec!["", "null", "[1,2]", "\"x\"", "{", "7"]).prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_request_has_a_response(
        method in prop::sample::select(vec!["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH",
            "OPTIONS", "BREW"]),
        words in prop::collection::vec(prop::sample::select(&WORDS[..]), 0..7),
        query in query(),
        body in body(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let sandbox = SHARED.with(Sandbox::clone);
        let target = format!("/api/v3/{}?{query}", words.join("/"));
        let request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(target.replace(' ', "+"))
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", Sandbox::API_TOKEN))
            .body(Full::<Bytes>::from(body));
        let Ok(request) = request else { return Ok(()) };
        let response = runtime.block_on(sandbox.oneshot(request)).unwrap();
        prop_assert!(response.status().as_u16() < 500, "{}", response.status());
        let bytes = runtime.block_on(response.into_body().collect()).unwrap().to_bytes();
        if !bytes.is_empty() {
            serde_json::from_slice::<serde_json::Value>(&bytes).unwrap();
        }
    }
}

thread_local! {
    /// All cases share one tenant, so that each case runs on the state that earlier ones left.
    static SHARED: Sandbox = Sandbox::new();
}
