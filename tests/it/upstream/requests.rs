//! Requests to the tenant.

use std::net::IpAddr;

use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use hyper::ext::Protocol;
use omneo_id::client_info::ClientInfo;
use omneo_id::headers::RequestHeaders;
use omneo_id::tenant::{AllowForward, CallAs};
use omneo_id::upstream::{Forwarding, RequestBody};
use omneo_id::{ApiToken, Body, MeRewriteLayer, RejectionKind, Subject, Upstream};
use tower::{Layer, ServiceExt, service_fn};

use super::support::{TOKEN, get, kind, permitted, sent, tenant};

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_request_is_forwarded_with_the_api_token_and_allowed_headers_only() {
    let request = permitted(Request::get("/locations?filter%5Bx%5D=1&y=a+b"))
        .version(Version::HTTP_2)
        .header("accept-language", "de")
        .header("authorization", "Bearer id.token.of-the-client")
        .header("cookie", "a=b")
        .header("expect", "100-continue")
        .header("forwarded", "for=1.2.3.4")
        .header("host", "shop.test")
        .header("if-none-match", "\"a\"")
        .header("proxy-authorization", "Basic x")
        .header("upgrade", "h2c")
        .header("x-forwarded-for", "6.6.6.6")
        .header("x-http-method-override", "DELETE")
        .header("x-original-url", "/admin")
        .header("x-request-id", "42")
        .header("x-unheard-of", "1")
        .header("x_forwarded_for", "1.2.3.4")
        .header("x_request_id", "43")
        .body(Body::empty())
        .unwrap();
    let (response, sent) = sent(request).await;
    assert_eq!(response.status(), StatusCode::OK);
    let [request] = &sent[..] else { panic!() };
    assert_eq!(
        request.uri(),
        "https://api.acme.test/api/v3/locations?filter%5Bx%5D=1&y=a+b"
    );
    assert_eq!(request.version(), Version::HTTP_11);
    let expected = [
        "accept",
        "accept-language",
        "authorization",
        "host",
        "if-none-match",
        "x-request-id",
    ];
    assert_eq!(names(request.headers()), expected);
    assert_eq!(request.headers()["accept"], "application/json");
    assert_eq!(
        request.headers()["authorization"],
        format!("Bearer {TOKEN}")
    );
    assert!(request.headers()["authorization"].is_sensitive());
    assert_eq!(request.headers()["host"], "api.acme.test");
}

#[tokio::test]
async fn a_client_cannot_remove_our_headers_by_nomination() {
    let request = permitted(Request::get("/locations"))
        .header("connection", "close, authorization, host, accept")
        .header("connection", "x-forwarded-for, via, user-agent")
        .header("accept", "text/html")
        .header("user-agent", "curl")
        .header("via", "1.1 evil.test")
        .extension(ClientInfo::default().add_addr(IpAddr::from([203, 0, 113, 7])))
        .body(Body::empty())
        .unwrap();
    let (_, sent) = sent(request).await;
    let headers = sent[0].headers();
    let expected = ["accept", "authorization", "host", "x-forwarded-for"];
    assert_eq!(names(headers), expected);
    assert_eq!(headers["accept"], "application/json");
    assert_eq!(headers["x-forwarded-for"], "203.0.113.7");
}

#[tokio::test]
async fn the_forwarding_headers_can_be_configured() {
    let client = service_fn(|request: Request<RequestBody>| async move {
        let mut response = Response::new(Body::empty());
        for name in ["forwarded", "via", "x-forwarded-for"] {
            if let Some(value) = request.headers().get(name) {
                let echo: http::HeaderName = format!("seen-{name}").parse().unwrap();
                response.headers_mut().insert(echo, value.clone());
            }
        }
        Ok::<_, std::io::Error>(response)
    });
    let forwarding = Forwarding::forwarded().with_pseudonym("shop").unwrap();
    let upstream = Upstream::new(client, tenant()).with_forwarding(forwarding);
    let request = permitted(Request::get("/locations"))
        .version(Version::HTTP_2)
        .header("forwarded", "for=6.6.6.6")
        .header("via", "1.1 evil.test")
        .extension(ClientInfo::default().add_addr(IpAddr::from([203, 0, 113, 7])))
        .body(Body::empty())
        .unwrap();
    let response = upstream.oneshot(request).await.unwrap();
    let seen = response.headers();
    assert_eq!(seen["seen-forwarded"], "for=203.0.113.7");
    assert_eq!(seen["seen-via"], "2.0 shop");
    assert!(!seen.contains_key("seen-x-forwarded-for"));
}

