//! Ended and refreshed sessions, public keys, and the store of ended sessions.

use std::net::TcpListener;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use omneo_id::sandbox::Sandbox;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::metrics::{METRICS_FLAGS, scrape};
use crate::process::{MOUNT, SECRET, Server, get_as};
use crate::secret_files::{ED25519, Temporary};
use crate::tenant::SlowTenant;

const API_TOKEN: &str = Sandbox::API_TOKEN;
const REFUSALS: &str = "omneo_id_refusals_total";
const REVOKED: [(&str, &str); 2] = [("kind", "invalid_token"), ("cause", "revoked")];

fn request(method: Method, path: &str, token: &str) -> Request<Full<Bytes>> {
    let mut request = get_as(token, &format!("{MOUNT}{path}"));
    *request.method_mut() = method;
    request
}

fn revocation(api_token: &str, body: &Value) -> Request<Full<Bytes>> {
    let mut request = request(Method::POST, "/auth/revoke", api_token);
    *request.body_mut() = Full::from(body.to_string());
    let json = "application/json".parse().unwrap();
    request.headers_mut().insert("content-type", json);
    request
}

fn body(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

/// The id of a token.
fn token_id(token: &str) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let payload = token.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    claims["jti"].as_str().unwrap().to_owned()
}

impl Server {
    async fn sign_in(&self, profile: &str) -> String {
        self.mint(API_TOKEN, &json!({ "id": profile }).to_string())
            .await
    }

    async fn status(&self, request: Request<Full<Bytes>>) -> u16 {
        self.send(request).await.status().as_u16()
    }

    /// The status of `GET /profiles/me`.
    async fn me(&self, token: &str) -> u16 {
        self.status(request(Method::GET, "/profiles/me", token))
            .await
    }

    async fn sign_out(&self, token: &str) -> u16 {
        self.status(request(Method::DELETE, "/auth/token", token))
            .await
    }
}

#[tokio::test]
async fn all_threads_reject_a_token_that_has_signed_out() {
    const THREADS: usize = 4;
    let threads = ["--threads", "4"];
    let server = std::sync::Arc::new(Server::start(&[&METRICS_FLAGS[..], &threads].concat(), &[]));
    let (ended, other) = (
        server.sign_in(Sandbox::ADA_ID).await,
        server.sign_in(Sandbox::ADA_ID).await,
    );
    // Concurrent connections are spread over the threads, so each one caches the tokens.
    let use_everywhere = async |token: &str, expected: u16| {
        let mut connections = JoinSet::new();
        for _ in 0..4 * THREADS {
            let (server, token) = (std::sync::Arc::clone(&server), token.to_owned());
            connections.spawn(async move { server.me(&token).await });
        }
        for status in connections.join_all().await {
            assert_eq!(status, expected);
        }
    };
    use_everywhere(&ended, 200).await;
    assert_eq!(server.sign_out(&ended).await, 204);
    use_everywhere(&ended, 401).await;
    assert_eq!(server.sign_out(&ended).await, 401, "a repetition");
    use_everywhere(&other, 200).await;

    let scrape = scrape(&server).await;
    for (name, labels, number) in [
        (REFUSALS, &REVOKED[..], 4.0 * THREADS as f64 + 1.0),
        ("omneo_id_revocations_entries", &[], 2.0),
        ("omneo_id_revocations_capacity", &[], 1e6),
        ("omneo_id_revocations_rejected_total", &[], 0.0),
        (
            "omneo_id_requests_total",
            &[("route", "token"), ("status", "204")],
            1.0,
        ),
    ] {
        assert_eq!(scrape.value(name, labels), Some(number), "{name}");
    }
    // The memory store has no state.
    assert_eq!(scrape.series("omneo_id_revocations_store_up").count(), 0);
}

