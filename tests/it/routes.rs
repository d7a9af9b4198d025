//! Rules for every route of the facade: protocol upgrades and trailing slashes.

use http::{Method, Request, StatusCode};
use omneo_id::RejectionKind;
use omneo_id::sandbox::Sandbox;
use serde_json::json;

use crate::support::{Shop, bearer};

const ROUTES: [(Method, &str, &str); 4] = [
    (Method::GET, "/profiles/me", ""),
    (Method::GET, "/locations", ""),
    (Method::POST, "/profiles", r#"{"email":"new@example.com"}"#),
    (Method::POST, "/auth/token", "{}"),
];

fn to_route(method: &Method, path: &str, token: &str) -> http::request::Builder {
    let token = if path == "/auth/token" {
        Sandbox::API_TOKEN
    } else {
        token
    };
    Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", bearer(token))
        .header("content-type", "application/json")
}

#[tokio::test]
async fn a_websocket_handshake_is_rejected_on_every_route() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    for (method, path, body) in ROUTES {
        for offer in ["websocket", "WebSocket/13", "h2c, websocket"] {
            let request = to_route(&method, path, &token)
                .header("connection", "keep-alive, Upgrade")
                .header("upgrade", offer)
                .header("sec-websocket-version", "13");
            let response = shop.send(request, body).await;
            assert_eq!(response.status, StatusCode::NOT_IMPLEMENTED, "{path}");
            assert_eq!(response.rejection, Some(RejectionKind::UpgradeRefused));
        }
    }
    assert!(shop.sandbox.requests().is_empty());
}

#[tokio::test]
async fn an_optional_upgrade_is_ignored_on_every_route() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    for (method, path, body) in ROUTES {
        for offer in [
            "h2c",
            "TLS/1.0",
            "HTTP/2.0, IRC/6.9",
            "",
            "websocketx, xwebsocket",
        ] {
            // The JDK's `HttpClient` sends these headers with each request over plain TCP.
            let request = to_route(&method, path, &token)
                .header("connection", "Upgrade, HTTP2-Settings")
                .header("upgrade", offer)
                .header("http2-settings", "AAMAAABkAAQAoAAAAAIAAAAA");
            let response = shop.send(request, body).await;
            assert_eq!(response.status, StatusCode::OK, "{path} {offer}");
            let forwarded = shop.sandbox.take_requests();
            assert!(!forwarded.is_empty(), "{path} {offer}");
            for forwarded in forwarded {
                for name in ["connection", "upgrade", "http2-settings"] {
                    assert!(
                        !forwarded.headers.contains_key(name),
                        "{path} {offer} {name}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn a_trailing_slash_is_accepted_on_every_route_and_not_forwarded() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    let mut routes = ROUTES.to_vec();
    routes.extend([
        (Method::GET, "/locations/12", ""),
        (Method::GET, "/profiles/me/lists", ""),
        (Method::GET, "/profiles/me/lists/wishlist", ""),
        (Method::GET, "/profiles/me/balances?page[size]=1", ""),
    ]);
    for (method, target, body) in routes {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = match query {
            "" => String::new(),
            query => format!("?{query}"),
        };
        let mut responses = Vec::new();
        for end in ["", "/", "//"] {
            let uri = format!("{path}{end}{query}");
            let request = to_route(&method, path, &token).uri(&uri);
            let response = shop.send(request, body).await;
            let mut paths = Vec::new();
            for forwarded in shop.sandbox.take_requests() {
                paths.push(forwarded.uri.to_string());
            }
            assert!(
                paths.iter().all(|sent| !sent.ends_with('/')),
                "{uri}: {paths:?}"
            );
            assert!(
                paths.iter().all(|sent| !sent.contains("/?")),
                "{uri}: {paths:?}"
            );
            responses.push((
                response.status,
                response.headers.get("location").cloned(),
                paths,
            ));
        }
        // The second sign-up finds the profile of the first one.
        if path != "/profiles" {
            assert_eq!(responses[0], responses[1], "{path}");
            assert_eq!(responses[0], responses[2], "{path}");
        }
        assert_eq!(responses[1].0, StatusCode::OK, "{path}");
        let options = format!("{path}/");
        let response = shop.send(Request::options(&options), "").await;
        assert_eq!(response.status, StatusCode::NO_CONTENT, "{options}");
    }
}

#[tokio::test]
async fn a_mounted_service_accepts_a_trailing_slash() {
    let shop = Shop::with(|builder| builder.mount("/id/api/v1"));
    for path in ["/id/api/v1/auth/token", "/id/api/v1/auth/token/"] {
        let response = shop.post(path, Sandbox::API_TOKEN, &json!({})).await;
        assert_eq!(response.status, StatusCode::OK, "{path}");
    }
    let body = shop
        .post(
            "/id/api/v1/auth/token",
            Sandbox::API_TOKEN,
            &json!({ "id": Sandbox::ADA_ID }),
        )
        .await
        .json();
    let token = body["data"]["token"].as_str().unwrap();
    shop.sandbox.take_requests();
    for (path, sent) in [
        ("/id/api/v1/locations/", "/api/v3/locations".to_owned()),
        (
            "/id/api/v1/profiles/me/lists/",
            format!("/api/v3/profiles/{}/lists", Sandbox::ADA_ID),
        ),
    ] {
        let response = shop.get(path, token).await;
        assert_eq!(response.status, StatusCode::OK, "{path}");
        assert_eq!(shop.sandbox.take_requests()[0].path(), sent);
    }
    let response = shop.get("/id/api/v1/", token).await;
    assert_eq!(response.status, StatusCode::NOT_FOUND);
}
