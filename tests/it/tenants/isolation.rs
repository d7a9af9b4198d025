//! Two tenants with swapped credentials: a request of one has no effect at the other.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, Request, header};
use omneo_id::sandbox::{Fault, Sandbox};
use omneo_id::token::Refresh;
use omneo_id::{
    AccessPolicy, ApiToken, OmneoIdBuilder, SigningKey, Subject, TokenVerifier, WebhookEndpoint,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{BRANDS, Mall, api_token, begun, key};
use crate::support::bearer;

/// Whether the tenants have the same signing key.
#[derive(Clone, Copy, Debug)]
enum Keys {
    Shared,
    Own,
}

const KEYS: [Keys; 2] = [Keys::Shared, Keys::Own];

/// All routes on, with webhook secrets of the tenants' own.
fn complete(keys: Keys, name: &str, builder: OmneoIdBuilder) -> OmneoIdBuilder {
    let hours = Duration::from_secs(12 * 60 * 60);
    let builder = builder
        .refresh(Refresh::new(hours).unwrap())
        .verify_cache(Duration::from_secs(60))
        .webhook(WebhookEndpoint::new(webhook_secret(name)).unwrap());
    match keys {
        Keys::Shared => builder,
        Keys::Own => {
            let secret = format!("the secret of the tenant {name}, over 32 bytes");
            builder.signing_key(SigningKey::hs256(secret).unwrap())
        }
    }
}

/// The first tenant has the secret with which the sandbox signs.
fn webhook_secret(name: &str) -> &'static str {
    match name {
        "acme" => Sandbox::WEBHOOK_SECRET,
        _ => "the webhook secret of another tenant",
    }
}

fn mall(keys: Keys) -> Mall {
    Mall::with(|name, builder| complete(keys, name, builder))
}

impl Mall {
    fn assert_no_calls(&self, name: &str) {
        assert!(
            self.sandbox(name).requests().is_empty(),
            "{name} was called"
        );
    }
}

/// Every route with an ID token of the other tenant, before and after its own has cached it.
#[tokio::test]
async fn an_id_token_of_one_tenant_is_rejected_by_the_other() {
    for keys in KEYS {
        let mall = mall(keys);
        for (own, other) in [("acme", "brand"), ("brand", "acme")] {
            let profile = mall.mint_for_ada(own).await;
            let anonymous = mall.mint(own, &json!({})).await;
            for is_cached in [false, true] {
                for (method, path, body) in [
                    (Method::GET, "/profiles/me", "{}"),
                    (Method::PUT, "/profiles/me", "{}"),
                    (Method::DELETE, "/profiles/me", "{}"),
                    (Method::GET, "/profiles/me/balances", "{}"),
                    (Method::POST, "/profiles", "{}"),
                    (Method::GET, "/locations", "{}"),
                    (Method::GET, "/locations/1", "{}"),
                    (Method::DELETE, "/auth/token", "{}"),
                    (Method::POST, "/auth/token", "{}"),
                    (Method::POST, "/auth/revoke", "{\"all\":true}"),
                    (Method::POST, "/auth/refresh", "{}"),
                ] {
                    for token in [&profile, &anonymous] {
                        let request = Request::builder()
                            .method(&method)
                            .uri(path)
                            .header(header::AUTHORIZATION, bearer(token))
                            .header(header::CONTENT_TYPE, "application/json");
                        let response = mall.send(other, request, body).await;
                        let route = format!("{keys:?} {other} {method} {path} {is_cached}");
                        assert_eq!(response.status, 401, "{route}");
                    }
                }
                mall.get(own, "/profiles/me", &profile).await.expect(200);
                mall.get(own, "/locations", &anonymous).await.expect(200);
            }
            let calls = mall.sandbox(other).take_requests();
            let paths: Vec<&str> = calls.iter().map(|call| call.path()).collect();
            // The tenant itself has rejected what could have been an API token.
            assert!(
                paths
                    .iter()
                    .all(|path| path.starts_with("/api/v3/auth/verify")),
                "{keys:?} {paths:?}"
            );
            mall.sandbox(own).take_requests();
        }
    }
}

#[tokio::test]
async fn an_api_token_of_one_tenant_is_rejected_by_the_other() {
    for keys in KEYS {
        let mall = mall(keys);
        for (own, other) in [("acme", "brand"), ("brand", "acme")] {
            // The own tenant has accepted it, so it is in the cache of that tenant.
            mall.mint(own, &json!({})).await;
            let kept = mall.mint_for_ada(other).await;
            for (path, body) in [
                ("/auth/token", json!({})),
                ("/auth/token", json!({ "id": Sandbox::ADA_ID })),
                ("/auth/revoke", json!({ "all": true })),
                ("/auth/revoke", json!({ "id": Sandbox::ADA_ID })),
                ("/profiles", json!({ "email": "new@example.com" })),
            ] {
                let response = mall.post(other, path, &api_token(own), &body).await;
                assert_eq!(response.status, 401, "{keys:?} {other} {path} {body}");
            }
            mall.get(other, "/profiles/me", &kept).await.expect(200);
        }
    }
}