#[tokio::test]
async fn the_api_token_ends_sessions_and_logins_work_at_once() {
    let server = Server::start(&["--log-format", "json", "--log", "debug"], &[]);
    let identity = json!({
        "id": Sandbox::ADA_IDENTITY,
        "id_handle": Sandbox::ADA_IDENTITY_HANDLE,
    });
    let mut ids = Vec::new();
    let grace = server.sign_in(Sandbox::GRACE_ID).await;
    for body in [
        json!({ "id": Sandbox::ADA_ID }),
        identity,
        json!({ "jti": null }),
    ] {
        let token = server.sign_in(Sandbox::ADA_ID).await;
        let id = token_id(&token);
        let body = match body.get("jti") {
            Some(_) => json!({ "jti": id }),
            None => body,
        };
        assert_eq!(server.me(&token).await, 200);
        assert_eq!(server.status(revocation("another", &body)).await, 401);
        assert_eq!(server.status(revocation(&token, &body)).await, 401);
        assert_eq!(server.me(&token).await, 200);
        assert_eq!(server.status(revocation(API_TOKEN, &body)).await, 204);
        assert_eq!(server.me(&token).await, 401, "{body}");
        ids.push(id);
    }
    for body in [
        json!({}),
        json!({ "all": false }),
        json!({ "profile": "ada" }),
    ] {
        assert_eq!(server.status(revocation(API_TOKEN, &body)).await, 422);
    }
    assert_eq!(server.me(&grace).await, 200);
    let all = json!({ "all": true });
    assert_eq!(server.status(revocation(API_TOKEN, &all)).await, 204);
    assert_eq!(server.me(&grace).await, 401);
    let grace = server.sign_in(Sandbox::GRACE_ID).await;
    assert_eq!(server.me(&grace).await, 200);
    assert_eq!(server.sign_out(&grace).await, 204);
    ids.push(token_id(&grace));

    let log = server.terminate().stderr;
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let ended = lines
        .iter()
        .filter(|line| line["message"] == "sessions were ended");
    let ended: Vec<_> = ended.collect();
    let scopes: Vec<_> = ended.iter().map(|line| &line["ended"]).collect();
    assert_eq!(scopes, ["profile", "profile", "token", "all", "token"]);
    for line in ended {
        assert_eq!(line["level"], "INFO");
        // The request line with this id has the route.
        let id = &line["span"]["request.id"];
        let answered = |line: &&Value| line["message"] == "answered" && line["request.id"] == *id;
        let answered = lines.iter().find(answered).expect("a line of the request");
        assert_eq!(answered["http.response.status_code"], 204);
        let route = answered["http.route"].as_str().unwrap();
        assert!(["/auth/token", "/auth/revoke"].contains(&route), "{route}");
    }
    for private in ids.iter().map(String::as_str).chain([Sandbox::ADA_ID]) {
        assert!(!log.contains(private), "{private}");
    }
}