#[tokio::test]
async fn a_request_without_a_decision_is_not_forwarded() {
    let request = Request::get("/locations").body(Body::empty()).unwrap();
    let (response, sent) = sent(request).await;
    assert_eq!(kind(&response), RejectionKind::NotFound);
    assert!(sent.is_empty());
}

#[tokio::test]
async fn a_rejected_request_is_not_forwarded() {
    use RejectionKind::*;
    let request = |method: Method, uri: &str| permitted(Request::builder().method(method).uri(uri));
    let cases = [
        (
            request(Method::GET, "http://evil.test/locations"),
            PathRefused,
        ),
        (request(Method::OPTIONS, "*"), PathRefused),
        (
            request(Method::GET, "/locations/../profiles/bob"),
            PathRefused,
        ),
        (
            request(Method::GET, "/locations/%2e%2e/profiles/bob"),
            PathRefused,
        ),
        (request(Method::TRACE, "/locations"), MethodNotAllowed),
        (request(Method::CONNECT, "evil.test:443"), MethodNotAllowed),
        (
            request(Method::CONNECT, "/locations").extension(Protocol::from_static("websocket")),
            MethodNotAllowed,
        ),
        (
            request(Method::GET, "/locations")
                .header("connection", "Upgrade")
                .header("upgrade", "websocket"),
            UpgradeRefused,
        ),
        (
            request(Method::GET, "/locations")
                .header("connection", "Upgrade, HTTP2-Settings")
                .header("upgrade", "h2c, WebSocket")
                .header("http2-settings", "AAMAAABkAAQAoAAAAAIAAAAA"),
            UpgradeRefused,
        ),
        (
            request(Method::POST, "/locations?_method=DELETE"),
            QueryRefused,
        ),
        (
            request(Method::POST, "/locations??_method=DELETE"),
            QueryRefused,
        ),
        (request(Method::GET, "/locations??--env=x"), QueryRefused),
        (
            request(Method::GET, "/a")
                .header("host", "a")
                .header("host", "b"),
            HeadersRefused,
        ),
        (
            request(Method::POST, "/a")
                .header("content-type", "application/json")
                .header("content-type", "text/plain"),
            HeadersRefused,
        ),
        (
            request(Method::POST, "/a")
                .header("content-length", "0")
                .header("content-length", "0"),
            HeadersRefused,
        ),
        (
            request(Method::GET, "/a").header("connection", "a b"),
            HeadersRefused,
        ),
        (
            request(Method::POST, "/a").header("content-length", "7"),
            HeadersRefused,
        ),
    ];
    for (request, expected) in cases {
        let request = request.body(Body::empty()).unwrap();
        let text = format!("{request:?}");
        let (response, sent) = sent(request).await;
        assert_eq!(kind(&response), expected, "{text}");
        assert!(sent.is_empty(), "{text}");
    }
}

#[tokio::test]
async fn a_target_that_is_too_long_is_rejected() {
    // Valid by itself; together with the base path it is too long for a URI.
    let (response, sent) = sent(get(&format!("/{}", "a".repeat(65_530)))).await;
    assert_eq!(kind(&response), RejectionKind::UriTooLong);
    assert!(sent.is_empty());
}

#[tokio::test]
async fn the_authority_of_an_http2_request_is_ignored() {
    let request = permitted(Request::get("https://shop.test/locations?a=1"))
        .version(Version::HTTP_2)
        .body(Body::empty())
        .unwrap();
    let (_, sent) = sent(request).await;
    let uri = "https://api.acme.test/api/v3/locations?a=1";
    assert_eq!(sent[0].uri(), uri);
}

