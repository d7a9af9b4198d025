//! The set itself: bounds, expiry, and what other processes write.

use omneo_id::revocation::{Revocation, RevokeErrorKind};

use super::{DAY, HOUR, NOW, Process, ada, grace, profile};

#[tokio::test]
async fn a_full_set_rejects_revocations_and_keeps_its_entries() {
    let process = Process::with(|revocations| revocations.with_capacity(3));
    for id in ["1", "2", "3"] {
        process.revocations.revoke_token_id(id).await.unwrap();
    }
    let error = process
        .revocations
        .revoke_profile(&profile("ada"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), RevokeErrorKind::Full);
    // An entry that exists needs no further room, and neither does the end of all sessions.
    process.revocations.revoke_token_id("3").await.unwrap();
    let token = process.mint(&ada());
    process.assert_valid(&token);
    process.revocations.revoke_all().await.unwrap();
    process.assert_revoked(&token);
    let stats = process.revocations.stats();
    assert_eq!((stats.entries, stats.capacity, stats.rejected), (3, 3, 1));
    process.set_time(NOW + 2 * DAY);
    process
        .revocations
        .revoke_profile(&profile("ada"))
        .await
        .unwrap();
    assert_eq!(process.revocations.stats().entries, 1);
}

#[tokio::test]
async fn expired_entries_are_removed() {
    let process = Process::new();
    for id in 0..5000 {
        process
            .revocations
            .revoke_token_id(&id.to_string())
            .await
            .unwrap();
    }
    assert_eq!(process.revocations.stats().entries, 5000);
    process.revocations.evict_expired();
    assert_eq!(process.revocations.stats().entries, 5000);
    process.set_time(NOW + DAY + 2 * HOUR);
    process.revocations.evict_expired();
    assert_eq!(process.revocations.stats().entries, 0);
}

#[test]
fn a_revocation_of_another_process_ends_the_same_tokens() {
    let process = Process::new();
    let token = process.mint(&ada());
    let other = process.mint(&grace());
    let of_ada = Revocation::Profile {
        profile: profile("ada"),
        issued_until: NOW,
        expires_at: NOW + DAY,
    };
    for _ in 0..2 {
        process.revocations.apply(&of_ada).unwrap();
        process.assert_revoked(&token);
        process.assert_valid(&other);
    }
    let earlier = Revocation::Profile {
        profile: profile("ada"),
        issued_until: NOW - 100,
        expires_at: NOW + 2 * DAY,
    };
    process.revocations.apply(&earlier).unwrap();
    process.assert_revoked(&token);
    let of_all = Revocation::All {
        issued_until: NOW,
        expires_at: NOW + DAY,
    };
    process.revocations.apply(&of_all).unwrap();
    process.assert_revoked(&other);
    assert_eq!(process.revocations.stats().entries, 1);
}

#[test]
fn an_expired_revocation_has_no_effect() {
    let process = Process::new();
    let token = process.mint(&ada());
    for expires_at in [0, NOW] {
        let profile = profile("ada");
        let issued_until = NOW;
        let of_profile = Revocation::Profile {
            profile,
            issued_until,
            expires_at,
        };
        let of_all = Revocation::All {
            issued_until,
            expires_at,
        };
        for revocation in [of_profile, of_all] {
            process.revocations.apply(&revocation).unwrap();
        }
    }
    process.assert_valid(&token);
    assert_eq!(process.revocations.stats().entries, 0);
}

#[test]
fn changes_sweep_expired_entries_without_a_call() {
    let process = Process::new();
    let end = |number: u64, expires_at: u64| {
        let token_id = number.to_string().into();
        let revocation = Revocation::Token {
            token_id,
            expires_at,
        };
        process.revocations.apply(&revocation).unwrap();
    };
    (0..3000).for_each(|number| end(number, NOW + 60));
    process.set_time(NOW + 60);
    (3000..6000).for_each(|number| end(number, NOW + 120));
    assert_eq!(process.revocations.stats().entries, 3000);
}
