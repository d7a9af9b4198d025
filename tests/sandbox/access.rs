//! Tokens, scopes, routes and methods.

use http::{Method, Request};
use omneo_id::sandbox::Sandbox;
use serde_json::json;

use crate::support::{bare, delete, get, post, request, with_json};

fn with_token(method: Method, path: &str, token: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(format!("/api/v3{path}"))
        .header("authorization", format!("Bearer {token}"))
}

#[tokio::test]
async fn a_call_without_a_valid_token_is_unauthenticated() {
    let sandbox = Sandbox::new();
    for value in [
        None,
        Some("Bearer nonsense"),
        Some("Basic c2FuZGJveA=="),
        Some("Bearer"),
    ] {
        let mut builder = Request::get("/api/v3/auth/verify");
        if let Some(value) = value {
            builder = builder.header("authorization", value);
        }
        let response = bare(&sandbox, builder).await.expect(401);
        assert_eq!(response.json(), json!({"message": "Unauthenticated."}));
    }
}

#[tokio::test]
async fn a_valid_token_is_verified() {
    let sandbox = Sandbox::new();
    for token in [
        Sandbox::API_TOKEN,
        Sandbox::SECOND_API_TOKEN,
        Sandbox::READ_ONLY_API_TOKEN,
        Sandbox::LOCATIONS_API_TOKEN,
    ] {
        let response = bare(&sandbox, with_token(Method::GET, "/auth/verify", token))
            .await
            .expect(200);
        assert_eq!(response.json()["status"], 200);
    }
}

#[tokio::test]
async fn a_configured_token_replaces_the_seeded_one() {
    let sandbox = Sandbox::builder().api_token("mine").build();
    assert_eq!(sandbox.api_token(), "mine");
    bare(&sandbox, with_token(Method::GET, "/locations", "mine"))
        .await
        .expect(200);
    get(&sandbox, "/locations").await.expect(401);
}

#[tokio::test]
async fn scopes_limit_the_routes() {
    let sandbox = Sandbox::new();
    let ada = format!("/profiles/{}", Sandbox::ADA_ID);
    let search = json!({"type": "profile_id", "id": Sandbox::ADA_ID});
    for (token, method, path, status) in [
        (Sandbox::READ_ONLY_API_TOKEN, Method::GET, ada.as_str(), 200),
        (
            Sandbox::READ_ONLY_API_TOKEN,
            Method::POST,
            "/profiles/search-id",
            200,
        ),
        (Sandbox::READ_ONLY_API_TOKEN, Method::POST, "/profiles", 403),
        (
            Sandbox::READ_ONLY_API_TOKEN,
            Method::DELETE,
            ada.as_str(),
            403,
        ),
        (Sandbox::LOCATIONS_API_TOKEN, Method::GET, "/locations", 200),
        (Sandbox::LOCATIONS_API_TOKEN, Method::GET, ada.as_str(), 403),
        (
            Sandbox::LOCATIONS_API_TOKEN,
            Method::POST,
            "/profiles/search-id",
            403,
        ),
    ] {
        let response = with_json(&sandbox, with_token(method, path, token), search.clone()).await;
        assert_eq!(response.status, status, "{token} {path}");
    }
}

#[tokio::test]
async fn two_authorization_headers_are_a_bad_request() {
    let sandbox = Sandbox::new();
    let builder = request(Method::GET, "/locations").header("authorization", "Bearer another");
    bare(&sandbox, builder).await.expect(400);
}

#[tokio::test]
async fn an_unknown_route_is_not_found() {
    let sandbox = Sandbox::new();
    for path in [
        "/nothing",
        "",
        "/profiles//lists",
        "/profiles/x/nothing",
        "/locations/1/2/3",
    ] {
        let response = get(&sandbox, path).await.expect(404);
        assert!(response.json()["message"].is_string(), "{path}");
    }
    bare(&sandbox, Request::get("/api/v4/locations"))
        .await
        .expect(404);
}

#[tokio::test]
async fn a_405_lists_the_allowed_methods() {
    let sandbox = Sandbox::new();
    for (path, allow) in [
        ("/locations", "GET, HEAD"),
        ("/profiles/x", "GET, HEAD, PUT, DELETE"),
        ("/profiles/x/attributes/comms", "GET, HEAD, PUT"),
        ("/profiles/x/lists/1/items", "GET, HEAD, POST"),
        ("/profiles/search-id", "POST"),
    ] {
        let response = bare(&sandbox, request(Method::PATCH, path))
            .await
            .expect(405);
        assert_eq!(response.header("allow"), allow, "{path}");
    }
}

#[tokio::test]
async fn options_needs_no_token() {
    let response = bare(&Sandbox::new(), Request::options("/api/v3/locations"))
        .await
        .expect(204);
    assert_eq!(response.header("allow"), "GET, HEAD");
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let sandbox = Sandbox::new();
    let got = get(&sandbox, "/locations/1").await.expect(200);
    let response = bare(&sandbox, request(Method::HEAD, "/locations/1"))
        .await
        .expect(200);
    assert!(response.body.is_empty());
    assert_eq!(
        response.header("content-length"),
        got.body.len().to_string()
    );
}

#[tokio::test]
async fn a_configured_base_path_applies_to_routes_and_links() {
    let sandbox = Sandbox::builder().base_path("tenants/acme/").build();
    assert_eq!(sandbox.base_path(), "/tenants/acme");
    let below = |path: &str| {
        Request::get(format!("/tenants/acme{path}"))
            .header("authorization", format!("Bearer {}", Sandbox::API_TOKEN))
    };
    let response = bare(&sandbox, below("/locations")).await.expect(200);
    let first = "https://api.sandbox.getomneo.com/tenants/acme/locations?page=1";
    assert_eq!(response.json()["links"]["first"], first);
    get(&sandbox, "/locations").await.expect(404);
}

#[tokio::test]
async fn clones_share_their_data() {
    let sandbox = Sandbox::new();
    let clone = sandbox.clone();
    delete(&sandbox, &format!("/profiles/{}", Sandbox::ALAN_ID))
        .await
        .expect(204);
    assert!(clone.profile(Sandbox::ALAN_ID).is_none());
    assert_eq!(clone.take_requests().len(), 1);
    assert!(sandbox.requests().is_empty());
}

#[tokio::test]
async fn requests_are_captured_unchanged() {
    let sandbox = Sandbox::new();
    post(&sandbox, "/profiles/search-id?a=%2B+1", json!({"id": 1})).await;
    let [captured] = &sandbox.requests()[..] else {
        panic!("one request")
    };
    assert_eq!(captured.method, Method::POST);
    assert_eq!(captured.path(), "/api/v3/profiles/search-id");
    assert_eq!(captured.query(), Some("a=%2B+1"));
    assert_eq!(captured.header("host"), Some("tenant.test"));
    assert_eq!(captured.json(), json!({"id": 1}));
    assert!(!format!("{captured:?}").contains(Sandbox::API_TOKEN));
}

#[test]
fn public_types_are_send_and_sync() {
    fn shared<T: Send + Sync + 'static>() {}
    fn sent<T: Send + 'static>() {}
    shared::<Sandbox>();
    shared::<omneo_id::sandbox::SandboxBody>();
    shared::<omneo_id::sandbox::Fault>();
    shared::<omneo_id::sandbox::CapturedRequest>();
    sent::<omneo_id::sandbox::SandboxFuture>();
}
