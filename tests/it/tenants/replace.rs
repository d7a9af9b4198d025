//! The tenants are replaced while requests run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::{Method, Request, StatusCode};
use omneo_id::sandbox::{Fault, Sandbox};
use omneo_id::tenants::{TenantByHost, TenantSet};
use omneo_id::{AccessPolicy, Revocations};
use serde_json::json;

use super::{BRANDS, Mall, api_token, begun, builder, key, send};
use crate::support::{TestClock, bearer};

#[tokio::test(start_paused = true)]
async fn a_request_that_has_begun_ends_on_the_tenant_that_it_began_on() {
    let mall = Mall::open();
    let token = mall.mint_for_ada("acme").await;
    let slow = Fault::latency(Duration::from_secs(5)).on(Method::GET, "/profiles");
    mall.sandbox("acme").inject(slow);
    let request = begun(mall.get("acme", "/profiles/me", &token)).await;
    mall.tenants.replace(TenantSet::new());
    mall.get("acme", "/profiles/me", &token).await.expect(404);
    let response = request.await.expect(200);
    assert_eq!(response.data()["email"], Sandbox::ADA_EMAIL);
}

#[tokio::test]
async fn a_changed_tenant_has_its_new_settings_and_the_others_their_state() {
    let mall = Mall::open();
    let [acme, brand] = [
        mall.mint_for_ada("acme").await,
        mall.mint_for_ada("brand").await,
    ];
    for (name, token) in [("acme", &acme), ("brand", &brand)] {
        mall.get(name, "/profiles/me", token).await.expect(200);
    }
    let mut set = (*mall.tenants.tenants()).clone();
    let policy = AccessPolicy::allow_all().deny("*", "/balances").unwrap();
    let changed = builder("acme", &mall.clock).access_policy(policy);
    set.insert(key("acme"), changed).unwrap();
    mall.tenants.replace(set);

    mall.get("acme", "/profiles/me/balances", &acme)
        .await
        .expect(403);
    mall.get("brand", "/profiles/me/balances", &brand)
        .await
        .expect(200);
    mall.get("acme", "/profiles/me", &acme).await.expect(200);
    let tenants = mall.tenants.tenants();
    let stats = BRANDS.map(|name| tenants.get(key(name)).unwrap().stats().token_cache);
    // The token cache of the changed tenant starts empty.
    assert_eq!(stats.map(|stats| stats.misses), [1, 1]);
    assert_eq!(stats.map(|stats| stats.hits), [1, 1]);
}

#[tokio::test]
async fn a_changed_tenant_does_not_revive_ended_sessions() {
    let mall = Mall::open();
    let token = mall.mint_for_ada("acme").await;
    let end = json!({ "id": Sandbox::ADA_ID });
    mall.post("acme", "/auth/revoke", &api_token("acme"), &end)
        .await
        .expect(204);
    mall.get("acme", "/profiles/me", &token).await.expect(401);
    for lifetime in [600, 1200] {
        let mut set = (*mall.tenants.tenants()).clone();
        let changed = builder("acme", &mall.clock).token_lifetime(Duration::from_secs(lifetime));
        set.insert(key("acme"), changed).unwrap();
        mall.tenants.replace(set);
        mall.get("acme", "/profiles/me", &token).await.expect(401);
        let next = mall.mint_for_ada("acme").await;
        mall.get("acme", "/profiles/me", &next).await.expect(200);
    }
    // A set of the application's own replaces it.
    let mut set = (*mall.tenants.tenants()).clone();
    let revocations = Revocations::new();
    let changed = builder("acme", &mall.clock).revocations(revocations.clone());
    set.insert(key("acme"), changed).unwrap();
    mall.tenants.replace(set);
    mall.get("acme", "/profiles/me", &token).await.expect(200);
}