#[tokio::test]
async fn behind_the_me_layer_a_profile_is_requested_as_me() {
    let client = service_fn(|request: Request<RequestBody>| async move {
        assert_eq!(
            request.uri(),
            "https://api.acme.test/api/v3/profiles/ada/balances?x"
        );
        assert!(request.extensions().is_empty(), "extensions are removed");
        Ok::<_, std::io::Error>(Response::new(Body::empty()))
    });
    let service = MeRewriteLayer::new().layer(Upstream::new(client, tenant()));
    let ada = Subject::Profile("ada".parse().unwrap());
    let request = Request::get("/profiles/me/balances?x")
        .extension(ada)
        .body(Body::empty())
        .unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_call_can_have_its_own_credential() {
    let request = Request::post("/profiles/search-id")
        .extension(CallAs(ApiToken::new("of-the-caller").unwrap()))
        .header("authorization", "Bearer something-else")
        .body(Body::from(bytes::Bytes::from_static(b"{}")))
        .unwrap();
    let (_, sent) = sent(request).await;
    let authorization: Vec<_> = sent[0].headers().get_all("authorization").iter().collect();
    assert_eq!(authorization, ["Bearer of-the-caller"]);
    assert_eq!(sent[0].headers()["content-length"], "2");
}

#[tokio::test]
async fn an_additional_request_header_can_be_allowed() {
    let client = service_fn(|request: Request<RequestBody>| async move {
        assert_eq!(request.headers()["x-storefront"], "blue");
        Ok::<_, std::io::Error>(Response::new(Body::empty()))
    });
    let headers = RequestHeaders::default().allow("x-storefront").unwrap();
    let upstream = Upstream::new(client, tenant()).with_request_headers(headers);
    let request = permitted(Request::get("/locations"))
        .header("x-storefront", "blue")
        .body(Body::empty())
        .unwrap();
    assert_eq!(upstream.oneshot(request).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_rejection_of_a_grpc_request_is_encoded_as_grpc() {
    let request = Request::post("/locations")
        .extension(AllowForward::new())
        .version(Version::HTTP_2)
        .header("content-type", "application/grpc")
        .header("connection", "a b")
        .body(Body::empty())
        .unwrap();
    let (response, _) = sent(request).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["grpc-status"], "3");
}

#[test]
fn debug_output_does_not_contain_the_token() {
    let client = service_fn(|_: Request<RequestBody>| async {
        Ok::<_, std::io::Error>(Response::new(Body::empty()))
    });
    let upstream = Upstream::new(client, tenant());
    assert!(!format!("{upstream:?}").contains("4fzK"));
}

#[tokio::test]
async fn an_ignored_upgrade_is_not_forwarded() {
    for pairs in [
        &[("upgrade", "h2c")][..],
        &[("upgrade", "websocket")],
        &[("connection", "upgrade")],
        &[
            ("http2-settings", "AAMAAABk"),
            ("connection", "http2-settings"),
        ],
        &[
            ("connection", "Upgrade, HTTP2-Settings"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABkAAQAoAAAAAIAAAAA"),
        ],
        &[("connection", "upgrade"), ("upgrade", "TLS/1.3, foo")],
        // Not nominated by `Connection`.
        &[("upgrade", "h2c"), ("http2-settings", "AAMAAABk")],
    ] {
        let mut request = permitted(Request::get("/locations"));
        for (name, value) in pairs {
            request = request.header(*name, *value);
        }
        let (response, sent) = sent(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), 200, "{pairs:?}");
        for name in ["connection", "http2-settings", "upgrade"] {
            assert!(!sent[0].headers().contains_key(name), "{pairs:?}");
        }
    }
}

#[tokio::test]
async fn json_is_preferred_for_a_client_that_accepts_anything() {
    let accept = async |values: &[&'static str]| {
        let mut request = permitted(Request::get("/locations"));
        for value in values {
            request = request.header("accept", *value);
        }
        let (_, sent) = sent(request.body(Body::empty()).unwrap()).await;
        let values = sent[0].headers().get_all("accept").iter();
        values
            .map(|value| value.to_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(accept(&[]).await, ["application/json"]);
    for anything in [
        &["*/*"][..],
        &[" */* "],
        &["*/*;q=1"],
        &["*/* ; Q=0.8"],
        &["*/*;q=1.000"],
        &["*/*;q=.2"],
        &["*"],
        &["*/*", "*/*;q=0.1"],
        &["*/*, , */*"],
        &[""],
    ] {
        assert_eq!(
            accept(anything).await,
            ["application/json, */*;q=0.8"],
            "{anything:?}"
        );
    }
    for unchanged in [
        &["application/json"][..],
        &["text/html, */*;q=0.8"],
        &["*/*, text/html;q=0.1"],
        &["text/html", "*/*"],
        &["*/*;q=0"],
        &["*/*;q=0.000"],
        &["*/*;level=1"],
        &["*/json"],
        &["application/*"],
    ] {
        assert_eq!(accept(unchanged).await, unchanged);
    }
}

#[tokio::test]
async fn a_range_is_forwarded_only_if_allowed() {
    let ranged = |request: http::request::Builder| {
        request
            .header("range", "bytes=0-9")
            .header("if-range", "\"a\"")
            .header("if-none-match", "\"a\"")
            .body(Body::empty())
            .unwrap()
    };
    let request = ranged(permitted(Request::get("/locations")));
    let (response, sent) = sent(request).await;
    assert_eq!(response.status(), 200);
    let expected = ["accept", "authorization", "host", "if-none-match"];
    assert_eq!(names(sent[0].headers()), expected);

    let client = service_fn(|request: Request<RequestBody>| async move {
        assert_eq!(request.headers()["range"], "bytes=0-9");
        assert_eq!(request.headers()["if-range"], "\"a\"");
        Response::builder()
            .status(206)
            .header("content-range", "bytes 0-9/20")
            .body(Body::from(bytes::Bytes::from_static(b"0123456789")))
    });
    let headers = RequestHeaders::default().allow("range").unwrap();
    let headers = headers.allow("if-range").unwrap();
    let upstream = Upstream::new(client, tenant()).with_request_headers(headers);
    let request = ranged(permitted(Request::get("/locations")));
    let response = upstream.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(response.headers()["content-range"], "bytes 0-9/20");
}

#[tokio::test]
async fn a_trailing_slash_is_not_forwarded() {
    for (uri, expected) in [
        ("/locations/", "/locations"),
        ("//locations//7//", "/locations/7"),
        ("/locations/?a=1/", "/locations?a=1/"),
        ("/", "/"),
    ] {
        let (_, sent) = sent(get(uri)).await;
        let expected = format!("https://api.acme.test/api/v3{expected}");
        assert_eq!(sent[0].uri(), &*expected, "{uri}");
    }
}

#[tokio::test]
async fn te_trailers_is_sent_if_the_client_accepts_trailers() {
    let sent_headers = async |pairs: &[(&'static str, &'static str)]| {
        let mut request = permitted(Request::get("/locations"));
        for (name, value) in pairs {
            request = request.header(*name, *value);
        }
        let (_, sent) = sent(request.body(Body::empty()).unwrap()).await;
        let value = |name| Some(sent[0].headers().get(name)?.to_str().unwrap().to_owned());
        (value("connection"), value("te"))
    };
    let both = (Some("te".to_owned()), Some("trailers".to_owned()));
    assert_eq!(
        sent_headers(&[("te", "trailers, gzip"), ("connection", "TE, close")]).await,
        both
    );
    // For another hop, or absent.
    assert_eq!(sent_headers(&[("te", "trailers")]).await, (None, None));
    assert_eq!(
        sent_headers(&[("te", "gzip"), ("connection", "te")]).await,
        (None, None)
    );
    assert_eq!(sent_headers(&[]).await, (None, None));
}