#[tokio::test]
async fn sessions_of_the_sandbox_are_refreshed_and_those_of_a_tenant_are_not() {
    let refresh = |token: &str| request(Method::POST, "/auth/refresh", token);
    let server = Server::start(&METRICS_FLAGS, &[]);
    let first = server.sign_in(Sandbox::ADA_ID).await;
    let response = server.send(refresh(&first)).await;
    assert_eq!(response.status(), 200);
    let second = body(&response)["data"]["token"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_ne!(first, second);
    for token in [&first, &second] {
        assert_eq!(server.me(token).await, 200);
    }
    let anonymous = server.mint(API_TOKEN, "{}").await;
    assert_eq!(server.status(refresh(&anonymous)).await, 401);
    let labels = [("route", "refresh"), ("status", "200")];
    let refreshed = scrape(&server)
        .await
        .value("omneo_id_requests_total", &labels);
    assert_eq!(refreshed, Some(1.0));

    let server = Server::start(&[], &[("OMNEO_ID_REFRESH_ROTATE", "true")]);
    let first = server.sign_in(Sandbox::ADA_ID).await;
    assert_eq!(server.status(refresh(&first)).await, 200);
    assert_eq!(server.me(&first).await, 401, "the previous token has ended");

    let tenant = SlowTenant::start().await;
    let origin = tenant.origin();
    let upstream = ["--upstream", &origin, "--api-token", "t"];
    for (flags, expected) in [
        (&["--refresh", "off"][..], 404),
        (&["--refresh", "3h"], 401),
        (&upstream, 404),
        (&[&upstream[..], &["--refresh", "3h"]].concat(), 401),
    ] {
        let server = Server::start(flags, &[]);
        let status = server.status(refresh("no-token")).await;
        assert_eq!(status, expected, "{flags:?}");
    }
}

#[tokio::test]
async fn public_keys_are_served_if_there_are_any() {
    let server = Server::start(&[], &[]);
    let keys = format!("{MOUNT}/auth/jwks");
    assert_eq!(server.get(&keys).await.status(), 404);
    let shown = "so there are no public keys: 404";
    assert!(server.terminate().stdout.contains(shown));

    let file = Temporary::new("jwks-key", ED25519.as_bytes());
    let server = Server::start(&["--sandbox", "--signing-key-file", file.path()], &[]);
    let response = server.get(&keys).await;
    assert_eq!(response.status(), 200);
    assert_eq!(body(&response)["keys"][0]["crv"], "Ed25519");
    assert!(body(&response)["keys"][0].get("d").is_none());
    let tag = &response.headers()["etag"];
    let again = Request::get(&keys).header("if-none-match", tag);
    let again = server.send(again.body(Full::default()).unwrap()).await;
    assert_eq!(again.status(), 304);
    assert!(
        server
            .terminate()
            .stdout
            .contains("Read the public keys of the tokens: 200")
    );
}

#[tokio::test]
async fn pages_of_other_origins_may_sign_out() {
    let page = "https://shop.example";
    let server = Server::start(&["--cors-origin", page], &[]);
    let preflight = Request::options(format!("{MOUNT}/auth/token"))
        .header("origin", page)
        .header("access-control-request-method", "DELETE")
        .header("access-control-request-headers", "authorization");
    let response = server.send(preflight.body(Full::default()).unwrap()).await;
    assert!(response.status().is_success());
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("access-control-allow-origin"), page);
    assert!(header("access-control-allow-methods").contains("DELETE"));
    assert!(header("access-control-allow-headers").contains("authorization"));

    let token = server.sign_in(Sandbox::ADA_ID).await;
    let mut sign_out = request(Method::DELETE, "/auth/token", &token);
    sign_out
        .headers_mut()
        .insert("origin", page.parse().unwrap());
    let response = server.send(sign_out).await;
    assert_eq!(response.status(), 204);
    assert_eq!(response.headers()["access-control-allow-origin"], page);
}

fn webhook(event: &str, body: &Value) -> Request<Full<Bytes>> {
    let mut request = Sandbox::webhook(event, body.to_string()).unwrap();
    *request.uri_mut() = format!("{MOUNT}{}", request.uri()).parse().unwrap();
    request
}

#[tokio::test]
async fn a_webhook_with_one_of_the_secrets_ends_the_sessions_of_a_deleted_profile() {
    let deleted = json!({ "id": Sandbox::ADA_ID });
    let server = Server::start(&[], &[]);
    let off = server.status(webhook("profile.deleted", &deleted)).await;
    assert_eq!(off, 404);

    let next = "the next secret of the tenant's webhook";
    let secrets = format!("{next}\n\n  {}\n", Sandbox::WEBHOOK_SECRET);
    let file = Temporary::new("webhook-secrets", secrets.as_bytes());
    let flags = ["--sandbox", "--log", "debug", "--webhook-secret-file"];
    let flags = [&flags[..], &[file.path()], &METRICS_FLAGS].concat();
    let server = Server::start(&flags, &[]);
    let (ada, grace) = (
        server.sign_in(Sandbox::ADA_ID).await,
        server.sign_in(Sandbox::GRACE_ID).await,
    );
    let mut forged = webhook("profile.deleted", &deleted);
    *forged.body_mut() = Full::from(json!({ "id": Sandbox::GRACE_ID }).to_string());
    assert_eq!(server.status(forged).await, 401);
    let other = webhook("profile.updated", &deleted);
    assert_eq!(server.status(other).await, 204);
    assert_eq!(server.me(&ada).await, 200);
    let deleted = webhook("profile.deleted", &deleted);
    assert_eq!(server.status(deleted).await, 204);
    assert_eq!(server.me(&ada).await, 401);
    assert_eq!(server.me(&grace).await, 200);

    let scrape = scrape(&server).await;
    for (status, number) in [("204", 2.0), ("401", 1.0)] {
        let labels = [("route", "webhook"), ("status", status)];
        let value = scrape.value("omneo_id_requests_total", &labels);
        assert_eq!(value, Some(number), "{status}");
    }
    let log = server.terminate().stderr;
    assert_eq!(log.matches("sessions were ended").count(), 1, "{log}");
    assert!(log.contains("webhook=\"on\""), "{log}");
    for private in [Sandbox::WEBHOOK_SECRET, next, Sandbox::ADA_ID] {
        assert!(!log.contains(private), "{private}");
    }
}

