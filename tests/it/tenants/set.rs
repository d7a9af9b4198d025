//! The set of tenants.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::Request;
use omneo_id::error::ConfigErrorKind;
use omneo_id::sandbox::Sandbox;
use omneo_id::tenants::{OneTenant, TenantByPath, TenantKey, TenantSet};
use omneo_id::{OmneoIdTenants, Revocations};
use serde_json::{Value, json};

use super::{BRANDS, Mall, Network, api_token, builder, key, send};
use crate::support::{TestClock, bearer};

#[test]
fn a_set_has_the_tenants_that_were_inserted_and_not_removed() {
    let clock = TestClock::start();
    let mut set = TenantSet::new();
    assert!(set.is_empty());
    for name in BRANDS {
        set.insert(key(name), builder(name, &clock)).unwrap();
    }
    let mut keys: Vec<TenantKey> = set.iter().map(|(key, _)| key).collect();
    keys.sort();
    assert_eq!(keys, BRANDS.map(key));
    assert_eq!((set.len(), set.iter().len()), (2, 2));
    let copy = set.clone();
    assert!(set.remove(key("acme")));
    assert!(!set.remove(key("acme")));
    assert!(set.get(key("acme")).is_none());
    assert!(set.get(key("brand")).is_some());
    assert_eq!((set.len(), copy.len()), (1, 2));
    assert_eq!(
        format!("{copy:?}"),
        r#"TenantSet([TenantKey("acme"), TenantKey("brand")])"#
    );
}

#[test]
fn two_tenants_with_one_audience_or_one_set_of_ended_sessions_are_a_conflict() {
    let clock = TestClock::start();
    let revocations = Revocations::new();
    let mut set = TenantSet::new();
    let acme = builder("acme", &clock)
        .audience("legacy")
        .revocations(revocations.clone());
    set.insert(key("acme"), acme).unwrap();
    for (name, builder) in [
        ("brand", builder("brand", &clock).audience("legacy")),
        ("legacy", builder("brand", &clock)),
        (
            "brand",
            builder("brand", &clock).revocations(revocations.clone()),
        ),
    ] {
        let error = set.insert(key(name), builder).unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::TenantConflict, "{error}");
        assert_eq!(set.len(), 1, "the set is unchanged");
    }
    // The tenant itself may keep both.
    let acme = builder("acme", &clock)
        .audience("legacy")
        .revocations(revocations);
    set.insert(key("acme"), acme).unwrap();
    set.insert(key("brand"), builder("brand", &clock)).unwrap();
}

/// The audience of each tenant's tokens, in the order of the keys.
fn audiences(set: &TenantSet) -> Vec<String> {
    let mut tenants: Vec<_> = set.iter().collect();
    tenants.sort_by_key(|(key, _)| *key);
    let tenants = tenants.into_iter().map(|(key, tenant)| {
        let token = tenant.issuer().issue(&omneo_id::Subject::Anonymous);
        let token = token.unwrap().into_token();
        let payload = token.split('.').nth(1).unwrap();
        let claims = BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        format!("{key}: {}", claims["aud"].as_str().unwrap())
    });
    tenants.collect()
}

#[test]
fn an_update_moves_audiences_and_ended_sessions_between_tenants() {
    let clock = TestClock::start();
    let tenant = |name: &str, audience: &str, revocations: &Revocations| {
        let builder = builder(name, &clock).audience(audience);
        Some(builder.revocations(revocations.clone()))
    };
    let [first, second] = [Revocations::new(), Revocations::new()];
    let (acme, brand, outlet) = (key("acme"), key("brand"), key("outlet"));
    let mut set = TenantSet::new();
    set.update([
        (acme, tenant("acme", "one", &first)),
        (brand, tenant("brand", "two", &second)),
    ])
    .unwrap();
    let swapped = || {
        [
            (acme, tenant("acme", "two", &second)),
            (brand, tenant("brand", "one", &first)),
        ]
    };
    for (key, builder) in swapped() {
        set.insert(key, builder.unwrap()).unwrap_err();
    }
    set.update(swapped()).unwrap();
    assert_eq!(audiences(&set), ["acme: two", "brand: one"]);
    // To another key, before the removal of the first one in the list.
    set.update([(outlet, tenant("brand", "two", &second)), (acme, None)])
        .unwrap();
    assert_eq!(audiences(&set), ["brand: one", "outlet: two"]);
    set.update([]).unwrap();
    assert_eq!(audiences(&set), ["brand: one", "outlet: two"]);
}

#[test]
fn an_update_has_an_effect_completely_or_not_at_all() {
    let clock = TestClock::start();
    let mut set = TenantSet::new();
    for name in BRANDS {
        set.insert(key(name), builder(name, &clock)).unwrap();
    }
    let shared = Revocations::new();
    let with_shared = || Some(builder("acme", &clock).revocations(shared.clone()));
    let audience = |audience| Some(builder("acme", &clock).audience(audience));
    let (acme, brand, third, fourth) = (key("acme"), key("brand"), key("third"), key("fourth"));
    for (changes, kind) in [
        // With a tenant that stays.
        (
            vec![(acme, None), (third, audience("brand"))],
            ConfigErrorKind::TenantConflict,
        ),
        // Between two changes.
        (
            vec![
                (third, audience("x")),
                (acme, None),
                (fourth, audience("x")),
            ],
            ConfigErrorKind::TenantConflict,
        ),
        (
            vec![(third, with_shared()), (fourth, with_shared())],
            ConfigErrorKind::TenantConflict,
        ),
        (
            vec![(brand, None), (acme, Some(omneo_id::OmneoId::builder()))],
            ConfigErrorKind::Missing,
        ),
    ] {
        let error = set.update(changes).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(audiences(&set), ["acme: acme", "brand: brand"]);
    }
}

