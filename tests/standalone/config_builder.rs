//! The settings of a tenant reach its service.

mod keys;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use omneo_id::client_info::ClientInfo;
use omneo_id::error::BoxError;
use omneo_id::sandbox::Sandbox;
use omneo_id::upstream::RequestBody;
use omneo_id::{Body, OmneoId, Revocations, SigningKey, Subject, TokenIssuer};
use tokio::time::Instant;
use tower::{ServiceExt, service_fn};

use crate::config::{TenantConfig, random_key};
use crate::config_settings::parse;
use crate::process::{MOUNT, SECRET};
use crate::secret_files::Temporary;

const OTHER_SECRET: &str = "b1946ac92492d2347c6235b4d2611184";
const API_TOKEN: &str = Sandbox::API_TOKEN;

fn tenant(flags: &[&str]) -> TenantConfig {
    let signing = ["--sandbox", "--signing-key", SECRET];
    parse(&[&signing, flags].concat(), &[])
        .unwrap()
        .tenants
        .remove(0)
}

fn service<C>(tenant: &TenantConfig, client: C) -> OmneoId<C> {
    let random = random_key().unwrap();
    let builder = tenant.builder(Revocations::new(), &random).unwrap();
    builder.build_with_client(client).unwrap()
}

/// A service in front of the sandbox.
fn sandbox(flags: &[&str]) -> OmneoId<Sandbox> {
    let tenant = tenant(flags);
    service(&tenant, tenant.sandbox().unwrap())
}

/// The requests that a tenant has received, by head.
type Seen = Arc<Mutex<Vec<http::request::Parts>>>;

/// Sends a request to a service whose tenant records it, and responds with these headers.
async fn recorded(
    flags: &[&str],
    request: Request<Body>,
    headers: HeaderMap,
) -> (Response<Body>, http::request::Parts) {
    let seen = Seen::default();
    let record = Arc::clone(&seen);
    let client = service_fn(move |request: Request<RequestBody>| {
        record.lock().unwrap().push(request.into_parts().0);
        let mut response = Response::new(Body::from(Bytes::from_static(b"{\"data\":{}}")));
        *response.headers_mut() = headers.clone();
        async { Ok::<_, BoxError>(response) }
    });
    let response = service(&tenant(flags), client)
        .oneshot(request)
        .await
        .unwrap();
    let request = seen.lock().unwrap().remove(0);
    (response, request)
}

/// A token of Ada, signed with this key.
fn token(key: SigningKey, edit: impl FnOnce(TokenIssuer) -> TokenIssuer) -> String {
    let issuer = edit(TokenIssuer::new(omneo_id::Keyring::new(key)));
    let ada = Subject::Profile(Sandbox::ADA_ID.parse().unwrap());
    issuer.issue(&ada).unwrap().into_token()
}

fn own_token() -> String {
    token(SigningKey::hs256(SECRET).unwrap(), |issuer| issuer)
}

