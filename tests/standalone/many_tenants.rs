//! Several tenants in one process: their requests, probes, metrics, cross-origin policies and
//! limits are apart.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use omneo_id::sandbox::{Fault, Sandbox};

use crate::brands::{ACME, BRAND, ConfigFile, SETTINGS, Tenant, mint, send, status_of};
use crate::metrics::{METRICS_FLAGS, scrape};
use crate::process::{MOUNT, get_as};

/// A preflight of a page of this origin.
fn preflight(origin: &str) -> Request<Full<Bytes>> {
    Request::options(format!("{MOUNT}/profiles/me"))
        .header("origin", origin)
        .header("access-control-request-method", "GET")
        .body(Full::default())
        .unwrap()
}

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).body(Full::default()).unwrap()
}

#[tokio::test]
async fn a_token_of_one_tenant_is_invalid_at_the_other() {
    let (acme, brand) = (
        Tenant::start("acme-token").await,
        Tenant::start("brand-token").await,
    );
    let file = ConfigFile::new(
        SETTINGS,
        &[acme.section("acme", ""), brand.section("brand", "")],
    );
    let server = file.start(&[]);
    let me = format!("{MOUNT}/profiles/me");
    for (host, own, others) in [
        (ACME, "acme-token", "brand-token"),
        (BRAND, "brand-token", "acme-token"),
    ] {
        let other_host = if host == ACME { BRAND } else { ACME };
        assert_eq!(mint(&server, host, others, Sandbox::ADA_ID).await.0, 401);
        let (status, token) = mint(&server, host, own, Sandbox::ADA_ID).await;
        assert_eq!(status, 200);
        assert_eq!(send(&server, host, get_as(&token, &me)).await.status(), 200);
        let crossed = send(&server, other_host, get_as(&token, &me)).await;
        assert_eq!(crossed.status(), 401, "{host}");
    }
    let unknown = send(&server, "api.third.shop.example", get(&me)).await;
    let no_route = send(&server, ACME, get("/nothing")).await;
    assert_eq!(unknown.status(), 404);
    assert_eq!(unknown.body(), no_route.body());
}

#[tokio::test]
async fn a_tenant_by_path_is_mounted_below_its_key() {
    let acme = Tenant::start("acme-token").await;
    let brand = Tenant::start("brand-token").await;
    let tenants = [acme.section("acme", ""), brand.section("brand", "")];
    let server = ConfigFile::new("tenant_by = \"path\"\n", &tenants).start(&[]);
    for (path, status) in [
        (format!("/acme{MOUNT}/profiles/me"), 401),
        (format!("/brand{MOUNT}/profiles/me"), 401),
        (format!("/third{MOUNT}/profiles/me"), 404),
        (format!("{MOUNT}/profiles/me"), 404),
    ] {
        assert_eq!(server.get(&path).await.status(), status, "{path}");
    }
    assert_eq!(server.get("/readyz/brand").await.status(), 200);
}

#[tokio::test]
async fn a_tenant_header_counts_from_a_trusted_proxy_only() {
    let acme = Tenant::start("acme-token").await;
    let brand = Tenant::start("brand-token").await;
    let tenants = [acme.section("acme", ""), brand.section("brand", "")];
    let request = || {
        let request = Request::get(format!("{MOUNT}/profiles/me"));
        request.header("x-tenant", "acme").body(Full::default())
    };
    for (proxy, status) in [("127.0.0.1", 401), ("192.0.2.1", 404)] {
        let settings = format!("tenant_by = \"header:X-Tenant\"\ntrusted_proxy = [{proxy:?}]\n");
        let server = ConfigFile::new(&settings, &tenants).start(&[]);
        let response = server.send(request().unwrap()).await;
        assert_eq!(response.status(), status, "{proxy}");
    }
}

#[tokio::test]
async fn each_tenant_has_its_own_cross_origin_policy() {
    let acme = Tenant::start("acme-token").await;
    let brand = Tenant::start("brand-token").await;
    let tenants = [
        acme.section("acme", "cors_origin = [\"https://acme.example\"]"),
        brand.section("brand", "cors_origin = [\"https://brand.example\"]"),
    ];
    let server = ConfigFile::new(SETTINGS, &tenants).start(&[]);
    for (host, origin, allowed) in [
        (ACME, "https://acme.example", true),
        (ACME, "https://brand.example", false),
        (BRAND, "https://brand.example", true),
        (BRAND, "https://acme.example", false),
        ("api.third.shop.example", "https://acme.example", false),
    ] {
        let response = send(&server, host, preflight(origin)).await;
        let header = response.headers().get("access-control-allow-origin");
        assert_eq!(header.is_some(), allowed, "{host} {origin}");
    }
}

