//! Mounted in axum: nested, as a fallback, with the layers outside and inside of a router, and with
//! the extractors of handlers.

use axum::Router;
use axum::extract::OriginalUri;
use axum::routing::{any, get};
use bytes::Bytes;
use http::header::LOCATION;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use omneo_id::auth::AuthMode;
use omneo_id::identity::VerifiedToken;
use omneo_id::path::MeRequest;
use omneo_id::sandbox::{Sandbox, TestTokens};
use omneo_id::{
    JwtAuthLayer, ProfileId, Rejection, RejectionKind, SigningKey, Subject, TokenIssuer,
    TokenVerifier,
};
use omneo_id::{Keyring, MeRewriteLayer};
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceExt};

use crate::support::{SECRET, Shop, bearer};

async fn send<S, B>(app: S, request: Request<Full<Bytes>>) -> (StatusCode, Response<Bytes>)
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
async fn omneo_id_is_nested_beside_routes_of_the_application() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    let app = Router::new()
        .route("/", get(|| async { "a shop" }))
        .nest_service("/id/api/v1", shop.id.clone());

    let (status, response) = send(app.clone(), get_request("/", &token)).await;
    assert_eq!(
        (status, &**response.body()),
        (StatusCode::OK, &b"a shop"[..])
    );
    for path in [
        "/id/api/v1/profiles/me",
        "/id/api/v1//profiles/me?include=tiers",
    ] {
        let (status, response) = send(app.clone(), get_request(path, &token)).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        let profile: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(profile["data"]["id"], Sandbox::ADA_ID, "{path}");
    }
    for path in [
        "/id/api/v1/profiles/me/%2e%2e/x",
        "/id/api/v1/profiles/meprofile",
        "/id/api/v1",
    ] {
        let (status, _) = send(app.clone(), get_request(path, &token)).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_relative_location_resolves_below_the_mount_of_axum() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    let app = Router::new().nest_service("/id/api/v1", shop.id.clone());
    let path = "/id/api/v1/profiles/me/addresses";
    let request = Request::post(path)
        .header("authorization", bearer(&token))
        .header("content-type", "application/json")
        .body(Full::from(
            json!({"address_line_1": "1 A", "city": "B", "country": "AU"}).to_string(),
        ))
        .unwrap();
    let (status, response) = send(app.clone(), request).await;
    assert_eq!(status, StatusCode::CREATED, "{:?}", response.body());

    // Resolved as in RFC 3986 §5.2: relative to the folder of the request's path.
    let location = response.headers()[LOCATION].to_str().unwrap();
    let mut folders: Vec<&str> = path.split('/').collect();
    folders.pop();
    for segment in location.split('/') {
        match segment {
            ".." => drop(folders.pop()),
            name => folders.push(name),
        }
    }
    let (status, _) = send(app, get_request(&folders.join("/"), &token)).await;
    assert_eq!(
        status,
        StatusCode::OK,
        "{location} leads to {}",
        folders.join("/")
    );
}

#[tokio::test]
async fn omneo_id_is_the_fallback_of_an_application() {
    let shop = Shop::with(|builder| builder.mount("/id/api/v1"));
    let app = Router::new()
        .route("/", get(|| async { "a shop" }))
        .fallback_service(shop.id.clone());
    let request = Request::post("/id/api/v1/auth/token")
        .header("authorization", bearer(Sandbox::API_TOKEN))
        .body(Full::from("{}"))
        .unwrap();
    assert_eq!(send(app.clone(), request).await.0, StatusCode::OK);
    assert_eq!(
        send(app, get_request("/elsewhere", "x")).await.0,
        StatusCode::NOT_FOUND
    );
}

