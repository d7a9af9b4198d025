//! Several tenants in one process: their requests, probes, metrics, cross-origin policies and
//! limits are apart.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use omneo_id::sandbox::{Fault, Sandbox};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::brands::{ACME, BRAND, ConfigFile, SETTINGS, Tenant, mint, send, status_of};
use crate::metrics::{METRICS_FLAGS, scrape};
use crate::process::{MOUNT, SECRET, Server, get_as};
use crate::raw_client::PATIENCE;

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

#[tokio::test]
async fn the_readiness_of_an_unknown_tenant_is_an_unknown_route() {
    let acme = Tenant::start("acme-token").await;
    let brand = Tenant::start("brand-token").await;
    let origin = "https://acme.example";
    let policy = format!("cors_origin = [{origin:?}]");
    let tenants = [acme.section("acme", &policy), brand.section("brand", "")];
    let several = ConfigFile::new(SETTINGS, &tenants).start(&[]);
    let single = Server::start(&["--sandbox"], &[]);
    for server in [&several, &single] {
        for host in [ACME, "api.third.shop.example"] {
            for method in ["GET", "HEAD", "POST", "OPTIONS"] {
                let response = async |path: &str| {
                    let request = Request::builder().method(method).uri(path);
                    let request = request.header("origin", origin).body(Full::default());
                    let mut response = send(server, host, request.unwrap()).await;
                    for varying in ["x-request-id", "date"] {
                        response.headers_mut().remove(varying);
                    }
                    let (head, body) = response.into_parts();
                    (head.status, head.headers, body)
                };
                let unknown = response("/nothing").await;
                for path in ["/readyz/third", "/readyz/", "/readyz/acme/"] {
                    assert_eq!(response(path).await, unknown, "{method} {path} {host}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_readiness_of_one_tenant_has_no_reason() {
    let acme = Tenant::start("acme-token").await;
    let brand = Tenant::start("brand-token").await;
    let tenants = [acme.section("acme", ""), brand.section("brand", "")];
    let server = ConfigFile::new(SETTINGS, &tenants).start(&[]);
    acme.sandbox
        .inject(Fault::status(http::StatusCode::INTERNAL_SERVER_ERROR).until_cleared());
    let unready = server.get("/readyz/acme").await;
    assert_eq!(unready.status(), 503);
    assert_eq!(unready.body(), r#"{"status":"unavailable"}"#);
    let ready = server.get("/readyz/brand").await;
    assert_eq!(ready.body(), r#"{"status":"ready"}"#);
    assert_eq!(server.logged("reason=\"the tenant fails\""), 1);
}

#[tokio::test]
async fn several_tenants_are_not_ready_before_their_stores_are_read() {
    let acme = Tenant::start("acme-token").await;
    let brand = Tenant::start("brand-token").await;
    let tenants = [acme.section("acme", ""), brand.section("brand", "")];
    // It accepts connections and does not respond.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let store = format!("redis://{}", silent.local_addr().unwrap());
    let settings = format!("{SETTINGS}revocations = {store:?}\n");
    let server = ConfigFile::new(&settings, &tenants).start(&[]);
    let reason = "the ended sessions have not been read from their store";
    let expected = format!(r#"{{"status":"unavailable","reason":"{reason}"}}"#);
    let unready = server.get("/readyz").await;
    assert_eq!(unready.status(), 503);
    assert_eq!(unready.body(), expected.as_str());
    assert_eq!(server.get("/healthz").await.status(), 200);
    assert_eq!(server.get("/readyz/acme").await.status(), 503);
    assert_eq!(server.terminate().code, Some(0));
}

/// A tenant that delays each response, and counts the requests.
#[derive(Default)]
struct Counted {
    requests: AtomicUsize,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

impl Counted {
    async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
        let answer = [&head[..], b"content-length: 14\r\n\r\n{\"status\":200}"].concat();
        loop {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await?);
            }
            let in_flight = self.in_flight.fetch_add(1, SeqCst) + 1;
            self.most_in_flight.fetch_max(in_flight, SeqCst);
            sleep(Duration::from_millis(50)).await;
            self.in_flight.fetch_sub(1, SeqCst);
            self.requests.fetch_add(1, SeqCst);
            stream.write_all(&answer).await?;
        }
    }
}

#[tokio::test]
async fn a_scrape_of_many_tenants_is_small_and_probes_a_few_at_a_time() {
    const TENANTS: usize = 200;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let tenant = Arc::new(Counted::default());
    let counted = Arc::clone(&tenant);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tenant = Arc::clone(&counted);
            tokio::spawn(async move { tenant.serve(stream).await });
        }
    });
    let tenants = (0..TENANTS).map(|number| {
        format!(
            "[[tenant]]\nkey = \"t{number}\"\nupstream = {origin:?}\napi_token = \"t\"\n\
             signing_key = {SECRET:?}\n"
        )
    });
    let tenants: Vec<_> = tenants.collect();
    let settings = "tenant_by = \"path\"\nthreads = 8\nmax_in_flight = 400\n";
    let file = ConfigFile::new(settings, &tenants);
    let without_metrics = file.start(&[]).resident();
    let server = file.start(&METRICS_FLAGS);
    let counters = server.resident().saturating_sub(without_metrics);
    assert!(counters < TENANTS * 8 * 16 * 1024, "{counters} bytes");
    // Not parsed: the text is long.
    let ready = async || {
        let request = Request::get("/metrics").body(Full::default()).unwrap();
        let response = server.send_to(server.metrics.unwrap(), request).await;
        let text = std::str::from_utf8(response.body()).unwrap();
        let lines = text.lines();
        let lines = lines.filter(|line| line.starts_with("omneo_id_tenant_ready{"));
        lines.filter(|line| line.ends_with(" 1")).count()
    };
    let ready = timeout(PATIENCE, async {
        while ready().await < TENANTS {
            sleep(Duration::from_millis(100)).await;
        }
    });
    ready.await.expect("tenants that are not ready");
    let most = tenant.most_in_flight.load(SeqCst);
    assert!(most <= 8, "{most} probes at the same time");
    assert!(tenant.requests.load(SeqCst) >= TENANTS);
}
