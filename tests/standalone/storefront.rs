//! The page in front of the sandbox, and the server that mints for it. In front of a tenant there
//! is neither.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::Full;
use omneo_id::Body;
use omneo_id::sandbox::Sandbox;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tower::service_fn;

use crate::config::{Config, Parsed};
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
    let refused = server.send(post).await;
    assert_eq!(refused.status(), 405);
    assert_eq!(header(&refused, "allow"), "GET, HEAD");
}

#[tokio::test]
async fn the_page_and_its_server_know_the_mount() {
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
async fn signing_in_mints_for_a_profile_and_for_nobody() {
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

    let stranger = server
        .send(sign_in(&json!({ "profile": "nobody-of-this-name" })))
        .await;
    assert_eq!(stranger.status(), 404);
    assert_eq!(body(&stranger)["data"], Value::Null);
}

#[tokio::test]
async fn what_it_calls_expired_is_expired() {
    let server = Server::start(&["--sandbox", "--signing-key", SECRET], &[]);
    let asked = json!({ "profile": Sandbox::ADA_ID, "expired": true });
    let minted = server.send(sign_in(&asked)).await;
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
async fn what_is_no_sign_in_is_refused_as_anywhere_else() {
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
        let refused = server.send(request).await;
        assert_eq!(refused.status(), status, "{content_type} {text:.40}");
        assert!(body(&refused)["message"].is_string());
    }
    let get = server.get("/demo/sign-in").await;
    assert_eq!(get.status(), 405);
    assert_eq!(header(&get, "allow"), "POST");
    for path in ["/demo", "/demo/", "/demo/sign-in/", "//", "/index.html"] {
        assert_eq!(server.get(path).await.status(), 404, "{path}");
    }
}

/// A byte in each ten seconds is no idle body.
#[tokio::test(start_paused = true)]
async fn a_sign_in_that_trickles_is_given_up_after_thirty_seconds() {
    let Ok(Parsed::Serve(config)) = Config::parse(["standalone".into()], []) else {
        panic!("the defaults serve");
    };
    let id = service_fn(
        async |_: Request<Body>| -> Result<Response<Body>, Infallible> {
            panic!("nothing is minted");
        },
    );
    let storefront = Storefront::new(&id, &config).unwrap();
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
async fn a_page_that_is_not_listed_cannot_have_tokens_minted() {
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
async fn in_front_of_a_tenant_there_is_no_page_and_nobody_mints_for_strangers() {
    let tenant = SlowTenant::start().await;
    let origin = tenant.origin();
    let server = Server::start(&["--upstream", &origin, "--api-token", "the-token"], &[]);
    let not_found = server.get("/nowhere").await;
    assert_eq!(not_found.status(), 404);
    assert_eq!(server.get("/").await.body(), not_found.body());
    for request in [
        Request::get("/").body(Full::default()).unwrap(),
        Request::post("/").body(Full::default()).unwrap(),
        sign_in(&json!({ "profile": null })),
        sign_in(&json!({ "profile": Sandbox::ADA_ID, "expired": true })),
        Request::get("/demo/sign-in").body(Full::default()).unwrap(),
    ] {
        let what = format!("{} {}", request.method(), request.uri());
        assert_eq!(server.send(request).await.status(), 404, "{what}");
    }
    assert!(tenant.seen.lock().unwrap().is_empty(), "nothing was asked");
    let printed = server.terminate().stdout;
    assert!(!printed.contains("Demonstration page"), "{printed}");
}

#[tokio::test]
async fn the_greeting_says_where_the_page_is() {
    let server = Server::start(&[], &[]);
    let page = format!("Demonstration page: http://{}/\n", server.address);
    assert!(server.terminate().stdout.contains(&page));
}
