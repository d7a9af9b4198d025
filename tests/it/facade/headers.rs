//! Request and response headers: credentials, policies and rate limits.

use http::{Request, Response, StatusCode};
use omneo_id::client_info::ClientInfo;
use omneo_id::headers::ResponseHeaders;
use omneo_id::sandbox::{Fault, Sandbox};
use omneo_id::upstream::Forwarding;

use crate::support::{Shop, bearer};

#[tokio::test]
async fn credentials_are_neither_forwarded_nor_returned() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    let echo = Response::builder()
        .header("x-echo", bearer(Sandbox::API_TOKEN))
        .header("set-cookie", "a=b")
        .header("server", "nginx")
        .header("access-control-allow-origin", "*")
        .body(r#"{"data":[]}"#)
        .unwrap();
    shop.sandbox.inject(Fault::response(echo));
    let request = Request::get("/profiles/me")
        .header("authorization", bearer(&token))
        .header("cookie", "session=1")
        .header("connection", "authorization, host, x-request-id")
        .header("x-forwarded-for", "203.0.113.9")
        .header("x-http-method-override", "DELETE")
        .header("x_request_id", "alias")
        .header("x-original-url", "/api/v3/profiles");
    let response = shop.send(request, "").await;
    assert_eq!(response.status, StatusCode::OK);
    for (name, value) in &response.headers {
        assert!(
            !value.to_str().unwrap().contains(Sandbox::API_TOKEN),
            "{name}"
        );
    }
    for name in ["set-cookie", "server", "access-control-allow-origin"] {
        assert!(!response.headers.contains_key(name), "{name}");
    }

    let received = shop.sandbox.requests().pop().unwrap();
    let authorization: Vec<_> = received.headers.get_all("authorization").iter().collect();
    assert_eq!(authorization, [&*bearer(Sandbox::API_TOKEN)]);
    for (name, value) in &received.headers {
        assert!(!value.to_str().unwrap().contains(&*token), "{name}");
    }
    for name in [
        "cookie",
        "x-http-method-override",
        "x_request_id",
        "x-original-url",
        "connection",
    ] {
        assert!(!received.headers.contains_key(name), "{name}");
    }
    assert_ne!(received.header("x-forwarded-for"), Some("203.0.113.9"));
}

#[tokio::test]
async fn request_and_response_header_policies_are_configurable() {
    let shop = Shop::with(|builder| {
        let down = ResponseHeaders::default().allow("set-cookie").unwrap();
        let forwarding = Forwarding::both().with_pseudonym("shop").unwrap();
        builder.response_headers(down).forwarding(forwarding)
    });
    let token = shop.mint_for_ada().await;
    let cookies = Response::builder()
        .header("set-cookie", "a=b")
        .header("set-cookie", "c=d")
        .header("server", "nginx")
        .body(r#"{"data":[]}"#)
        .unwrap();
    shop.sandbox.inject(Fault::response(cookies));
    let client = ClientInfo::default().add_addr([203, 0, 113, 7].into());
    let request = Request::get("/profiles/me")
        .header("authorization", bearer(&token))
        .extension(client);
    let response = shop.send(request, "").await;
    let cookies: Vec<_> = response.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=b", "c=d"]);
    assert!(!response.headers.contains_key("server"));
    let received = shop.sandbox.requests().pop().unwrap();
    assert_eq!(received.header("via"), Some("1.1 shop"));
    assert_eq!(received.header("forwarded"), Some("for=203.0.113.7"));
    assert_eq!(received.header("x-forwarded-for"), Some("203.0.113.7"));
}

#[tokio::test]
async fn rate_limit_headers_of_the_api_token_are_removed() {
    let shop = Shop::open();
    let anonymous = shop.mint_anonymous().await;
    let ada = shop.mint_for_ada().await;
    for status in [200, 404, 422, 429] {
        for (path, token) in [("/locations", &anonymous), ("/profiles/me/lists", &ada)] {
            let counted = Response::builder()
                .status(status)
                .header("content-type", "application/json")
                .header("x-ratelimit-limit", "600")
                .header("x-ratelimit-remaining", "59")
                .header("ratelimit", "\"default\";r=50;t=30")
                .header("server-timing", "db;dur=53")
                .header("retry-after", "7")
                .body("{}")
                .unwrap();
            shop.sandbox.inject(Fault::response(counted));
            let response = shop.get(path, token).await;
            assert_eq!(response.status, status, "{path}");
            assert_eq!(response.headers["retry-after"], "7");
            for name in [
                "x-ratelimit-limit",
                "x-ratelimit-remaining",
                "ratelimit",
                "server-timing",
            ] {
                assert!(
                    !response.headers.contains_key(name),
                    "{path} {status} {name}"
                );
            }
        }
    }
}