#[tokio::test]
async fn an_outage_of_one_tenant_is_not_one_of_the_server() {
    let acme = Tenant::start("acme-token").await;
    let brand = Tenant::start("brand-token").await;
    let tenants = [acme.section("acme", ""), brand.section("brand", "")];
    let server = ConfigFile::new(SETTINGS, &tenants).start(&METRICS_FLAGS);
    acme.sandbox
        .inject(Fault::status(http::StatusCode::INTERNAL_SERVER_ERROR).until_cleared());
    for (path, status) in [
        ("/readyz", 200),
        ("/readyz/acme", 503),
        ("/readyz/brand", 200),
        ("/readyz/third", 404),
    ] {
        assert_eq!(server.get(path).await.status(), status, "{path}");
    }
    let scrape = scrape(&server).await;
    let ready = |tenant| scrape.value("omneo_id_tenant_ready", &[("tenant", tenant)]);
    assert_eq!((ready("acme"), ready("brand")), (Some(0.0), Some(1.0)));
    let log = server.terminate().stderr;
    assert!(
        log.contains("not ready tenant.key=\"acme\" reason=\"the tenant fails\""),
        "{log}"
    );
}

#[tokio::test]
async fn requests_are_counted_and_logged_by_tenant() {
    let acme = Tenant::start("acme-token").await;
    let brand = Tenant::start("brand-token").await;
    let tenants = [acme.section("acme", ""), brand.section("brand", "")];
    let server = ConfigFile::new(SETTINGS, &tenants).start(&METRICS_FLAGS);
    mint(&server, ACME, "acme-token", Sandbox::ADA_ID).await;
    mint(&server, ACME, "acme-token", Sandbox::ADA_ID).await;
    mint(&server, BRAND, "brand-token", Sandbox::ADA_ID).await;
    send(
        &server,
        "api.third.shop.example",
        get("/id/api/v1/locations"),
    )
    .await;
    let scrape = scrape(&server).await;
    for (tenant, route, status, number) in [
        ("acme", "token", "200", 2.0),
        ("brand", "token", "200", 1.0),
        ("none", "none", "404", 1.0),
    ] {
        let labels = [("tenant", tenant), ("route", route), ("status", status)];
        let counted = scrape.value("omneo_id_requests_total", &labels);
        assert_eq!(counted, Some(number), "{tenant}");
    }
    assert_eq!(scrape.series("omneo_id_requests_total").count(), 3);
    assert_eq!(scrape.series("omneo_id_token_cache_capacity").count(), 2);
    let log = server.terminate().stderr;
    assert_eq!(
        log.matches(" tenant.key=\"acme\" http.route=\"/auth/token\"")
            .count(),
        2,
        "{log}"
    );
}

#[tokio::test]
async fn calls_of_one_tenant_that_hang_leave_places_to_the_other() {
    let acme = Tenant::start("acme-token").await;
    let brand = Tenant::start("brand-token").await;
    let tenants = [acme.section("acme", ""), brand.section("brand", "")];
    let settings = format!("{SETTINGS}max_in_flight = 8\n");
    let server = ConfigFile::new(&settings, &tenants).start(&[]);
    let (_, token) = mint(&server, ACME, "acme-token", Sandbox::ADA_ID).await;
    let (_, other) = mint(&server, BRAND, "brand-token", Sandbox::ADA_ID).await;
    acme.sandbox.inject(Fault::stall().until_cleared());
    let me = format!("{MOUNT}/profiles/me");
    let mut hanging = tokio::task::JoinSet::new();
    let address = server.address;
    for _ in 0..20 {
        let request = get_as(&token, &me);
        hanging.spawn(async move { status_of(address, ACME, request).await });
    }
    // Two guaranteed permits and four common ones hang: the other 14 requests are refused.
    for _ in 0..14 {
        assert_eq!(hanging.join_next().await.unwrap().unwrap(), 503);
    }
    for _ in 0..4 {
        assert_eq!(
            send(&server, BRAND, get_as(&other, &me)).await.status(),
            200
        );
    }
    assert_eq!(hanging.len(), 6);
}

#[tokio::test]
async fn the_start_is_one_event_and_the_banner_has_no_lines_to_paste() {
    let acme = Tenant::start("acme-token").await;
    let brand = Tenant::start("brand-token").await;
    let tenants = [
        acme.section("acme", ""),
        brand.section("brand", "policy = \"storefront\""),
    ];
    let ended = ConfigFile::new(SETTINGS, &tenants).start(&[]).terminate();
    assert!(!ended.stdout.contains("curl"), "{}", ended.stdout);
    for (tenant, key) in [(&acme, "acme"), (&brand, "brand")] {
        let line = format!("  {key}: {}/api/v3\n", tenant.origin);
        assert!(ended.stdout.contains(&line), "{}", ended.stdout);
    }
    let events = ended
        .stderr
        .lines()
        .filter(|line| line.contains("Omneo ID has started"));
    let events: Vec<_> = events.collect();
    assert_eq!(events.len(), 1, "{}", ended.stderr);
    for text in [
        "version=",
        "addresses=\"127.0.0.1:",
        "tls=false",
        "acme=http",
        "access:open, brand=",
        "access:storefront",
    ] {
        assert!(events[0].contains(text), "{}", events[0]);
    }
}
