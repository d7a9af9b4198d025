//! The demonstration page and its sign-in endpoint, which exist only with the sandbox.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::Full;
use omneo_id::sandbox::Sandbox;
use omneo_id::{Body, Keyring, TokenIssuer};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tower::service_fn;

use crate::config::{Config, Parsed, random_key};
use crate::demo::Storefront;
use crate::process::{MOUNT, SECRET, Server, get_as};
use crate::tenant::SlowTenant;

fn header<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

fn body(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

fn sign_in(body: &(impl ToString + ?Sized)) -> Request<Full<Bytes>> {
    Request::post("/demo/sign-in")
        .header("content-type", "application/json")
        .body(Full::from(body.to_string()))
        .unwrap()
}

fn end_sessions(body: &(impl ToString + ?Sized)) -> Request<Full<Bytes>> {
    let mut request = sign_in(body);
    *request.uri_mut() = "/demo/end-sessions".parse().unwrap();
    request
}

fn nonce(response: &Response<Bytes>) -> String {
    let policy = header(response, "content-security-policy");
    let (_, rest) = policy.split_once("script-src 'nonce-").unwrap();
    rest.split_once('\'').unwrap().0.to_owned()
}

#[tokio::test]
async fn the_page_is_one_document_under_a_strict_policy() {
    let server = Server::start(&[], &[]);
    let response = server.get("/").await;
    assert_eq!(response.status(), 200);
    assert_eq!(
        header(&response, "content-type"),
        "text/html; charset=utf-8"
    );
    assert_eq!(header(&response, "cache-control"), "no-store");
    assert_eq!(header(&response, "x-content-type-options"), "nosniff");
    let policy = header(&response, "content-security-policy");
    for part in [
        "default-src 'none'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(policy.contains(part), "{part} in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");

    let page = String::from_utf8(response.body().to_vec()).unwrap();
    let nonce = nonce(&response);
    let elements = page.matches("<script").count() + page.matches("<style").count();
    assert_eq!(
        page.matches(&format!("nonce=\"{nonce}\"")).count(),
        elements
    );
    assert_eq!(elements, 3);
    for foreign in [
        "{{",
        " src=",
        "@import",
        "url(",
        " onclick=",
        " style=",
        "innerHTML",
    ] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert!(!page.contains(Sandbox::API_TOKEN));

    let again = server.get("/").await;
    assert_ne!(self::nonce(&again), nonce, "a nonce is used once");
    let head = Request::head("/").body(Full::default()).unwrap();
    assert_eq!(server.send(head).await.status(), 200);
    let post = Request::post("/").body(Full::default()).unwrap();
    let rejected = server.send(post).await;
    assert_eq!(rejected.status(), 405);
    assert_eq!(header(&rejected, "allow"), "GET, HEAD");
}

#[tokio::test]
async fn the_page_and_the_sign_in_use_the_mount() {
    let server = Server::start(&["--mount", "/shop/omneo"], &[]);
    let page = server.get("/").await;
    let page = String::from_utf8(page.body().to_vec()).unwrap();
    assert!(page.contains(r#""mount":"/shop/omneo""#));
    let minted = server
        .send(sign_in(&json!({ "profile": Sandbox::ADA_ID })))
        .await;
    let token = body(&minted)["data"]["token"].as_str().unwrap().to_owned();
    let me = server.send(get_as(&token, "/shop/omneo/profiles/me")).await;
    assert_eq!(me.status(), 200);
}

#[tokio::test]
async fn sign_in_mints_profile_tokens_and_anonymous_ones() {
    let server = Server::start(&[], &[]);
    let minted = server
        .send(sign_in(&json!({ "profile": Sandbox::ADA_ID })))
        .await;
    assert_eq!(minted.status(), 200);
    assert_eq!(header(&minted, "cache-control"), "no-store");
    let token = body(&minted)["data"]["token"].as_str().unwrap().to_owned();
    let me = server
        .send(get_as(&token, &format!("{MOUNT}/profiles/me")))
        .await;
    assert_eq!(body(&me)["data"]["id"], Sandbox::ADA_ID);

    let minted = server.send(sign_in(&json!({ "profile": null }))).await;
    let token = body(&minted)["data"]["token"].as_str().unwrap().to_owned();
    let me = server
        .send(get_as(&token, &format!("{MOUNT}/profiles/me")))
        .await;
    assert_eq!(me.status(), 404);
    let shops = server
        .send(get_as(&token, &format!("{MOUNT}/locations")))
        .await;
    assert_eq!(shops.status(), 200);

    let unknown = server
        .send(sign_in(&json!({ "profile": "unknown-profile" })))
        .await;
    assert_eq!(unknown.status(), 404);
    assert_eq!(body(&unknown)["data"], Value::Null);
}

#[tokio::test]
async fn the_shop_ends_all_sessions_of_a_customer() {
    let server = Server::start(&[], &[]);
    let mut tokens = Vec::new();
    for profile in [Sandbox::ADA_ID, Sandbox::ADA_ID, Sandbox::GRACE_ID] {
        let minted = server.send(sign_in(&json!({ "profile": profile }))).await;
        tokens.push(body(&minted)["data"]["token"].as_str().unwrap().to_owned());
    }
    let end = json!({ "profile": Sandbox::ADA_ID });
    assert_eq!(server.send(end_sessions(&end)).await.status(), 204);
    for (token, expected) in tokens.iter().zip([401, 401, 200]) {
        let me = get_as(token, &format!("{MOUNT}/profiles/me"));
        assert_eq!(server.send(me).await.status(), expected);
    }
    for invalid in [
        json!({}),
        json!({ "profile": null }),
        json!({ "profile": "../purge" }),
        json!({ "profile": Sandbox::ADA_ID, "expired": true }),
        json!({ "all": true }),
    ] {
        let rejected = server.send(end_sessions(&invalid)).await;
        assert_eq!(rejected.status(), 422, "{invalid}");
    }
    let mut text = end_sessions(&end);
    let plain = "text/plain".parse().unwrap();
    text.headers_mut().insert("content-type", plain);
    assert_eq!(server.send(text).await.status(), 415);
    let get = server.get("/demo/end-sessions").await;
    assert_eq!(get.status(), 405);
    assert_eq!(header(&get, "allow"), "POST");
}

#[tokio::test]
async fn an_expired_token_is_rejected() {
    let server = Server::start(&["--sandbox", "--signing-key", SECRET], &[]);
    let expired = json!({ "profile": Sandbox::ADA_ID, "expired": true });
    let minted = server.send(sign_in(&expired)).await;
    assert_eq!(minted.status(), 200);
    let token = body(&minted)["data"]["token"].as_str().unwrap().to_owned();
    let me = server
        .send(get_as(&token, &format!("{MOUNT}/profiles/me")))
        .await;
    assert_eq!(me.status(), 401);
    let log = server.terminate().stderr;
    assert!(log.contains("invalid_token"), "{log}");
    assert!(!log.contains(&token), "{log}");
}

#[tokio::test]
async fn an_invalid_sign_in_is_rejected() {
    let server = Server::start(&[], &[]);
    let long = format!(r#"{{"profile":"{}"}}"#, "x".repeat(5000));
    for (content_type, text, status) in [
        ("text/plain", r#"{"profile":null}"#, 415),
        ("application/x-www-form-urlencoded", "profile=", 415),
        ("application/json", "", 422),
        ("application/json", "[]", 422),
        ("application/json", r#"{"profile":7}"#, 422),
        ("application/json", r#"{"profile":"../purge"}"#, 422),
        (
            "application/json",
            r#"{"profile":null,"api_token":"x"}"#,
            422,
        ),
        ("application/json", long.as_str(), 413),
    ] {
        let mut request = sign_in(text);
        request
            .headers_mut()
            .insert("content-type", content_type.parse().unwrap());
        let rejected = server.send(request).await;
        assert_eq!(rejected.status(), status, "{content_type} {text:.40}");
        assert!(body(&rejected)["message"].is_string());
    }
    let get = server.get("/demo/sign-in").await;
    assert_eq!(get.status(), 405);
    assert_eq!(header(&get, "allow"), "POST");
    for path in ["/demo", "/demo/", "/demo/sign-in/", "//", "/index.html"] {
        assert_eq!(server.get(path).await.status(), 404, "{path}");
    }
}

/// A byte every 10 s keeps a body from being idle: the timeout covers the whole body.
#[tokio::test(start_paused = true)]
async fn a_slow_sign_in_is_rejected_after_thirty_seconds() {
    let Ok(Parsed::Serve(config)) = Config::parse(["standalone".into()], []) else {
        panic!("the defaults serve");
    };
    let id = service_fn(
        async |_: Request<Body>| -> Result<Response<Body>, Infallible> {
            panic!("nothing is minted");
        },
    );
    let issuer = TokenIssuer::new(Keyring::new(random_key().unwrap()));
    let storefront = Storefront::new(&id, &config.tenants[0], &issuer).unwrap();
    let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(1);
    tokio::spawn(async move {
        while sender.send(Bytes::from_static(b" ")).await.is_ok() {
            sleep(Duration::from_secs(10)).await;
        }
    });
    let request = Request::post("/demo/sign-in").header("content-type", "application/json");
    let request = request.body(Body::new(Fed(receiver))).unwrap();
    let start = Instant::now();
    let response = storefront.respond(request).await;
    assert_eq!(response.status(), 408);
    assert_eq!(start.elapsed(), Duration::from_secs(30));
}

struct Fed(tokio::sync::mpsc::Receiver<Bytes>);

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = self.0.poll_recv(cx);
        data.map(|data| data.map(|data| Ok(Frame::data(data))))
    }
}

#[tokio::test]
async fn a_page_of_another_origin_cannot_sign_in() {
    let server = Server::start(&["--cors-origin", "https://shop.example"], &[]);
    let preflight = Request::options("/demo/sign-in")
        .header("origin", "https://elsewhere.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type")
        .body(Full::default())
        .unwrap();
    let response = server.send(preflight).await;
    assert!(
        !response
            .headers()
            .contains_key("access-control-allow-origin")
    );
}

#[tokio::test]
async fn with_a_tenant_the_page_and_the_sign_in_do_not_exist() {
    let tenant = SlowTenant::start().await;
    let server = tenant.server(&[]);
    let not_found = server.get("/nowhere").await;
    assert_eq!(not_found.status(), 404);
    assert_eq!(server.get("/").await.body(), not_found.body());
    for request in [
        Request::get("/").body(Full::default()).unwrap(),
        Request::post("/").body(Full::default()).unwrap(),
        sign_in(&json!({ "profile": null })),
        sign_in(&json!({ "profile": Sandbox::ADA_ID, "expired": true })),
        Request::get("/demo/sign-in").body(Full::default()).unwrap(),
        end_sessions(&json!({ "profile": Sandbox::ADA_ID })),
    ] {
        let case = format!("{} {}", request.method(), request.uri());
        assert_eq!(server.send(request).await.status(), 404, "{case}");
    }
    assert!(
        tenant.seen.lock().unwrap().is_empty(),
        "the tenant was called"
    );
    let printed = server.terminate().stdout;
    assert!(!printed.contains("Demonstration page"), "{printed}");
}

#[tokio::test]
async fn the_banner_shows_the_address_of_the_page() {
    let server = Server::start(&[], &[]);
    let page = format!("Demonstration page: http://{}/\n", server.address);
    assert!(server.terminate().stdout.contains(&page));
}