/// `GET` below the mount, with a bearer token.
fn get(path: &str, token: &str) -> Request<Body> {
    Request::get(format!("{MOUNT}{path}"))
        .header("authorization", format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap()
}

fn post(path: &str, token: &str, body: &str) -> Request<Body> {
    Request::post(format!("{MOUNT}{path}"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Body::from(Bytes::from(body.to_owned())))
        .unwrap()
}

async fn status(id: &OmneoId<Sandbox>, request: Request<Body>) -> StatusCode {
    id.clone().oneshot(request).await.unwrap().status()
}

async fn json(response: Response<Body>) -> serde_json::Value {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

/// A minted token: its header and its claims.
async fn minted(id: &OmneoId<Sandbox>) -> (serde_json::Value, serde_json::Value) {
    let response = id.clone().oneshot(post("/auth/token", API_TOKEN, "{}"));
    let answer = json(response.await.unwrap()).await;
    let token = answer["data"]["token"].as_str().unwrap();
    let mut parts = token
        .split('.')
        .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap_or_default()));
    (
        parts.next().unwrap().unwrap(),
        parts.next().unwrap().unwrap(),
    )
}

#[tokio::test]
async fn a_policy_restricts_the_routes_of_profiles() {
    let rules = Temporary::new(
        "routes.rules",
        b"# Reads, and nothing of purges.\nallow GET /**\n\tdeny  *  /purge\n",
    );
    let id = sandbox(&["--policy", rules.path()]);
    let request = |method: &str, path: &str| {
        let mut request = get(path, &own_token());
        *request.method_mut() = method.parse().unwrap();
        request
    };
    for (method, path, expected) in [
        ("GET", "/profiles/me", 200),
        ("HEAD", "/profiles/me/lists/wishlist", 200),
        ("DELETE", "/profiles/me", 405),
        ("GET", "/profiles/me/purge", 403),
    ] {
        let response = status(&id, request(method, path)).await;
        assert_eq!(response, expected, "{method} {path}");
    }
    let rules = Temporary::new("deny.rules", b"deny DELETE /\n");
    let id = sandbox(&["--policy", rules.path()]);
    assert_eq!(status(&id, request("DELETE", "/profiles/me")).await, 405);
    assert_eq!(status(&id, request("GET", "/profiles/me")).await, 200);
    let id = sandbox(&["--policy", "open"]);
    assert_eq!(status(&id, request("DELETE", "/profiles/me")).await, 204);
}

#[tokio::test]
async fn a_preset_is_a_policy_or_the_base_of_one() {
    let extended = Temporary::new(
        "extended.rules",
        b"preset read-only\nallow PUT /\nfields PUT / first_name\n",
    );
    let put = |body: &'static str| {
        let mut request = get("/profiles/me", &own_token());
        *request.method_mut() = Method::PUT;
        let json = "application/json".parse().unwrap();
        request.headers_mut().insert("content-type", json);
        request.map(|_| Body::from(Bytes::from_static(body.as_bytes())))
    };
    let (name, tags) = (r#"{"first_name":"Ada"}"#, r#"{"tags":["vip"]}"#);
    for (policy, body, expected) in [
        ("storefront", name, 200),
        ("storefront", tags, 403),
        ("checkout", name, 403),
        ("read-only", name, 405),
        (extended.path(), name, 200),
        (extended.path(), tags, 403),
    ] {
        let id = sandbox(&["--policy", policy]);
        assert_eq!(status(&id, put(body)).await, expected, "{policy} {body}");
    }
    let unknown = Temporary::new("unknown.rules", b"preset shop\n");
    let problem = parse(&["--sandbox", "--policy", unknown.path()], &[]).err();
    let problem = problem.unwrap();
    assert!(
        problem.contains("storefront, checkout, read-only"),
        "{problem}"
    );
}

#[tokio::test]
async fn pinned_api_tokens_alone_may_mint() {
    let file = Temporary::new("pinned", b"mint-1\n\n  mint-2\n");
    let id = sandbox(&["--pinned-api-token-file", file.path()]);
    for (token, expected) in [("mint-1", 200), ("mint-2", 200), (API_TOKEN, 401)] {
        let response = status(&id, post("/auth/token", token, "{}")).await;
        assert_eq!(response, expected, "{token}");
    }
}

#[tokio::test]
async fn a_check_of_an_api_token_is_reused_for_the_time_of_the_setting() {
    for (flags, calls) in [(&[][..], 3), (&["--verify-cache", "60s"], 1)] {
        let count = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&count);
        let sandbox = Sandbox::new();
        let client = service_fn(move |request: Request<RequestBody>| {
            *counted.lock().unwrap() += 1;
            sandbox.clone().oneshot(request)
        });
        let id = service(&tenant(flags), client);
        for _ in 0..3 {
            let response = id.clone().oneshot(post("/auth/token", API_TOKEN, "{}"));
            assert_eq!(response.await.unwrap().status(), 200);
        }
        assert_eq!(*count.lock().unwrap(), calls);
    }
}

