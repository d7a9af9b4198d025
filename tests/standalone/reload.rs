//! SIGHUP: the configuration is read again, and applied completely or not at all.
#![cfg(unix)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use omneo_id::sandbox::{Fault, Sandbox};
use tokio::time::timeout;

use crate::brands::{ACME, BRAND, ConfigFile, SETTINGS, Tenant, mint, send, status_of};
use crate::process::{MOUNT, Server, get_as};
use crate::raw_client::{PATIENCE, logged};

const RELOADED: &str = "the configuration is reloaded";
const FAILED: &str = "reload failed";

/// Waits for a condition.
async fn until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, wait).await.expect("the condition");
}

async fn reload(server: &Server, text: &str) {
    let before = server.logged(text);
    server.signal("HUP");
    logged(server, text, before + 1).await;
}

#[tokio::test]
async fn tenants_are_added_changed_and_removed_under_load() {
    let acme = Tenant::start("acme-token").await;
    let brand = Tenant::start("brand-token").await;
    let file = ConfigFile::new(SETTINGS, &[acme.section("acme", "")]);
    let server = file.start(&["--threads", "2"]);
    let me = format!("{MOUNT}/profiles/me");
    let (_, token) = mint(&server, ACME, "acme-token", Sandbox::ADA_ID).await;
    let is_done = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicUsize::new(0));
    let mut load = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (is_done, count) = (Arc::clone(&is_done), Arc::clone(&count));
        let (token, me, address) = (token.clone(), me.clone(), server.address);
        load.spawn(async move {
            while !is_done.load(Ordering::Relaxed) {
                let status = status_of(address, ACME, get_as(&token, &me)).await;
                assert_eq!(status, 200);
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let status = async |host: &str| send(&server, host, get_as("x", &me)).await.status();
    assert_eq!(status(BRAND).await, 404);
    file.replace(
        SETTINGS,
        &[acme.section("acme", ""), brand.section("brand", "")],
    );
    reload(&server, RELOADED).await;
    assert_eq!(status(BRAND).await, 401);
    // A changed tenant: the token that was minted before stays valid.
    file.replace(SETTINGS, &[acme.section("acme", "token_ttl = \"10m\"")]);
    reload(&server, RELOADED).await;
    assert_eq!(status(BRAND).await, 404);
    file.replace(SETTINGS, &[acme.section("acme", "token_tll = \"10m\"")]);
    reload(&server, FAILED).await;
    is_done.store(true, Ordering::Relaxed);
    while let Some(ended) = load.join_next().await {
        ended.unwrap();
    }
    assert!(count.load(Ordering::Relaxed) > 0);
    let log = server.terminate().stderr;
    for text in [
        "added=brand",
        "changed=acme removed=brand",
        "token_ttl is meant",
    ] {
        assert!(log.contains(text), "{text} is missing: {log}");
    }
}

#[tokio::test]
async fn a_reload_keeps_ended_sessions_and_the_random_key() {
    let acme = Tenant::start("acme-token").await;
    let section = |ttl: &str| {
        let Tenant { origin, .. } = &acme;
        format!(
            "[[tenant]]\nkey = \"acme\"\nupstream = {origin:?}\napi_token = \"acme-token\"\n\
             token_ttl = {ttl:?}\n"
        )
    };
    let file = ConfigFile::new("", &[section("10m")]);
    let server = file.start(&[]);
    let (_, ended) = mint(&server, ACME, "acme-token", Sandbox::ADA_ID).await;
    let (_, valid) = mint(&server, ACME, "acme-token", Sandbox::ADA_ID).await;
    let mut sign_out = get_as(&ended, &format!("{MOUNT}/auth/token"));
    *sign_out.method_mut() = http::Method::DELETE;
    assert_eq!(server.send(sign_out).await.status(), 204);
    file.replace("", &[section("20m")]);
    reload(&server, RELOADED).await;
    let me = format!("{MOUNT}/profiles/me");
    assert_eq!(server.send(get_as(&ended, &me)).await.status(), 401);
    assert_eq!(server.send(get_as(&valid, &me)).await.status(), 200);
}

#[tokio::test]
async fn ended_sessions_stay_ended_while_tenants_come_and_go() {
    let acme = Tenant::start("acme-token").await;
    let brand = Tenant::start("brand-token").await;
    let hosts = format!("hosts = [{ACME:?}]");
    let alone = [acme.section("acme", "")];
    let file = ConfigFile::new("", &alone);
    let server = file.start(&[]);
    let (_, ended) = mint(&server, ACME, "acme-token", Sandbox::ADA_ID).await;
    let me = format!("{MOUNT}/profiles/me");
    let mut sign_out = get_as(&ended, &format!("{MOUNT}/auth/token"));
    *sign_out.method_mut() = http::Method::DELETE;
    assert_eq!(send(&server, ACME, sign_out).await.status(), 204);
    let both = [
        acme.section("acme", &hosts),
        brand.section("brand", &format!("hosts = [{BRAND:?}]")),
    ];
    for (tenants, status) in [
        (&both[..], 401),
        (&both[1..], 404),
        (&both[..], 401),
        (&alone[..], 401),
    ] {
        file.replace("", tenants);
        reload(&server, RELOADED).await;
        let response = send(&server, ACME, get_as(&ended, &me)).await;
        assert_eq!(response.status(), status);
    }
}

#[tokio::test]
async fn an_audience_moves_from_one_tenant_to_another() {
    let acme = Tenant::start("acme-token").await;
    let brand = Tenant::start("brand-token").await;
    let tenants = |first: &str, second: &str| {
        [
            acme.section("acme", &format!("audience = {first:?}")),
            brand.section("brand", &format!("audience = {second:?}")),
        ]
    };
    let file = ConfigFile::new(SETTINGS, &tenants("one", "two"));
    let server = file.start(&[]);
    file.replace(SETTINGS, &tenants("two", "one"));
    reload(&server, RELOADED).await;
    let log = server.terminate().stderr;
    assert!(log.contains("changed=acme,brand"), "{log}");
}

#[tokio::test]
async fn a_reload_keeps_the_limit_of_calls_in_flight() {
    let acme = Tenant::start("acme-token").await;
    let section = |ttl: &str| [acme.section("acme", &format!("token_ttl = {ttl:?}"))];
    let file = ConfigFile::new("max_in_flight = 2\n", &section("10m"));
    let server = file.start(&[]);
    let (_, token) = mint(&server, ACME, "acme-token", Sandbox::ADA_ID).await;
    acme.sandbox.inject(Fault::stall().until_cleared());
    let me = format!("{MOUNT}/profiles/me");
    let mut hanging = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let (address, request) = (server.address, get_as(&token, &me));
        hanging.spawn(async move { status_of(address, ACME, request).await });
    }
    until(|| acme.sandbox.in_flight() == 2).await;
    file.replace("max_in_flight = 2\n", &section("20m"));
    reload(&server, RELOADED).await;
    let third = send(&server, ACME, get_as(&token, &me)).await;
    assert_eq!(third.status(), 503);
    assert_eq!(hanging.len(), 2);
}

#[tokio::test]
async fn a_change_between_the_sandbox_and_an_upstream_needs_a_restart() {
    let acme = Tenant::start("acme-token").await;
    let sandbox = "[[tenant]]\nkey = \"acme\"\nsandbox = true\n".to_owned();
    let file = ConfigFile::new("", &[acme.section("acme", "")]);
    let server = file.start(&[]);
    file.replace("", &[sandbox]);
    reload(&server, FAILED).await;
    assert_eq!(server.get("/readyz").await.status(), 200);
    let log = server.terminate().stderr;
    assert!(log.contains("needs a restart"), "{log}");
}

#[tokio::test]
async fn an_upstream_whose_ended_sessions_are_in_a_store_needs_a_restart() {
    let acme = Tenant::start("acme-token").await;
    let moved = Tenant::start("acme-token").await;
    // No Redis server listens there: the store is opened, and not read.
    let store = "revocations = \"redis://127.0.0.1:1\"\n";
    let file = ConfigFile::new(store, &[acme.section("acme", "")]);
    let server = file.start(&[]);
    file.replace(store, &[moved.section("acme", "")]);
    reload(&server, FAILED).await;
    file.replace(store, &[acme.section("acme", "token_ttl = \"10m\"")]);
    reload(&server, RELOADED).await;
    let log = server.terminate().stderr;
    assert!(
        log.contains("the upstream of tenant \"acme\" has changed"),
        "{log}"
    );
}

#[tokio::test]
async fn trusted_proxies_change_with_a_restart_only() {
    let acme = Tenant::start("acme-token").await;
    let settings =
        |proxy: &str| format!("tenant_by = \"header:X-Tenant\"\ntrusted_proxy = [{proxy:?}]\n");
    let tenants = [acme.section("acme", "")];
    let file = ConfigFile::new(&settings("192.0.2.1"), &tenants);
    let server = file.start(&[]);
    file.replace(&settings("127.0.0.1"), &tenants);
    reload(&server, RELOADED).await;
    let mut request = get_as("x", &format!("{MOUNT}/profiles/me"));
    let key = "acme".parse().unwrap();
    request.headers_mut().insert("x-tenant", key);
    assert_eq!(server.send(request).await.status(), 404);
}

#[tokio::test]
async fn settings_that_need_a_restart_are_listed() {
    let acme = Tenant::start("acme-token").await;
    let tenants = [acme.section("acme", "")];
    let file = ConfigFile::new("threads = 1\n", &tenants);
    let server = file.start(&[]);
    file.replace("threads = 2\nidle_timeout = \"10s\"\n", &tenants);
    reload(&server, RELOADED).await;
    let log = server.terminate().stderr;
    assert!(
        log.contains("need a restart fields=threads, idle_timeout"),
        "{log}"
    );
}

#[tokio::test]
async fn a_flag_configuration_reloads_its_key_file() {
    let acme = Tenant::start("acme-token").await;
    let directory = crate::temporary::Directory::new();
    let key = directory.join("key");
    std::fs::write(&key, "the first secret of at least 32 bytes").unwrap();
    let path = key.to_str().unwrap();
    let server = Server::start(
        &[
            "--upstream",
            &acme.origin,
            "--api-token",
            "acme-token",
            "--signing-key-file",
            path,
        ],
        &[],
    );
    let me = format!("{MOUNT}/profiles/me");
    let (_, first) = mint(&server, ACME, "acme-token", Sandbox::ADA_ID).await;
    std::fs::write(&key, "another secret of at least 32 bytes!!").unwrap();
    reload(&server, RELOADED).await;
    assert_eq!(server.send(get_as(&first, &me)).await.status(), 401);
    let (_, second) = mint(&server, ACME, "acme-token", Sandbox::ADA_ID).await;
    assert_eq!(server.send(get_as(&second, &me)).await.status(), 200);
    std::fs::write(&key, "short").unwrap();
    reload(&server, FAILED).await;
    assert_eq!(server.send(get_as(&second, &me)).await.status(), 200);
}
