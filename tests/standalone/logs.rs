//! The log line of each request, and the metrics of the same request.

use std::collections::{BTreeMap, HashSet};

use http::Request;
use http_body_util::Full;
use omneo_id::auth::AuthFailure;
use omneo_id::sandbox::{Sandbox, TestTokens};
use omneo_id::{Keyring, SigningKey};
use serde_json::{Value, json};

use crate::metrics::{METRICS_FLAGS, scrape};
use crate::process::{MOUNT, SECRET, Server, get_as, run};

fn start(flags: &[&str]) -> Server {
    let common = ["--log-format", "json", "--signing-key", SECRET];
    // A signing key needs a tenant: the sandbox, unless the flags name another one.
    let tenant: &[&str] = match flags.contains(&"--upstream") {
        true => &[],
        false => &["--sandbox"],
    };
    Server::start(&[&common[..], &METRICS_FLAGS, tenant, flags].concat(), &[])
}

/// The request lines of a log, by request id.
fn answered(log: &str) -> BTreeMap<String, Value> {
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
    lines
        .filter(|line: &Value| line["message"] == "answered")
        .map(|line| (line["request.id"].as_str().unwrap().to_owned(), line))
        .collect()
}

fn tokens() -> TestTokens {
    TestTokens::new(&Keyring::new(SigningKey::hs256(SECRET).unwrap())).unwrap()
}

#[tokio::test]
async fn the_cause_of_a_401_is_in_the_log_at_info_and_in_metrics() {
    let server = start(&[]);
    let tokens = tokens();
    let pid = Sandbox::ADA_ID;
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let bearer = |token: String| vec![format!("Bearer {token}")];
    let me = "/profiles/me";
    let cases = [
        (me, vec![], "missing_credentials", "missing"),
        (
            me,
            vec!["Bearer a.b.c".to_owned(); 2],
            "ambiguous_credentials",
            "ambiguous",
        ),
        (me, vec!["Basic YTpi".to_owned()], "invalid_token", "scheme"),
        (
            me,
            vec!["Bearer ".to_owned()],
            "invalid_token",
            "malformed_credential",
        ),
        (me, bearer("ada".to_owned()), "invalid_token", "malformed"),
        (me, bearer("a".repeat(10_000)), "invalid_token", "too_long"),
        (me, bearer(tokens.expired(pid)), "invalid_token", "expired"),
        (
            me,
            bearer(tokens.not_yet_valid(pid)),
            "invalid_token",
            "not_yet_valid",
        ),
        (
            me,
            bearer(tokens.foreign(pid)),
            "invalid_token",
            "signature",
        ),
        (
            me,
            bearer(tokens.unsigned(pid)),
            "invalid_token",
            "algorithm",
        ),
        (
            me,
            bearer(tokens.signed(&json!({"pid": pid, "iat": now}))),
            "invalid_token",
            "no_expiry",
        ),
        (
            me,
            bearer(tokens.signed(&json!({"pid": pid, "iat": now, "exp": "soon"}))),
            "invalid_token",
            "invalid_claims",
        ),
        (
            me,
            bearer(tokens.signed(&json!({"pid": pid, "iat": now, "exp": now + 60, "aud": "b"}))),
            "invalid_token",
            "audience",
        ),
        (
            "/auth/token",
            bearer(tokens.valid(pid)),
            "invalid_token",
            "refused",
        ),
        (
            "/auth/token",
            bearer("another-api-token".to_owned()),
            "invalid_token",
            "refused",
        ),
    ];
    for (number, (path, credentials, ..)) in cases.iter().enumerate() {
        let method = if *path == me { "GET" } else { "POST" };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{MOUNT}{path}"))
            .header("x-request-id", number.to_string());
        for credential in credentials {
            request = request.header("authorization", credential);
        }
        server.send(request.body(Full::default()).unwrap()).await;
    }
    let scrape = scrape(&server).await;
    let log = server.terminate().stderr;
    let lines = answered(&log);
    let mut counts: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    for (number, (path, credentials, kind, cause)) in cases.iter().enumerate() {
        let line = &lines[&number.to_string()];
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["error.type"], **kind, "{line}");
        assert_eq!(line["cause"], **cause, "{path} {line}");
        *counts.entry((kind, cause)).or_default() += 1.0;
        for credential in credentials
            .iter()
            .filter(|credential| credential.len() > 15)
        {
            assert!(!log.contains(&credential[7..]), "{credential}");
        }
    }
    for ((kind, cause), count) in counts {
        let labels = [("kind", kind), ("cause", cause)];
        let value = scrape.value("omneo_id_refusals_total", &labels);
        assert_eq!(value, Some(count), "{kind} {cause}");
    }
    // The set of causes is closed.
    let causes: HashSet<&str> = AuthFailure::all().map(AuthFailure::code).collect();
    let labels = scrape.labels().filter(|(name, _)| *name == "cause");
    let labels: HashSet<&str> = labels.map(|(_, cause)| cause).collect();
    assert_eq!(labels, &causes | &HashSet::from(["none"]));
}