#[tokio::test(start_paused = true)]
async fn sign_ups_are_delayed_limited_and_concealed_as_configured() {
    let sign_up = |body: &str| post("/profiles", &own_token(), body);
    let id = sandbox(&["--uniform-latency", "7s"]);
    let start = Instant::now();
    let body = r#"{"email":"new@example.com"}"#;
    assert_eq!(status(&id, sign_up(body)).await, 200);
    assert_eq!(start.elapsed(), Duration::from_secs(7));

    let id = sandbox(&["--sign-up-body-limit", "27"]);
    assert_eq!(status(&id, sign_up(body)).await, 200);
    assert_eq!(
        status(&id, sign_up(r#"{"email":"new2@example.com"}"#)).await,
        413
    );

    for (flags, expected) in [(&[][..], 422), (&["--conceal-validation"], 200)] {
        let refuse = service_fn(|request: Request<RequestBody>| async move {
            let (status, body) = match *request.method() {
                Method::POST => (422, r#"{"message":"no","errors":{"email":["no"]}}"#),
                _ => (200, r#"{"data":[]}"#),
            };
            let response = Response::builder().status(status);
            let response = response.header("content-type", "application/json");
            Ok::<_, BoxError>(
                response
                    .body(Body::from(Bytes::from_static(body.as_bytes())))
                    .unwrap(),
            )
        });
        let id = service(&tenant(flags), refuse);
        let response = id.oneshot(sign_up(body)).await.unwrap();
        assert_eq!(response.status(), expected);
    }
}

#[tokio::test]
async fn a_further_consent_field_is_validated() {
    let body = r#"{"email":"new@example.com","attributes":{"comms":{"fax_promo":"maybe"}}}"#;
    for (flags, expected) in [(&[][..], 200), (&["--consent-field", "fax_promo"], 422)] {
        let response = status(&sandbox(flags), post("/profiles", &own_token(), body)).await;
        assert_eq!(response, expected, "{flags:?}");
    }
}

#[tokio::test]
async fn a_sign_up_of_a_customer_has_the_defaults_as_configured() {
    let defaults = ["--consent-defaults-on-update"];
    for (flags, expected) in [
        (&[][..], serde_json::json!({"sms_promo": true})),
        (
            &defaults,
            serde_json::json!({"sms_promo": true, "email_promo": true, "email_optout": false}),
        ),
    ] {
        let updates = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&updates);
        let sandbox = Sandbox::new();
        let client = service_fn(move |request: Request<RequestBody>| {
            let (recorded, sandbox) = (Arc::clone(&recorded), sandbox.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                if parts.method == "PUT" {
                    recorded.lock().unwrap().push(body.clone());
                }
                let request = Request::from_parts(parts, Body::from(body));
                sandbox.oneshot(request).await
            }
        });
        let body = format!(
            r#"{{"email":"{}","attributes":{{"comms":{{"sms_promo":true}}}}}}"#,
            Sandbox::ADA_EMAIL
        );
        let id = service(&tenant(flags), client);
        let response = id.oneshot(post("/profiles", &own_token(), &body));
        assert_eq!(response.await.unwrap().status(), 200);
        let updates = updates.lock().unwrap();
        let update: serde_json::Value = serde_json::from_slice(&updates[0]).unwrap();
        assert_eq!((updates.len(), update), (1, expected));
    }
}

#[tokio::test]
async fn the_headers_of_requests_and_responses_are_settings() {
    let request = || {
        let mut request = get("/profiles/me", &own_token());
        let client = ClientInfo::default().add_addr([203, 0, 113, 7].into());
        request.extensions_mut().insert(client);
        let headers = request.headers_mut();
        headers.insert("x-storefront", "a".parse().unwrap());
        headers.insert("x-theme", "b".parse().unwrap());
        request
    };
    let headers = || {
        let mut headers = HeaderMap::new();
        for name in ["set-cookie", "x-internal", "x-trace"] {
            headers.insert(name, "c=d".parse().unwrap());
        }
        headers
    };
    let (response, sent) = recorded(&[], request(), headers()).await;
    for name in ["x-storefront", "x-theme", "via", "forwarded"] {
        assert!(!sent.headers.contains_key(name), "{name}");
    }
    assert_eq!(sent.headers["x-forwarded-for"], "203.0.113.7");
    assert!(!response.headers().contains_key("set-cookie"));
    assert!(response.headers().contains_key("x-internal"));

    let flags = [
        "--forward-request-header",
        "x-storefront,x-theme",
        "--pass-response-header",
        "set-cookie",
        "--drop-response-header",
        "x-internal",
        "--drop-response-header",
        "x-trace",
        "--via",
        "--forwarding",
        "forwarded",
    ];
    let (response, sent) = recorded(&flags, request(), headers()).await;
    for name in ["x-storefront", "x-theme", "via", "forwarded"] {
        assert!(sent.headers.contains_key(name), "{name}");
    }
    assert!(!sent.headers.contains_key("x-forwarded-for"));
    assert!(response.headers().contains_key("set-cookie"));
    assert!(!response.headers().contains_key("x-internal"));
    assert!(!response.headers().contains_key("x-trace"));
    for (forwarding, x_forwarded, forwarded) in [
        ("x-forwarded", true, false),
        ("both", true, true),
        ("none", false, false),
    ] {
        let flags = ["--forwarding", forwarding];
        let (_, sent) = recorded(&flags, request(), headers()).await;
        let has = |name| sent.headers.contains_key(name);
        assert_eq!(has("x-forwarded-for"), x_forwarded, "{forwarding}");
        assert_eq!(has("forwarded"), forwarded, "{forwarding}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_timeouts_of_a_tenant_are_settings() {
    let silent = service_fn(|request: Request<RequestBody>| async move {
        request.into_body().collect().await?;
        std::future::pending::<Result<Response<Body>, BoxError>>().await
    });
    let id = service(&tenant(&["--head-timeout", "7s"]), silent);
    let start = Instant::now();
    let response = id.oneshot(get("/profiles/me", &own_token())).await.unwrap();
    assert_eq!(response.status(), 504);
    assert_eq!(start.elapsed(), Duration::from_secs(7));

    for flag in ["--body-idle-timeout", "--body-read-timeout"] {
        let id = service(&tenant(&[flag, "7s"]), silent);
        let never = Body::new(Never);
        let request = post("/auth/token", API_TOKEN, "").map(|_| never);
        let start = Instant::now();
        let response = id.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 408, "{flag}");
        assert_eq!(start.elapsed(), Duration::from_secs(7), "{flag}");
    }
}

/// A body that never arrives.
struct Never;

impl http_body::Body for Never {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        std::task::Poll::Pending
    }
}

#[test]
fn plain_http_is_accepted_as_configured() {
    let flags = ["--upstream", "http://api.acme.test", "--api-token", "t"];
    let problem = parse(&flags, &[]).err().unwrap();
    assert!(problem.starts_with("--upstream: "), "{problem}");
    let flags = [&flags[..], &["--insecure-upstream"]].concat();
    let tenant = parse(&flags, &[]).unwrap().tenants.remove(0);
    assert_eq!(tenant.location(), "http://api.acme.test/api/v3");
    service(&tenant, ());
}