/// Responds with the path, the original path and the target in `MeRequest`.
async fn echo_subject(
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
async fn a_router_inside_the_me_layer_routes_by_the_rewritten_path() {
    let router = Router::new()
        .route("/profiles/{id}/lists", get(echo_subject))
        .route("/profiles/me/lists", get(|| async { "not rewritten" }));
    let app = MeRewriteLayer::new().layer(router);
    let (status, response) = send(app.clone(), ada("/profiles/me/lists")).await;
    assert_eq!(status, StatusCode::OK);
    let expected = "/profiles/ada-1/lists /profiles/ada-1/lists /profiles/me/lists";
    assert_eq!(response.body(), expected);
    assert_eq!(
        send(app, ada("/profiles/grace-2/lists")).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_handler_inside_the_me_layer_sees_the_rewritten_path() {
    let profiles = Router::new()
        .route("/profiles/{*rest}", any(echo_subject))
        .layer(MeRewriteLayer::new());
    let (status, response) = send(profiles.clone(), ada("/profiles/me/lists")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        response.body(),
        "/profiles/ada-1/lists /profiles/me/lists /profiles/me/lists"
    );

    let nested = Router::new().nest("/id", profiles);
    let (status, response) = send(nested.clone(), ada("/id/profiles/me/lists")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        response.body(),
        "/profiles/ada-1/lists /id/profiles/me/lists /profiles/me/lists"
    );
    assert_eq!(
        send(nested, ada("/id/profiles/me/../x")).await.0,
        StatusCode::NOT_FOUND
    );
}

fn ring() -> Keyring {
    Keyring::new(SigningKey::hs256(SECRET).unwrap())
}

fn auth() -> JwtAuthLayer {
    JwtAuthLayer::new(TokenVerifier::new(ring()))
}

/// A handler for each extractor, and for each as an option.
fn handlers() -> Router {
    Router::new()
        .route(
            "/token",
            get(|token: VerifiedToken| async move { token.subject().as_pid().to_owned() }),
        )
        .route(
            "/subject",
            get(|subject: Subject| async move { subject.as_pid().to_owned() }),
        )
        .route(
            "/profile",
            get(|profile: ProfileId| async move { profile.to_string() }),
        )
        .route(
            "/optional/token",
            get(|token: Option<VerifiedToken>| async move {
                subject_text(token.as_ref().map(VerifiedToken::subject))
            }),
        )
        .route(
            "/optional/subject",
            get(|subject: Option<Subject>| async move { subject_text(subject.as_ref()) }),
        )
        .route(
            "/optional/profile",
            get(|profile: Option<ProfileId>| async move {
                subject_text(profile.map(Subject::Profile).as_ref())
            }),
        )
}

fn subject_text(subject: Option<&Subject>) -> String {
    subject.map_or("none", Subject::as_pid).to_owned()
}

fn without_token(uri: &str) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).unwrap()
}

const EXTRACTORS: [&str; 3] = ["/token", "/subject", "/profile"];

#[tokio::test]
async fn extractors_return_the_subject_of_the_token() {
    let app = handlers().layer(auth());
    let tokens = TestTokens::new(&ring()).unwrap();
    let ada = tokens.valid(Sandbox::ADA_ID);
    for path in EXTRACTORS {
        for path in [path.to_owned(), format!("/optional{path}")] {
            let (status, response) = send(app.clone(), get_request(&path, &ada)).await;
            assert_eq!(status, StatusCode::OK, "{path}");
            assert_eq!(response.body(), Sandbox::ADA_ID, "{path}");
        }
    }
    let anonymous = tokens.anonymous();
    for (path, expected) in [
        ("/token", "null"),
        ("/subject", "null"),
        ("/optional/subject", "null"),
        ("/optional/profile", "none"),
    ] {
        let (status, response) = send(app.clone(), get_request(path, &anonymous)).await;
        assert_eq!(
            (status, &**response.body()),
            (StatusCode::OK, expected.as_bytes()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn auth_layer_shares_keys_requirements_and_cache_with_the_facade() {
    let shop = Shop::with(|builder| builder.audience("storefront").issuer("acme"));
    let token = shop.mint_for_ada().await;
    let app = Router::new()
        .route("/account", get(async |id: ProfileId| id.to_string()))
        .route_layer(shop.id.auth_layer())
        .nest_service("/id/api/v1", shop.id.clone());
    let cache = || {
        let cache = shop.id.stats().token_cache;
        (cache.misses, cache.hits)
    };
    let (status, _) = send(app.clone(), get_request("/id/api/v1/profiles/me", &token)).await;
    assert_eq!((status, cache()), (StatusCode::OK, (1, 0)));
    let (status, response) = send(app.clone(), get_request("/account", &token)).await;
    assert_eq!((status, cache()), (StatusCode::OK, (1, 1)));
    assert_eq!(response.body(), Sandbox::ADA_ID);

    // Signed with the same key, but for another audience; and expired by the configured clock.
    let issuer = TokenIssuer::new(ring());
    let other = issuer.with_audience("elsewhere").unwrap();
    let other = other.issue(&Subject::Anonymous).unwrap();
    shop.clock.advance(3600 + 6);
    for bad in [other.token(), &token] {
        for path in ["/account", "/id/api/v1/profiles/me"] {
            let (status, _) = send(app.clone(), get_request(path, bad)).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
        }
    }
}

#[tokio::test]
async fn an_anonymous_token_has_no_profile_as_it_has_no_me() {
    let shop = Shop::open();
    let anonymous = shop.mint_anonymous().await;
    let me = send(shop.id.clone(), get_request("/profiles/me", &anonymous)).await;
    // The clock of the facade is fixed, the clock of the layer is not.
    let anonymous = TestTokens::new(&ring()).unwrap().anonymous();
    let app = handlers().layer(auth());
    let profile = send(app, get_request("/profile", &anonymous)).await;
    assert_eq!(profile.0, StatusCode::NOT_FOUND);
    assert_eq!((me.0, me.1.body()), (profile.0, profile.1.body()));
    for name in ["content-type", "cache-control"] {
        assert_eq!(me.1.headers()[name], profile.1.headers()[name]);
    }
}

#[tokio::test]
async fn extractors_return_a_subject_that_the_application_inserted() {
    for path in [
        "/subject",
        "/profile",
        "/optional/subject",
        "/optional/profile",
    ] {
        let (status, response) = send(handlers(), ada(path)).await;
        assert_eq!(
            (status, &**response.body()),
            (StatusCode::OK, &b"ada-1"[..]),
            "{path}"
        );
    }
    // With `gate_only`, the layer inserts no subject.
    let ada_token = TestTokens::new(&ring()).unwrap().valid(Sandbox::ADA_ID);
    let gated = handlers().layer(auth().gate_only());
    let (_, response) = send(gated, get_request("/optional/subject", &ada_token)).await;
    assert_eq!(response.body(), "none");
    // A subject does not prove a token: only the auth layer inserts a verified token.
    assert_eq!(
        send(handlers(), ada("/token")).await.0,
        StatusCode::UNAUTHORIZED
    );
    let (_, response) = send(handlers(), ada("/optional/token")).await;
    assert_eq!(response.body(), "none");
}

/// A host that inserts no subject for anonymous requests cannot be distinguished from one without
/// the layer. Both reject the request, and neither fails with a 5xx.
#[tokio::test]
async fn a_missing_subject_is_401_with_the_cause_for_the_host() {
    for path in EXTRACTORS {
        let (status, response) = send(handlers(), without_token(path)).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(
            response.headers().contains_key("www-authenticate"),
            "{path}"
        );
        assert_eq!(response.body(), r#"{"message":"Unauthenticated."}"#);
        let rejection = response.extensions().get::<Rejection>().unwrap();
        assert_eq!(rejection.kind(), RejectionKind::MissingCredentials);
        let cause = std::error::Error::source(rejection).unwrap().to_string();
        assert!(cause.contains("no layer"), "{cause}");

        let (status, response) = send(handlers(), without_token(&format!("/optional{path}"))).await;
        assert_eq!((status, &**response.body()), (StatusCode::OK, &b"none"[..]));
    }
}

#[tokio::test]
async fn behind_an_optional_layer_extractors_reject_with_its_realm() {
    let expired = TestTokens::new(&ring()).unwrap().expired(Sandbox::ADA_ID);
    for path in EXTRACTORS {
        for request in [without_token(path), get_request(path, &expired)] {
            let strict = auth().with_realm("shop").unwrap();
            let observing = strict.clone().with_mode(AuthMode::Observe);
            let by_layer = send(handlers().layer(strict), request.clone()).await;
            let by_handler = send(handlers().layer(observing.clone()), request).await;
            assert_eq!(by_handler.0, StatusCode::UNAUTHORIZED, "{path}");
            let challenge = &by_handler.1.headers()["www-authenticate"];
            assert!(
                challenge.to_str().unwrap().contains("shop"),
                "{challenge:?}"
            );
            assert_eq!(by_layer.1.headers(), by_handler.1.headers(), "{path}");
            assert_eq!(by_layer.1.body(), by_handler.1.body(), "{path}");

            let optional = get_request(&format!("/optional{path}"), &expired);
            let (_, response) = send(handlers().layer(observing), optional).await;
            assert_eq!(response.body(), "none", "an invalid token has no subject");
        }
    }
}

#[tokio::test]
async fn a_preflight_that_passed_is_not_an_error_of_the_host() {
    let app = Router::new()
        .route("/", any(|_: VerifiedToken| async {}))
        .layer(auth().pass_preflights());
    let preflight = Request::options("/")
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "GET")
        .body(Full::default())
        .unwrap();
    assert_eq!(send(app, preflight).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn handlers_return_a_rejection() {
    let app = Router::new()
        .route(
            "/",
            get(|| async { Err::<(), _>(Rejection::method_not_allowed("PUT")) }),
        )
        .route(
            "/full",
            get(|| async {
                let rejection = Rejection::new(RejectionKind::TenantBusy);
                rejection.with_retry_after(std::time::Duration::from_secs(3))
            }),
        );
    let (status, response) = send(app.clone(), without_token("/")).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "PUT");
    let (status, response) = send(app, without_token("/full")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "3");
    assert_eq!(response.headers()["content-type"], "application/json");
}