#[tokio::test]
async fn the_template_of_the_route_is_logged() {
    let server = start(&["--log", "info,omneo_id=debug"]);
    let token = tokens().valid(Sandbox::ADA_ID);
    let cases = [
        ("/profiles/me", "/profiles/me", "me"),
        ("//profiles//me/", "/profiles/me", "me"),
        (
            "/profiles/me/transactions",
            "/profiles/me/{*rest}",
            "me_resource",
        ),
        (
            "/profiles/me/lists/wishlist",
            "/profiles/me/{*rest}",
            "me_resource",
        ),
        ("/profiles", "/profiles", "profiles"),
        ("/locations", "/locations", "locations"),
        ("/locations/7", "/locations/{id}", "location"),
        ("/auth/token", "/auth/token", "token"),
        ("/auth/revoke", "/auth/revoke", "revoke"),
        ("/auth/refresh", "/auth/refresh", "refresh"),
    ];
    for (number, (path, ..)) in cases.iter().enumerate() {
        let mut request = get_as(&token, &format!("{MOUNT}{path}"));
        let id = number.to_string().parse().unwrap();
        request.headers_mut().insert("x-request-id", id);
        server.send(request).await;
    }
    let scrape = scrape(&server).await;
    let log = server.terminate().stderr;
    let lines = answered(&log);
    let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
    for (number, (path, template, route)) in cases.iter().enumerate() {
        let line = &lines[&number.to_string()];
        assert_eq!(line["http.route"], **template, "{path}");
        *counts.entry(route).or_default() += 1.0;
    }
    for (route, count) in counts {
        let name = "omneo_id_request_duration_seconds_count";
        assert_eq!(
            scrape.value(name, &[("route", route)]),
            Some(count),
            "{route}"
        );
    }
}

#[tokio::test]
async fn durations_have_three_decimals() {
    let server = start(&["--log", "info,omneo_id=debug"]);
    let token = tokens().valid(Sandbox::ADA_ID);
    for _ in 0..20 {
        let request = get_as(&token, &format!("{MOUNT}/profiles/me"));
        assert_eq!(server.send(request).await.status(), 200);
    }
    let log = server.terminate().stderr;
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines.collect();
    let mut numbers = Vec::new();
    for (name, message) in [
        ("duration_ms", "answered"),
        ("tenant.latency_ms", "answered"),
        ("tenant.latency_ms", "tenant response received"),
    ] {
        let lines = lines.iter().filter(|line| line["message"] == message);
        let found = lines.filter_map(|line| line[name].as_f64());
        let found: Vec<f64> = found.collect();
        assert_eq!(found.len(), 20, "{name} of {message}");
        numbers.extend(found);
    }
    let is_whole = |number: f64| (number - number.round()).abs() < 1e-6;
    assert!(
        numbers
            .iter()
            .all(|&number| number > 0.0 && is_whole(number * 1e3))
    );
    assert!(
        !numbers.iter().all(|&number| is_whole(number)),
        "{numbers:?}"
    );
}

#[tokio::test]
async fn request_ids_are_unrelated() {
    const COUNT: usize = 200;
    let mut all = HashSet::new();
    for _ in 0..2 {
        let server = Server::start(&["--log", "error"], &[]);
        let mut ids = Vec::new();
        for _ in 0..COUNT {
            let response = server.get("/healthz").await;
            ids.push(
                response.headers()["x-request-id"]
                    .to_str()
                    .unwrap()
                    .to_owned(),
            );
        }
        for place in 0..32 {
            let digits: HashSet<u8> = ids.iter().map(|id| id.as_bytes()[place]).collect();
            assert!(digits.len() > 8, "{place}: {digits:?}");
        }
        assert!(!ids.is_sorted());
        all.extend(ids);
    }
    assert_eq!(all.len(), 2 * COUNT);
}

#[tokio::test]
async fn probes_that_succeed_are_logged_at_debug() {
    let logged_requests = async |log: &str, flags: &[&str]| {
        let server = start(&[&["--log", log], flags].concat());
        for path in ["/healthz", "/readyz", "/none"] {
            server.get(path).await;
        }
        scrape(&server).await;
        let log = server.terminate().stderr;
        let lines = answered(&log).into_values();
        let lines = lines.map(|line| {
            let (path, level) = (&line["url.path"], &line["level"]);
            format!("{} {}", level.as_str().unwrap(), path.as_str().unwrap())
        });
        let mut lines: Vec<String> = lines.collect();
        lines.sort();
        lines
    };
    assert_eq!(logged_requests("info", &[]).await, ["INFO /none"]);
    let all = ["DEBUG /healthz", "DEBUG /readyz", "INFO /none"];
    assert_eq!(logged_requests("standalone=debug", &[]).await, all);
    // The tenant does not listen.
    let flags = ["--upstream", "http://127.0.0.1:1", "--api-token", "t"];
    assert_eq!(
        logged_requests("info", &flags).await,
        ["INFO /none", "INFO /readyz"]
    );
}

#[test]
fn an_error_at_the_start_is_json_in_a_json_log() {
    let invalid = ["--token-ttl", "soon"];
    let as_flag = run(&[&invalid[..], &["--log-format", "json"]].concat(), &[]);
    let as_variable = run(&invalid, &[("OMNEO_ID_LOG_FORMAT", "json")]);
    for output in [as_flag, as_variable] {
        assert_eq!(output.status.code(), Some(2));
        let line: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(line["level"], "ERROR");
        let message = line["message"].as_str().unwrap();
        assert!(message.starts_with("--token-ttl"), "{message}");
    }
    let as_text = run(&invalid, &[]);
    assert!(as_text.stderr.starts_with(b"error: --token-ttl"));
}
