//! Cross-origin requests.

use bytes::Bytes;
use http::{HeaderName, Request, Response};
use http_body_util::Full;
use omneo_id::headers::RequestHeaders;

use crate::process::{MOUNT, Server};

const PAGE: &str = "https://shop.example";

fn list(response: &Response<Bytes>, name: &str) -> Vec<String> {
    let values = response.headers().get_all(name).iter();
    let values = values.flat_map(|value| value.to_str().unwrap().split(','));
    values.map(|name| name.trim().to_owned()).collect()
}

async fn preflight(server: &Server, origin: &str, headers: &str) -> Response<Bytes> {
    let request = Request::options(format!("{MOUNT}/profiles/me"))
        .header("origin", origin)
        .header("access-control-request-method", "PUT")
        .header("access-control-request-headers", headers);
    server.send(request.body(Full::default()).unwrap()).await
}

async fn get_me(server: &Server, origin: &str) -> Response<Bytes> {
    let request = Request::get(format!("{MOUNT}/profiles/me")).header("origin", origin);
    server.send(request.body(Full::default()).unwrap()).await
}

#[tokio::test]
async fn pages_may_send_forwarded_headers_and_those_of_tracing_scripts() {
    let flags = ["--cors-origin", PAGE, "--cors-header", "X-Shop, X-Theme"];
    let server = Server::start(&flags, &[]);
    let forwarded = RequestHeaders::default();
    let forwarded: Vec<_> = forwarded.names().collect();
    assert!(forwarded.contains(&HeaderName::from_static("idempotency-key")));
    let forwarded = forwarded.iter().map(HeaderName::as_str);
    let others = [
        "authorization",
        "sentry-trace",
        "baggage",
        "traceparent",
        "tracestate",
        "x-datadog-origin",
        "x-datadog-parent-id",
        "x-datadog-sampling-priority",
        "x-datadog-trace-id",
        "b3",
        "x-b3-traceid",
        "newrelic",
        "elastic-apm-traceparent",
        "x-amzn-trace-id",
        "x-dtc",
        "x-dtpc",
        "x-request-id",
        "x-requested-with",
        "x-shop",
        "x-theme",
    ];
    let requested: Vec<_> = forwarded.chain(others).collect();
    let response = preflight(&server, PAGE, &requested.join(",")).await;
    assert!(response.status().is_success());
    assert_eq!(list(&response, "access-control-allow-origin"), [PAGE]);
    let allowed = list(&response, "access-control-allow-headers");
    for name in requested {
        assert!(allowed.iter().any(|allowed| allowed == name), "{name}");
    }
    assert!(!allowed.iter().any(|name| name == "cookie" || name == "*"));
    let mut unique = allowed.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), allowed.len(), "{allowed:?}");
}

#[tokio::test]
async fn pages_may_read_the_default_headers_and_further_ones() {
    let flags = ["--cors-origin", PAGE, "--cors-expose", "X-Shop"];
    let server = Server::start(&flags, &[]);
    let response = get_me(&server, PAGE).await;
    let mut exposed = list(&response, "access-control-expose-headers");
    exposed.sort();
    let expected = [
        "etag",
        "location",
        "retry-after",
        "www-authenticate",
        "x-request-id",
        "x-shop",
    ];
    assert_eq!(exposed, expected);
    assert!(response.headers().contains_key("www-authenticate"));
}

#[tokio::test]
async fn each_listed_origin_is_allowed_and_named() {
    let listed = "https://Shop.example:443,https://*.shop.example,capacitor://localhost";
    let server = Server::start(&["--cors-origin", listed], &[]);
    for origin in [PAGE, "https://a.b.shop.example", "capacitor://localhost"] {
        for response in [
            get_me(&server, origin).await,
            preflight(&server, origin, "authorization").await,
        ] {
            assert_eq!(list(&response, "access-control-allow-origin"), [origin]);
            assert!(list(&response, "vary").iter().any(|name| name == "origin"));
        }
    }
    for origin in [
        "https://shop.example.evil.test",
        "http://shop.example",
        "null",
    ] {
        let response = get_me(&server, origin).await;
        assert!(
            list(&response, "access-control-allow-origin").is_empty(),
            "{origin}"
        );
    }
}
