//! `/metrics`, and the JSON log.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use omneo_id::sandbox::{Fault, Sandbox};
use tokio::time::{sleep, timeout};

use crate::brands::Tenant;
use crate::process::{MOUNT, Server, get_as};
use crate::raw_client::PATIENCE;
use crate::scrape::{Scrape, parse};
use crate::tenant::SlowTenant;

pub(crate) const METRICS_FLAGS: [&str; 2] = ["--metrics-listen", "127.0.0.1:0"];

pub(crate) async fn scrape(server: &Server) -> Scrape {
    let address = server.metrics.expect("an address for metrics");
    let request = Request::get("/metrics").body(Full::default()).unwrap();
    let response = server.send_to(address, request).await;
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    parse(std::str::from_utf8(response.body()).unwrap()).unwrap()
}

fn sign_up(token: &str, email: &str) -> Request<Full<Bytes>> {
    Request::post(format!("{MOUNT}/profiles"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Full::from(format!(r#"{{"email":"{email}"}}"#)))
        .unwrap()
}

#[tokio::test]
async fn a_scrape_counts_requests_by_outcome() {
    let server = Server::start(&METRICS_FLAGS, &[("OMNEO_ID_TOKEN_CACHE", "77")]);
    let body = format!(r#"{{"id":"{}"}}"#, Sandbox::ADA_ID);
    let ada = server.mint(Sandbox::API_TOKEN, &body).await;
    let me = format!("{MOUNT}/profiles/me");
    for _ in 0..3 {
        assert_eq!(server.send(get_as(&ada, &me)).await.status(), 200);
    }
    server.send(get_as("no-token", &me)).await;
    server.send(get_as(&ada, "/ada.lovelace@example.com")).await;
    server.send(sign_up(&ada, Sandbox::ADA_EMAIL)).await;
    server.get("/healthz").await;

    let scrape = scrape(&server).await;
    let one = |name: &str, labels: &[(&str, &str)]| scrape.value(name, labels);
    let requests = "omneo_id_requests_total";
    for (route, status, number) in [
        ("token", "200", 1.0),
        ("me", "200", 3.0),
        ("me", "401", 1.0),
        ("profiles", "200", 1.0),
        ("none", "404", 1.0),
        ("other", "200", 1.0),
    ] {
        let labels = [("route", route), ("status", status)];
        assert_eq!(one(requests, &labels), Some(number), "{route} {status}");
    }
    assert_eq!(scrape.series(requests).count(), 6, "and no others");
    for (name, labels, number) in [
        (
            "omneo_id_refusals_total",
            &[("kind", "invalid_token"), ("cause", "malformed")][..],
            1.0,
        ),
        (
            "omneo_id_refusals_total",
            &[("kind", "not_found"), ("cause", "none")],
            1.0,
        ),
        ("omneo_id_tenant_requests_total", &[("outcome", "2xx")], 5.0),
        ("omneo_id_tenant_calls_total", &[], 5.0),
        ("omneo_id_tenant_duration_seconds_count", &[], 5.0),
        (
            "omneo_id_request_duration_seconds_count",
            &[("route", "me")],
            4.0,
        ),
        ("omneo_id_token_cache_hits_total", &[], 3.0),
        ("omneo_id_token_cache_misses_total", &[], 1.0),
        ("omneo_id_token_cache_entries", &[], 1.0),
        ("omneo_id_token_cache_capacity", &[], 77.0),
        ("omneo_id_requests_in_flight", &[], 0.0),
        ("omneo_id_tenant_calls_in_flight", &[], 0.0),
    ] {
        assert_eq!(one(name, labels), Some(number), "{name} {labels:?}");
    }
    // The values of labels are fixed sets.
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in scrape.labels() {
        values.entry(name).or_default().insert(value);
    }
    assert_eq!(
        Vec::from_iter(values.keys().copied()),
        ["cause", "kind", "le", "outcome", "route", "status"]
    );
    let routes = [
        "jwks",
        "location",
        "locations",
        "me",
        "me_resource",
        "none",
        "other",
        "profiles",
        "refresh",
        "revoke",
        "token",
        "webhook",
    ];
    assert!(values["route"].iter().eq(&routes));
    let word = |value: &&str| {
        value
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    assert!(values["kind"].iter().all(word));
    assert!(values["status"].iter().all(|status| status.len() == 3));
    let ended = server.terminate();
    assert!(
        ended.stderr.contains("/id/api/v1/profiles/me"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn connections_and_calls_in_flight_are_counted() {
    let tenant = SlowTenant::start().await;
    let server = tenant.server(&[&["--threads", "2"][..], &METRICS_FLAGS].concat());
    let token = server.mint("t", "{}").await;
    let request = server.send(get_as(&token, &format!("{MOUNT}/locations")));
    let meanwhile = async {
        tenant.requested.notified().await;
        let scrape = scrape(&server).await;
        for (name, labels, number) in [
            ("omneo_id_connections", &[][..], 1.0),
            ("omneo_id_requests_in_flight", &[], 1.0),
            ("omneo_id_tenant_calls_in_flight", &[], 1.0),
            ("omneo_id_tenant_connections", &[("state", "in_use")], 1.0),
        ] {
            assert!(scrape.value(name, labels) >= Some(number), "{name}");
        }
        tenant.respond.notify_one();
    };
    let (response, ()) = tokio::join!(request, meanwhile);
    assert_eq!(response.status(), 200);
    let after = scrape(&server).await;
    assert_eq!(after.value("omneo_id_requests_in_flight", &[]), Some(0.0));
    let opened = after.value("omneo_id_tenant_connections_opened_total", &[]);
    assert!(opened >= Some(1.0));
    let open: f64 = after.series("omneo_id_tenant_connections").sum();
    assert_eq!(
        Some(open),
        opened,
        "all connections stay open, over all threads"
    );
}

#[tokio::test]
async fn metrics_have_an_address_of_their_own_and_are_off_by_default() {
    let server = Server::start(&[], &[]);
    assert!(server.metrics.is_none());
    assert_eq!(server.get("/metrics").await.status(), 404);
    drop(server);

    let server = Server::start(&[], &[("OMNEO_ID_METRICS_LISTEN", "127.0.0.1:0")]);
    assert_eq!(
        server.get("/metrics").await.status(),
        404,
        "not on the public address"
    );
    let address = server.metrics.unwrap();
    let send = |method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path);
        server.send_to(address, request.body(Full::default()).unwrap())
    };
    assert_eq!(send("GET", "/").await.status(), 404);
    assert_eq!(send("GET", "/id/api/v1/profiles/me").await.status(), 404);
    assert_eq!(send("POST", "/metrics").await.status(), 405);
    assert_eq!(send("HEAD", "/metrics").await.status(), 200);
    assert_eq!(send("GET", "/metrics?x=1").await.status(), 200);
    assert_eq!(server.terminate().code, Some(0));
}

#[tokio::test]
async fn log_lines_are_json_with_the_flag() {
    let server = Server::start(&["--log-format", "json"], &[]);
    let token = server.mint(Sandbox::API_TOKEN, "{}").await;
    let path = format!("{MOUNT}/profiles/me?email=ada.lovelace@example.com");
    let mut request = get_as(&token, &path);
    let id = "from-the-page".parse().unwrap();
    request.headers_mut().insert("x-request-id", id);
    assert_eq!(server.send(request).await.status(), 404);
    let ended = server.terminate();
    let lines = ended.stderr.lines().map(serde_json::from_str);
    let lines: Vec<serde_json::Value> = lines.collect::<Result<_, _>>().unwrap();
    let line = lines
        .iter()
        .find(|line| line["request.id"] == "from-the-page");
    let line = line.expect("a line for the request");
    for (name, value) in [
        ("message", "answered".into()),
        ("level", "INFO".into()),
        ("http.request.method", "GET".into()),
        ("url.path", format!("{MOUNT}/profiles/me").into()),
        ("http.route", "/profiles/me".into()),
        ("http.response.status_code", 404.into()),
        ("error.type", "no_profile".into()),
        ("token", "verified".into()),
        ("tenant.calls", serde_json::Value::Null),
    ] {
        assert_eq!(line[name], value, "{name}");
    }
    assert!(line["duration_ms"].is_f64());
}

#[tokio::test]
async fn unusual_statuses_are_counted_by_class() {
    let tenant = Tenant::start("the-api-token").await;
    let flags = ["--upstream", &tenant.origin, "--api-token", "the-api-token"];
    let server = Server::start(&[&flags[..], &METRICS_FLAGS].concat(), &[]);
    let token = server.mint("the-api-token", "{}").await;
    let counted = [
        (203, "2xx"),
        (299, "2xx"),
        (402, "4xx"),
        (409, "409"),
        (418, "4xx"),
        (451, "451"),
    ];
    for (status, _) in counted {
        let status = http::StatusCode::from_u16(status).unwrap();
        tenant.sandbox.inject(Fault::status(status));
        let response = server.send(get_as(&token, &format!("{MOUNT}/locations")));
        assert_eq!(response.await.status(), status);
    }
    let scrape = scrape(&server).await;
    for (_, label) in counted {
        let number = counted.iter().filter(|(_, other)| *other == label).count();
        let labels = [("route", "locations"), ("status", label)];
        let value = scrape.value("omneo_id_requests_total", &labels);
        assert_eq!(value, Some(number as f64), "{label}");
    }
}

#[tokio::test]
async fn a_full_limit_of_calls_does_not_change_the_readiness_of_the_tenant() {
    let tenant = SlowTenant::start().await;
    let server = tenant.server(&[&["--max-in-flight", "1"][..], &METRICS_FLAGS].concat());
    let token = server.mint("t", "{}").await;
    assert_eq!(server.get("/readyz").await.status(), 200);
    let request = server.send(get_as(&token, &format!("{MOUNT}/locations")));
    let meanwhile = async {
        tenant.requested.notified().await;
        let not_ready = timeout(PATIENCE, async {
            while server.get("/readyz").await.status() == 200 {
                sleep(Duration::from_millis(20)).await;
            }
        });
        not_ready.await.expect("no further probe");
        let ready = scrape(&server).await.value("omneo_id_tenant_ready", &[]);
        let reason = server.logged("too many calls of the tenant are in flight");
        tenant.respond.notify_one();
        assert_eq!((ready, reason), (Some(1.0), 1));
    };
    let (response, ()) = tokio::join!(request, meanwhile);
    assert_eq!(response.status(), 200);
}