#[tokio::test]
async fn an_update_continues_with_the_ended_sessions_of_each_key() {
    let clock = TestClock::start();
    let mut multiple = TenantSet::new();
    multiple
        .insert(key("acme"), builder("acme", &clock))
        .unwrap();
    let single = TenantSet::single(builder("acme", &clock)).unwrap();
    for (mut set, key) in [(multiple, key("acme")), (single, TenantKey::DEFAULT)] {
        let revocations = set.get(key).unwrap().revocations();
        revocations.revoke_token_id("ended").await.unwrap();
        let ended = |set: &TenantSet| set.get(key).unwrap().revocations().stats().entries;
        let changed = || Some(builder("acme", &clock).max_in_flight(3));
        set.update([(key, changed())]).unwrap();
        assert_eq!(ended(&set), 1);
        // The last change of a key replaces the others.
        set.update([(key, None), (key, changed())]).unwrap();
        assert_eq!(ended(&set), 1);
        set.update([(key, None)]).unwrap();
        assert!(set.is_empty());
    }
}

#[test]
fn an_invalid_builder_leaves_the_set_unchanged() {
    let clock = TestClock::start();
    let mut set = TenantSet::new();
    let incomplete = omneo_id::OmneoId::builder();
    let error = set.insert(key("acme"), incomplete).unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::Missing);
    for mount in ["id", "/id/../x", "//"] {
        for mut set in [TenantSet::new(), TenantSet::new().mount_below_key()] {
            let builder = builder("acme", &clock).mount(mount);
            let error = set.insert(key("acme"), builder).unwrap_err();
            assert_eq!(error.kind(), ConfigErrorKind::InvalidBasePath, "{mount}");
        }
    }
    assert!(set.is_empty());
}

#[tokio::test]
async fn a_single_tenant_accepts_the_tokens_of_a_service_without_tenants() {
    let clock = TestClock::start();
    let network = Network::of(&BRANDS);
    let alone = builder("acme", &clock)
        .build_with_client(network.clone())
        .unwrap();
    let token = alone.issuer().issue(&omneo_id::Subject::Anonymous).unwrap();
    let mut set = TenantSet::single(builder("acme", &clock)).unwrap();
    let error = set
        .insert(key("brand"), builder("brand", &clock))
        .unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::TenantConflict);

    let tenants = OmneoIdTenants::new(OneTenant::default(), set, network);
    let locations = || Request::get("/locations").header("authorization", bearer(token.token()));
    send(&tenants, "any", locations(), "").await.expect(200);
    // A change of the tenant does not revive ended sessions.
    let current = tenants.tenants();
    let tenant = current.get(TenantKey::DEFAULT).unwrap();
    tenant.revocations().revoke_all().await.unwrap();
    let mut set = (*current).clone();
    set.insert(TenantKey::DEFAULT, builder("acme", &clock))
        .unwrap();
    tenants.replace(set);
    send(&tenants, "any", locations(), "").await.expect(401);
}

#[tokio::test]
async fn tenants_by_path_are_mounted_below_their_keys() {
    let clock = TestClock::start();
    let network = Network::of(&BRANDS);
    for mount in ["", "/", "/id/api/v1"] {
        let mut set = TenantSet::new().mount_below_key();
        for name in BRANDS {
            set.insert(key(name), builder(name, &clock).mount(mount))
                .unwrap();
        }
        let tenants = OmneoIdTenants::new(TenantByPath, set, network.clone());
        let mount = mount.trim_end_matches('/');
        let mint = |name: &str, token: &str| {
            Request::post(format!("/{name}{mount}/auth/token"))
                .header("authorization", bearer(token))
                .header("content-type", "application/json")
        };
        let body = json!({ "id": Sandbox::ADA_ID }).to_string();
        let minted = send(
            &tenants,
            "any",
            mint("acme", &api_token("acme")),
            body.clone(),
        )
        .await;
        let token = minted.expect(200).data()["token"]
            .as_str()
            .unwrap()
            .to_owned();
        for (path, status) in [
            (format!("/acme{mount}/profiles/me"), 200),
            (format!("/acme{mount}//profiles/me"), 200),
            (format!("/brand{mount}/profiles/me"), 401),
            (format!("/other{mount}/profiles/me"), 404),
            (format!("{mount}/profiles/me"), 404),
            (format!("/acme/acme{mount}/profiles/me"), 404),
        ] {
            let request = Request::get(&path).header("authorization", bearer(&token));
            let response = send(&tenants, "any", request, "").await;
            assert_eq!(response.status, status, "{path}");
        }
    }
}

#[tokio::test]
async fn the_statistics_of_a_tenant_are_its_own() {
    let mall = Mall::open();
    let token = mall.mint_for_ada("acme").await;
    for _ in 0..3 {
        mall.get("acme", "/profiles/me", &token).await.expect(200);
    }
    let tenants = mall.tenants.tenants();
    let stats = BRANDS.map(|name| tenants.get(key(name)).unwrap().stats().token_cache);
    assert_eq!(stats.map(|stats| (stats.len, stats.hits)), [(1, 2), (0, 0)]);
}