#[tokio::test]
async fn a_pinned_api_token_is_trusted_by_its_tenant_only() {
    let pinned = |name: &str| ApiToken::new(&format!("pinned-at-{name}")).unwrap();
    let mall = Mall::with(|name, builder| builder.pinned_api_tokens([pinned(name)]));
    let sign_up = json!({ "email": "new@example.com" });
    for (own, other) in [("acme", "brand"), ("brand", "acme")] {
        let token = format!("pinned-at-{own}");
        mall.post(own, "/auth/token", &token, &json!({}))
            .await
            .expect(200);
        mall.post(own, "/profiles", &token, &sign_up)
            .await
            .expect(200);
        mall.post(other, "/auth/token", &token, &json!({}))
            .await
            .expect(401);
        mall.post(other, "/profiles", &token, &sign_up)
            .await
            .expect(401);
    }
}

#[tokio::test]
async fn sessions_that_end_at_one_tenant_continue_at_the_other() {
    for keys in KEYS {
        let mall = mall(keys);
        let kept = mall.mint_for_ada("brand").await;
        let kept_anonymous = mall.mint("brand", &json!({})).await;
        let token_id = jti(&kept);
        for body in [
            json!({ "jti": token_id }),
            json!({ "id": Sandbox::ADA_ID }),
            json!({ "all": true }),
        ] {
            let token = api_token("acme");
            mall.post("acme", "/auth/revoke", &token, &body)
                .await
                .expect(204);
            mall.clock.advance(2);
        }
        // A webhook about the same profile id, and a deletion by its owner.
        let webhook = Sandbox::webhook(
            "profile.deleted",
            json!({ "data": { "id": Sandbox::ADA_ID } }).to_string(),
        );
        let (parts, body) = webhook.unwrap().into_parts();
        let body = http_body_util::BodyExt::collect(body)
            .await
            .unwrap()
            .to_bytes();
        for (name, status) in [("acme", 204), ("brand", 401)] {
            let mut request = Request::post("/hooks/omneo");
            request.headers_mut().unwrap().extend(parts.headers.clone());
            mall.send(name, request, body.clone()).await.expect(status);
        }
        mall.clock.advance(2);
        let deleted = mall.mint_for_ada("acme").await;
        let delete = Request::delete("/profiles/me").header("authorization", bearer(&deleted));
        let response = mall.send("acme", delete, "").await;
        assert!(response.status.is_success(), "{response:?}");
        mall.get("acme", "/profiles/me", &deleted).await.expect(401);

        mall.get("brand", "/profiles/me", &kept).await.expect(200);
        mall.get("brand", "/locations", &kept_anonymous)
            .await
            .expect(200);
        let tenants = mall.tenants.tenants();
        let revocations = tenants.get(key("brand")).unwrap().revocations();
        assert_eq!(revocations.stats().entries, 0);
    }
}