/// The fields of the start event.
fn start_event(flags: &[&str], variables: &[(&str, &str)]) -> Value {
    let flags = [&["--log-format", "json"], flags].concat();
    let ended = Server::start(&flags, variables).terminate();
    let lines = ended.stderr.lines().map(serde_json::from_str);
    let lines: Vec<Value> = lines.collect::<Result<_, _>>().unwrap();
    let is_start = |line: &&Value| line["target"] == "standalone::tenants::sessions";
    let mut events = lines.iter().filter(is_start);
    let event = events.next().expect("a start event").clone();
    assert!(events.next().is_none());
    event
}

#[test]
fn the_settings_are_logged_at_the_start_without_the_password_of_the_store() {
    let memory = start_event(&[], &[]);
    for (name, value) in [
        ("message", json!("sessions are ended in this process only")),
        ("level", json!("INFO")),
        ("store", json!("memory")),
        ("on_outage", json!("serve")),
        ("refresh", json!("12h")),
        ("rotate", json!(false)),
        ("webhook", json!("off")),
    ] {
        assert_eq!(memory[name], value, "{name}");
    }
    let url = ("OMNEO_ID_REVOCATIONS", "redis://:hunter2@127.0.0.1:1");
    let flags = ["--revocations-on-outage", "refuse:90s", "--refresh", "off"];
    let redis = start_event(&flags, &[url]);
    for (name, value) in [
        (
            "message",
            json!("sessions are ended in all processes with the same store"),
        ),
        ("store", json!("redis")),
        ("on_outage", json!("refuse:1m 30s")),
        ("refresh", json!("off")),
    ] {
        assert_eq!(redis[name], value, "{name}");
    }
}

#[tokio::test]
async fn a_server_is_not_ready_before_it_has_read_its_store() {
    // It accepts connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://:hunter2@{}", silent.local_addr().unwrap());
    let file = Temporary::new("redis-url", format!("{url}\n").as_bytes());
    let key = ["--sandbox", "--signing-key", SECRET];
    let log = ["--log", "debug"];
    let elsewhere = Server::start(&key, &[]);
    let token = elsewhere.sign_in(Sandbox::ADA_ID).await;
    for (on_outage, expected) in [("serve", 200), ("refuse:1m", 503)] {
        let flags = [
            "--revocations-file",
            file.path(),
            "--revocations-on-outage",
            on_outage,
        ];
        let flags = [&key[..], &log, &METRICS_FLAGS, &flags].concat();
        let server = Server::start(&flags, &[]);
        let ready = server.get("/readyz").await;
        assert_eq!(ready.status(), 503, "{on_outage}");
        let reason = "the ended sessions have not been read from their store";
        assert_eq!(body(&ready)["reason"], reason);
        assert_eq!(server.get("/healthz").await.status(), 200);

        let me = server
            .send(request(Method::GET, "/profiles/me", &token))
            .await;
        assert_eq!(me.status(), expected, "{on_outage}");
        assert_eq!(me.headers().contains_key("retry-after"), expected == 503);
        if expected == 200 {
            // The store does not confirm it, but it is ended in this process.
            assert_eq!(server.sign_out(&token).await, 503);
            assert_eq!(server.me(&token).await, 401);
        }
        let scrape = scrape(&server).await;
        let value = |name: &str| scrape.value(name, &[]);
        assert_eq!(value("omneo_id_revocations_store_up"), Some(0.0));
        let unwritten = f64::from(expected == 200);
        assert_eq!(value("omneo_id_revocations_unwritten"), Some(unwritten));
        assert_eq!(value("omneo_id_revocations_store_age_seconds"), None);

        let ended = server.terminate();
        assert_eq!(ended.code, Some(0));
        for text in [&ended.stderr, &ended.stdout] {
            assert!(!text.contains("hunter2"), "{text}");
        }
        assert!(ended.stderr.contains(reason), "{}", ended.stderr);
    }
}
