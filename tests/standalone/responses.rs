//! Responses and headers of the server around Omneo ID.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::Full;
use omneo_id::sandbox::Sandbox;

use crate::process::{MOUNT, SECRET, Server, get_as};
use crate::tenant::SlowTenant;

const PAGE: &str = "https://shop.example";

fn all<'a>(response: &'a Response<Bytes>, name: &str) -> Vec<&'a str> {
    let values = response.headers().get_all(name).iter();
    values.map(|value| value.to_str().unwrap()).collect()
}

fn me(token: &str) -> Request<Full<Bytes>> {
    get_as(token, &format!("{MOUNT}/profiles/me"))
}

async fn ada(server: &Server) -> String {
    let body = format!(r#"{{"id":"{}"}}"#, Sandbox::ADA_ID);
    server.mint(Sandbox::API_TOKEN, &body).await
}

#[tokio::test]
async fn health_and_readiness_are_outside_the_mount() {
    let server = Server::start(&[], &[]);
    for (path, status, body) in [
        ("/healthz", 200, r#"{"status":"ok"}"#),
        ("/readyz", 200, r#"{"status":"ready"}"#),
    ] {
        let response = server.get(path).await;
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.body(), body);
        assert_eq!(all(&response, "cache-control"), ["no-store"]);
        let head = Request::head(path).body(Full::default()).unwrap();
        assert_eq!(server.send(head).await.status(), status);
        let post = Request::post(path).body(Full::default()).unwrap();
        let rejected = server.send(post).await;
        assert_eq!(rejected.status(), 405);
        assert_eq!(all(&rejected, "allow"), ["GET, HEAD"]);
    }
    for path in [
        "/healthz/",
        "/id/api/v1/healthz",
        "/id/api/v2/locations",
        "/profiles/me",
    ] {
        assert_eq!(server.get(path).await.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn with_an_unreachable_tenant_the_server_is_alive_but_not_ready_and_routes_are_502() {
    let token = {
        let server = Server::start(&["--sandbox", "--signing-key", SECRET], &[]);
        ada(&server).await
    };
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", unused.local_addr().unwrap());
    drop(unused);
    let flags = [
        "--upstream",
        &origin,
        "--api-token",
        "t",
        "--signing-key",
        SECRET,
    ];
    let server = Server::start(&flags, &[]);
    assert_eq!(server.get("/healthz").await.status(), 200);
    let readiness = server.get("/readyz").await;
    assert_eq!(readiness.status(), 503);
    assert!(readiness.body().starts_with(br#"{"status":"unavailable""#));
    let email = r#"{"email":"someone@example.com"}"#;
    for (method, path, body) in [
        ("GET", "/profiles/me", ""),
        ("PUT", "/profiles/me/attributes/comms", "{}"),
        ("POST", "/profiles", email),
        ("GET", "/locations", ""),
        ("GET", "/locations/1", ""),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(format!("{MOUNT}{path}"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(Full::from(body))
            .unwrap();
        let started = Instant::now();
        let response = server.send(request).await;
        assert!(
            started.elapsed() < Duration::from_secs(6),
            "{method} {path}"
        );
        assert_eq!(response.status(), 502, "{method} {path}");
        assert_eq!(all(&response, "content-type"), ["application/json"]);
        let answer: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert!(answer["message"].is_string(), "{answer}");
    }
    assert_eq!(server.get("/healthz").await.status(), 200);
}

#[tokio::test]
async fn the_tenant_gets_the_peer_address_and_no_forwarding_headers_of_the_client() {
    let tenant = SlowTenant::start().await;
    let server = tenant.server(&[]);
    let token = server.mint("t", "{}").await;
    tenant.respond.notify_one();
    let mut request = get_as(&token, &format!("{MOUNT}/locations"));
    for (name, value) in [
        ("x-forwarded-for", "203.0.113.7"),
        ("forwarded", "for=203.0.113.7"),
        ("cookie", "a=b"),
        ("x-request-id", "from-the-page"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    assert_eq!(server.send(request).await.status(), 200);
    let seen = tenant.seen.lock().unwrap().pop().unwrap();
    assert_eq!(seen["x-forwarded-for"], "127.0.0.1");
    assert_eq!(seen["authorization"], "Bearer t");
    assert_eq!(seen["x-request-id"], "from-the-page");
    assert!(!seen.contains_key("cookie") && !seen.contains_key("forwarded"));
}

#[tokio::test]
async fn via_is_sent_only_with_its_flag() {
    let tenant = SlowTenant::start().await;
    for (via, expected) in [(&[][..], None), (&["--via"], Some("1.1 omneo-id"))] {
        let server = tenant.server(via);
        let token = server.mint("t", "{}").await;
        let path = format!("{MOUNT}/locations/1");
        assert_eq!(server.send(get_as(&token, &path)).await.status(), 200);
        let seen = tenant.seen.lock().unwrap().pop().unwrap();
        let via = seen.get("via").map(|via| via.to_str().unwrap());
        assert_eq!(via, expected);
    }
}

#[tokio::test]
async fn both_versions_of_http_are_served_on_one_port() {
    let server = Server::start(&[], &[]);
    let token = ada(&server).await;
    let mut bodies = Vec::new();
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let mut request = me(&token);
        *request.version_mut() = version;
        let response = server.send(request).await;
        assert_eq!(
            (response.status().as_u16(), response.version()),
            (200, version)
        );
        bodies.push(response.into_body());
    }
    assert_eq!(bodies[0], bodies[1]);
}

#[tokio::test]
async fn a_valid_request_id_is_kept_and_an_invalid_one_replaced() {
    let server = Server::start(&[], &[]);
    let returned_id = async |id: Option<&str>| {
        let mut request = Request::get("/healthz");
        if let Some(id) = id {
            request = request.header("x-request-id", id);
        }
        let response = server.send(request.body(Full::default()).unwrap()).await;
        let ids = all(&response, "x-request-id");
        assert_eq!(ids.len(), 1);
        ids[0].to_owned()
    };
    assert_eq!(returned_id(Some("a-1_b.C")).await, "a-1_b.C");
    for invalid in [
        None,
        Some("two words"),
        Some(""),
        Some("x".repeat(65).as_str()),
    ] {
        let made = returned_id(invalid).await;
        assert_eq!(made.len(), 32, "{invalid:?}: {made}");
    }
}

#[tokio::test]
async fn cross_origin_pages_are_allowed_only_with_the_flag() {
    for (flags, origin, allowed) in [
        (&[][..], PAGE, &[][..]),
        (&["--cors-origin", PAGE], PAGE, &[PAGE]),
        (&["--cors-origin", PAGE], "https://elsewhere.example", &[]),
        (&["--cors-origin", "*"], PAGE, &["*"]),
    ] {
        let server = Server::start(flags, &[]);
        let token = ada(&server).await;
        // The tenant's own `Access-Control-Allow-Origin: *` must not be added.
        for request in [me(&token), me("not.a.token"), get_as(&token, "/nowhere")] {
            let mut request = request;
            request
                .headers_mut()
                .insert("origin", origin.parse().unwrap());
            let response = server.send(request).await;
            assert_eq!(
                all(&response, "access-control-allow-origin"),
                allowed,
                "{flags:?}"
            );
            assert!(all(&response, "access-control-allow-credentials").is_empty());
        }
    }
}

#[tokio::test]
async fn a_preflight_lists_methods_and_headers() {
    let server = Server::start(&["--cors-origin", PAGE], &[]);
    let preflight = Request::options(format!("{MOUNT}/profiles/me"))
        .header("origin", PAGE)
        .header("access-control-request-method", "PUT")
        .header(
            "access-control-request-headers",
            "authorization,content-type",
        )
        .body(Full::default())
        .unwrap();
    let response = server.send(preflight).await;
    assert!(response.status().is_success());
    assert_eq!(all(&response, "access-control-allow-origin"), [PAGE]);
    let methods = all(&response, "access-control-allow-methods").join(",");
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        assert!(methods.contains(method), "{methods}");
    }
    let headers = all(&response, "access-control-allow-headers").join(",");
    assert!(headers.contains("authorization") && headers.contains("content-type"));
}

#[tokio::test]
async fn the_log_has_requests_but_no_secrets() {
    let flags = ["--sandbox", "--signing-key", SECRET, "--log", "debug"];
    let server = Server::start(&flags, &[]);
    let token = ada(&server).await;
    server.send(me(&token)).await;
    server
        .send(get_as(
            &token,
            &format!("{MOUNT}/locations?filter[email]=ada@example.com"),
        ))
        .await;
    let email = "someone.new@example.com";
    let sign_up = Request::post(format!("{MOUNT}/profiles"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Full::from(format!(
            r#"{{"email":"{email}","mobile_phone":"+61491570159"}}"#
        )))
        .unwrap();
    assert_eq!(server.send(sign_up).await.status(), 200);
    server.send(me(&format!("{token}x"))).await;
    let log = server.terminate().stderr;
    assert!(log.contains("path=\"/id/api/v1/profiles/me\""), "{log}");
    assert!(log.contains("error.type=\"invalid_token\""), "{log}");
    for secret in [
        &token,
        SECRET,
        Sandbox::API_TOKEN,
        email,
        "ada@example.com",
        "+61491570159",
    ] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}