/// The `jti` of a token.
fn jti(token: &str) -> String {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap());
    let claims: Value = serde_json::from_slice(&payload.unwrap()).unwrap();
    claims["jti"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn tokens_carry_the_audience_of_their_tenant() {
    let mall = Mall::with(|name, builder| match name {
        "brand" => builder.audience("https://brand.example"),
        _ => builder,
    });
    let tenants = mall.tenants.tenants();
    let issue = |name| {
        let issuer = tenants.get(key(name)).unwrap().issuer();
        issuer.issue(&Subject::Anonymous).unwrap().into_token()
    };
    for (name, audience) in [("acme", "acme"), ("brand", "https://brand.example")] {
        let token = issue(name);
        let ring = tenants.get(key(name)).unwrap().issuer().keyring().clone();
        let clock = mall.clock.clone();
        let verifier = TokenVerifier::new(ring)
            .with_clock(move || clock.now())
            .with_any_audience();
        let verified = verifier.verify(&token).unwrap();
        assert_eq!(*verified.claims().audience, [Box::from(audience)]);
    }
}

/// The second sign-up of an address at one tenant waits for the first one, which hangs. The other
/// tenant is not affected.
#[tokio::test(start_paused = true)]
async fn sign_ups_of_one_address_wait_within_their_tenant() {
    let mall = Mall::open();
    let body = json!({ "email": "new@example.com", "first_name": "N" });
    let creation = Fault::stall().on(Method::POST, "/profiles").until_cleared();
    mall.sandbox("acme").inject(creation);
    let token = api_token("acme");
    let _hanging = begun(mall.post("acme", "/profiles", &token, &body)).await;
    let waiting = mall.post("acme", "/profiles", &token, &body).await;
    assert_eq!(waiting.status, 503, "waits for the first one, at most 5 s");
    let other = api_token("brand");
    mall.post("brand", "/profiles", &other, &body)
        .await
        .expect(200);
}

#[tokio::test(start_paused = true)]
async fn calls_that_hang_at_one_tenant_leave_the_limit_of_the_other_unused() {
    let mall = Mall::with(|_, builder| builder.max_in_flight(1));
    let [acme, brand] = ["acme", "brand"];
    let tokens = [
        mall.mint_for_ada(acme).await,
        mall.mint_for_ada(brand).await,
    ];
    mall.sandbox(acme).inject(Fault::stall().until_cleared());
    let _hanging = begun(mall.get(acme, "/profiles/me", &tokens[0])).await;
    mall.get(acme, "/profiles/me", &tokens[0]).await.expect(503);
    mall.get(brand, "/profiles/me", &tokens[1])
        .await
        .expect(200);
    let tenants = mall.tenants.tenants();
    let in_flight = BRANDS.map(|name| tenants.get(key(name)).unwrap().stats().in_flight);
    assert_eq!(in_flight, [1, 0]);
}

#[tokio::test]
async fn a_policy_applies_to_its_tenant() {
    let mall = Mall::with(|name, builder| match name {
        "acme" => {
            let policy = AccessPolicy::allow_all().deny("GET", "/balances").unwrap();
            builder.access_policy(policy)
        }
        _ => builder,
    });
    for (name, status) in [("acme", 405), ("brand", 200)] {
        let token = mall.mint_for_ada(name).await;
        mall.get(name, "/profiles/me/balances", &token)
            .await
            .expect(status);
    }
    mall.assert_no_calls("acme");
}

/// One step of the property test. A tenant is an index of [`BRANDS`], a token of those minted.
#[derive(Clone, Copy, Debug)]
enum Step {
    Mint {
        tenant: usize,
        profile: Option<usize>,
    },
    Use {
        tenant: usize,
        token: usize,
    },
    SignOut {
        tenant: usize,
        token: usize,
    },
    RevokeProfile {
        tenant: usize,
        profile: usize,
    },
    RevokeAll {
        tenant: usize,
    },
}

const PROFILES: [&str; 2] = [Sandbox::ADA_ID, Sandbox::GRACE_ID];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (tenant, token) = (0..2_usize, 0..8_usize);
    let step = prop_oneof![
        3 => (tenant.clone(), prop::option::of(0..2_usize))
            .prop_map(|(tenant, profile)| Step::Mint { tenant, profile }),
        6 => (tenant.clone(), token.clone())
            .prop_map(|(tenant, token)| Step::Use { tenant, token }),
        1 => (tenant.clone(), token)
            .prop_map(|(tenant, token)| Step::SignOut { tenant, token }),
        1 => (tenant.clone(), 0..2_usize)
            .prop_map(|(tenant, profile)| Step::RevokeProfile { tenant, profile }),
        1 => tenant.prop_map(|tenant| Step::RevokeAll { tenant }),
    ];
    prop::collection::vec(step, 1..24)
}

/// A minted token: its tenant, its profile, and whether it was ended.
struct Minted {
    token: String,
    tenant: usize,
    profile: Option<usize>,
    is_ended: bool,
}

async fn run(mall: &Mall, steps: Vec<Step>) {
    let mut minted: Vec<Minted> = Vec::new();
    for step in steps {
        mall.clock.advance(2);
        match step {
            Step::Mint { tenant, profile } => {
                let body = match profile {
                    Some(profile) => json!({ "id": PROFILES[profile] }),
                    None => json!({}),
                };
                let token = mall.mint(BRANDS[tenant], &body).await;
                let is_ended = false;
                minted.push(Minted {
                    token,
                    tenant,
                    profile,
                    is_ended,
                });
            }
            Step::Use { tenant, token } => {
                let Some(token) = minted.get(token) else {
                    continue;
                };
                let is_valid = token.tenant == tenant && !token.is_ended;
                let response = mall.get(BRANDS[tenant], "/locations", &token.token).await;
                assert_eq!(
                    response.status,
                    if is_valid { 200 } else { 401 },
                    "{step:?}"
                );
            }
            Step::SignOut { tenant, token } => {
                let Some(token) = minted.get_mut(token) else {
                    continue;
                };
                let is_valid = token.tenant == tenant && !token.is_ended;
                let request =
                    Request::delete("/auth/token").header("authorization", bearer(&token.token));
                let response = mall.send(BRANDS[tenant], request, "").await;
                assert_eq!(
                    response.status,
                    if is_valid { 204 } else { 401 },
                    "{step:?}"
                );
                token.is_ended |= is_valid;
            }
            Step::RevokeProfile { tenant, profile } => {
                let (name, body) = (BRANDS[tenant], json!({ "id": PROFILES[profile] }));
                mall.post(name, "/auth/revoke", &api_token(name), &body)
                    .await
                    .expect(204);
                for token in &mut minted {
                    token.is_ended |= token.tenant == tenant && token.profile == Some(profile);
                }
            }
            Step::RevokeAll { tenant } => {
                let (name, body) = (BRANDS[tenant], json!({ "all": true }));
                mall.post(name, "/auth/revoke", &api_token(name), &body)
                    .await
                    .expect(204);
                for token in &mut minted {
                    token.is_ended |= token.tenant == tenant;
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_token_is_valid_at_its_tenant_until_it_is_ended_there(
        steps in steps(),
        is_shared in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mall = mall(if is_shared { Keys::Shared } else { Keys::Own });
        runtime.block_on(run(&mall, steps));
    }
}