/// A change of settings does not let a second sign-up of an address create the profile again, and
/// does not double the limit of calls in flight.
#[tokio::test(start_paused = true)]
async fn a_changed_tenant_continues_with_its_sign_ups_and_calls_in_flight() {
    let mall = Mall::with(|_, builder| builder.max_in_flight(2));
    let creation = Fault::latency(Duration::from_secs(2)).on(Method::POST, "/profiles");
    mall.sandbox("acme").inject(creation);
    let body = json!({ "email": "new@example.com", "first_name": "N", "last_name": "N" });
    let token = api_token("acme");
    let first = begun(mall.post("acme", "/profiles", &token, &body)).await;

    let mut set = (*mall.tenants.tenants()).clone();
    let changed = builder("acme", &mall.clock).max_in_flight(2);
    set.insert(key("acme"), changed).unwrap();
    mall.tenants.replace(set);
    let tenants = mall.tenants.tenants();
    let in_flight = || tenants.get(key("acme")).unwrap().stats().in_flight;
    assert_eq!(in_flight(), 1);
    let second = mall.post("acme", "/profiles", &token, &body);
    let (first, second) = tokio::join!(first, second);
    first.expect(200);
    second.expect(200);
    assert_eq!(in_flight(), 0);
    let creations = mall.sandbox("acme").requests();
    let creations = creations
        .iter()
        .filter(|request| request.method == Method::POST && request.path() == "/api/v3/profiles");
    assert_eq!(creations.count(), 1, "one profile");
}

#[tokio::test]
async fn the_resolver_is_replaced_together_with_the_tenants() {
    let mall = Mall::open();
    let token = mall.mint_for_ada("acme").await;
    let hosts = TenantByHost::new()
        .add_host("other.shop.test", key("acme"))
        .unwrap();
    let set = (*mall.tenants.tenants()).clone();
    mall.tenants.replace_with_resolver(hosts, set);
    mall.get("other", "/profiles/me", &token).await.expect(200);
    mall.get("acme", "/profiles/me", &token).await.expect(404);
    // A later set keeps the resolver.
    mall.tenants.replace((*mall.tenants.tenants()).clone());
    mall.get("other", "/profiles/me", &token).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_tenants_are_added_changed_and_removed() {
    const REPLACEMENTS: usize = 40;
    let clock = TestClock::start();
    let names = ["acme", "brand", "third"];
    let mut set = TenantSet::new();
    for name in BRANDS {
        set.insert(key(name), builder(name, &clock)).unwrap();
    }
    let mall = Arc::new(Mall::new(set, &names, clock));
    let is_done = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for name in ["acme", "brand", "third"] {
        let (mall, is_done, served) = (mall.clone(), is_done.clone(), served.clone());
        tasks.push(tokio::spawn(async move {
            let token = match name {
                "third" => "x".to_owned(),
                _ => mall.mint_for_ada(name).await,
            };
            while !is_done.load(Ordering::Relaxed) {
                let request = Request::get("/profiles/me").header("authorization", bearer(&token));
                let response = send(&mall.tenants, name, request, "").await;
                let is_expected = match name {
                    // Present or absent: an invalid token, or an unknown tenant.
                    "third" => {
                        [StatusCode::UNAUTHORIZED, StatusCode::NOT_FOUND].contains(&response.status)
                    }
                    _ => response.status == 200,
                };
                assert!(is_expected, "{name} {response:?}");
                served.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        }));
    }
    for number in 0..REPLACEMENTS {
        let mut set = (*mall.tenants.tenants()).clone();
        let changed = builder("brand", &mall.clock).max_in_flight(1000 + number);
        set.insert(key("brand"), changed).unwrap();
        match number % 2 {
            0 => set
                .insert(key("third"), builder("third", &mall.clock))
                .unwrap(),
            _ => assert!(set.remove(key("third"))),
        }
        mall.tenants.replace(set);
        let before = served.load(Ordering::Relaxed);
        // At least one request between two replacements.
        while served.load(Ordering::Relaxed) == before
            && tasks.iter().all(|task| !task.is_finished())
        {
            tokio::task::yield_now().await;
        }
    }
    is_done.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    assert!(served.load(Ordering::Relaxed) >= REPLACEMENTS);
    let tenants = mall.tenants.tenants();
    let stats = tenants.get(key("brand")).unwrap().stats();
    assert_eq!(
        (stats.in_flight, stats.max_in_flight),
        (0, 1000 + REPLACEMENTS - 1)
    );
}
