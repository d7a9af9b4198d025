//! Mounted in axum: nested, as a fallback, and with the layers outside and inside of a router.

use axum::Router;
use axum::extract::OriginalUri;
use axum::routing::{any, get};
use bytes::Bytes;
use http::header::LOCATION;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use omneo_id::Subject;
use omneo_id::me::MeRewriteLayer;
use omneo_id::path::MeRequest;
use omneo_id::sandbox::Sandbox;
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceExt};

use crate::support::{Shop, bearer};

async fn ask<S, B>(app: S, request: Request<Full<Bytes>>) -> (StatusCode, Response<Bytes>)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    S::Error: std::fmt::Debug,
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let (parts, body) = app.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status, Response::from_parts(parts, body))
}

fn get_request(uri: &str, token: &str) -> Request<Full<Bytes>> {
    let request = Request::get(uri).header("authorization", bearer(token));
    request.body(Full::default()).unwrap()
}

#[tokio::test]
async fn nested_beside_the_applications_own_routes() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    let app = Router::new()
        .route("/", get(|| async { "a shop" }))
        .nest_service("/id/api/v1", shop.id.clone());

    let (status, answer) = ask(app.clone(), get_request("/", &token)).await;
    assert_eq!((status, &**answer.body()), (StatusCode::OK, &b"a shop"[..]));
    for path in [
        "/id/api/v1/profiles/me",
        "/id/api/v1//profiles/me?include=tiers",
    ] {
        let (status, answer) = ask(app.clone(), get_request(path, &token)).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        let profile: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(profile["data"]["id"], Sandbox::ADA_ID, "{path}");
    }
    for path in [
        "/id/api/v1/profiles/me/%2e%2e/x",
        "/id/api/v1/profiles/meprofile",
        "/id/api/v1",
    ] {
        let (status, _) = ask(app.clone(), get_request(path, &token)).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_location_leads_back_below_the_mount_that_only_axum_knows() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    let app = Router::new().nest_service("/id/api/v1", shop.id.clone());
    let asked = "/id/api/v1/profiles/me/addresses";
    let request = Request::post(asked)
        .header("authorization", bearer(&token))
        .header("content-type", "application/json")
        .body(Full::from(
            json!({"address_line_1": "1 A", "city": "B", "country": "AU"}).to_string(),
        ))
        .unwrap();
    let (status, answer) = ask(app.clone(), request).await;
    assert_eq!(status, StatusCode::CREATED, "{:?}", answer.body());

    // Resolved as RFC 3986 §5.2 has it: `..` by `..`, from the folder of what was asked.
    let location = answer.headers()[LOCATION].to_str().unwrap();
    let mut folders: Vec<&str> = asked.split('/').collect();
    folders.pop();
    for segment in location.split('/') {
        match segment {
            ".." => drop(folders.pop()),
            name => folders.push(name),
        }
    }
    let (status, _) = ask(app, get_request(&folders.join("/"), &token)).await;
    assert_eq!(
        status,
        StatusCode::OK,
        "{location} leads to {}",
        folders.join("/")
    );
}

#[tokio::test]
async fn as_the_fallback_of_an_application() {
    let shop = Shop::with(|builder| builder.mount("/id/api/v1"));
    let app = Router::new()
        .route("/", get(|| async { "a shop" }))
        .fallback_service(shop.id.clone());
    let request = Request::post("/id/api/v1/auth/token")
        .header("authorization", bearer(Sandbox::API_TOKEN))
        .body(Full::from("{}"))
        .unwrap();
    assert_eq!(ask(app.clone(), request).await.0, StatusCode::OK);
    assert_eq!(
        ask(app, get_request("/elsewhere", "x")).await.0,
        StatusCode::NOT_FOUND
    );
}

/// Which handler answered, for which path, and what was asked at first.
async fn told(
    OriginalUri(original): OriginalUri,
    uri: Uri,
    request: axum::extract::Request,
) -> String {
    let me = request
        .extensions()
        .get::<MeRequest>()
        .map(|me| me.original().to_string());
    format!(
        "{} {} {}",
        uri.path(),
        original.path(),
        me.unwrap_or_default()
    )
}

fn ada(uri: &str) -> Request<Full<Bytes>> {
    let mut request = Request::get(uri).body(Full::default()).unwrap();
    request
        .extensions_mut()
        .insert(Subject::Profile("ada-1".parse().unwrap()));
    request
}

#[tokio::test]
async fn the_me_layer_around_a_router_decides_which_route_is_taken() {
    let router = Router::new()
        .route("/profiles/{id}/lists", get(told))
        .route("/profiles/me/lists", get(|| async { "not rewritten" }));
    let app = MeRewriteLayer::new().layer(router);
    let (status, answer) = ask(app.clone(), ada("/profiles/me/lists")).await;
    assert_eq!(status, StatusCode::OK);
    let expected = "/profiles/ada-1/lists /profiles/ada-1/lists /profiles/me/lists";
    assert_eq!(answer.body(), expected);
    assert_eq!(
        ask(app, ada("/profiles/grace-2/lists")).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn the_me_layer_inside_a_router_rewrites_what_the_handler_sees() {
    let profiles = Router::new()
        .route("/profiles/{*rest}", any(told))
        .layer(MeRewriteLayer::new());
    let (status, answer) = ask(profiles.clone(), ada("/profiles/me/lists")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        answer.body(),
        "/profiles/ada-1/lists /profiles/me/lists /profiles/me/lists"
    );

    let nested = Router::new().nest("/id", profiles);
    let (status, answer) = ask(nested.clone(), ada("/id/profiles/me/lists")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        answer.body(),
        "/profiles/ada-1/lists /id/profiles/me/lists /profiles/me/lists"
    );
    assert_eq!(
        ask(nested, ada("/id/profiles/me/../x")).await.0,
        StatusCode::NOT_FOUND
    );
}
