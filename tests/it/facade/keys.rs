//! Keys that are missing, rotated or replaced under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use omneo_id::error::ConfigErrorKind;
use omneo_id::keys::KeySet;
use omneo_id::sandbox::Sandbox;
use omneo_id::{Keyring, OmneoId, SigningKey};
use serde_json::json;

use crate::support::{SECRET, Shop};

#[tokio::test]
async fn without_a_signing_key_build_and_mint_fail() {
    let key = SigningKey::hs256([7; 32]).unwrap();
    let verifying = || KeySet::verifying_only([key.verifying_key()]).unwrap();
    let refused = OmneoId::builder()
        .upstream("https://api.acme.test")
        .unwrap()
        .api_token("secret")
        .keyring(verifying().into())
        .build();
    assert_eq!(refused.unwrap_err().kind(), ConfigErrorKind::Missing);

    // A signing key that is removed at run time is not an error of the tenant.
    let ring = Keyring::new(key.clone());
    let shop = Shop::with(|builder| builder.keyring(ring.clone()));
    ring.replace(verifying());
    let without_id = json!({});
    let response = shop
        .post("/auth/token", Sandbox::API_TOKEN, &without_id)
        .await;
    assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        response.json()["message"],
        "No token can be issued at present."
    );
}

#[tokio::test]
async fn keys_rotate_while_requests_run() {
    let key = |secret: &str, id| SigningKey::hs256(secret).unwrap().with_key_id(id).unwrap();
    let (first, second) = (
        key(SECRET, "old"),
        key("another secret of thirty-two bytes!", "new"),
    );
    let ring = Keyring::new(first.clone());
    let shop = Shop::with(|builder| builder.keyring(ring.clone()));
    let old = shop.mint_for_ada().await;

    let both = KeySet::new(second.clone())
        .with_verifying_key(first.verifying_key())
        .unwrap();
    ring.replace(both);
    let new = shop.mint_for_ada().await;
    assert_eq!(shop.get("/profiles/me", &old).await.status, StatusCode::OK);
    assert_eq!(shop.get("/profiles/me", &new).await.status, StatusCode::OK);

    ring.replace(KeySet::new(second));
    assert_eq!(
        shop.get("/profiles/me", &old).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(shop.get("/profiles/me", &new).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keys_can_be_replaced_under_load() {
    let key = |number: usize| {
        SigningKey::hs256(format!(
            "secret number {number} of at least thirty-two bytes"
        ))
        .unwrap()
    };
    let ring = Keyring::new(key(0));
    let shared = ring.clone();
    let shop = Arc::new(Shop::with(|builder| builder.keyring(shared)));
    let stop = Arc::new(AtomicBool::new(false));
    let served: Arc<[AtomicUsize]> = (0..8).map(|_| AtomicUsize::new(0)).collect();
    let visitors: Vec<_> = (0..served.len())
        .map(|visitor| {
            let (shop, stop, served) = (Arc::clone(&shop), Arc::clone(&stop), Arc::clone(&served));
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    // Minted with one keyring, and verified while the keyring may be replaced.
                    let token = shop.mint_for_ada().await;
                    tokio::task::yield_now().await;
                    let response = shop.get("/profiles/me", &token).await;
                    assert_eq!(response.status, 200);
                    served[visitor].fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for number in 1..=30 {
        // The previous key still verifies, and no client is two rotations behind.
        let keys = KeySet::new(key(number));
        let before = key(number - 1).verifying_key();
        ring.replace(keys.with_verifying_key(before).unwrap());
        for (visitor, served) in visitors.iter().zip(served.iter()) {
            let before = served.load(Ordering::SeqCst);
            while served.load(Ordering::SeqCst) < before + 2 {
                assert!(!visitor.is_finished(), "a request failed");
                tokio::time::sleep(Duration::from_micros(100)).await;
            }
        }
    }
    stop.store(true, Ordering::SeqCst);
    for visitor in visitors {
        visitor.await.unwrap();
    }
    // A token of an older key is rejected.
    let old = omneo_id::sandbox::TestTokens::new(&Keyring::new(key(1))).unwrap();
    let clock = shop.clock.clone();
    let token = old.with_clock(move || clock.now()).valid(Sandbox::ADA_ID);
    assert_eq!(shop.get("/profiles/me", &token).await.status, 401);
}
