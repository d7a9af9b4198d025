//! Which tokens are refused after sessions were ended.

use std::time::Duration;

use omneo_id::auth::VerifyErrorKind;
use omneo_id::identity::VerifiedToken;
use omneo_id::revocation::RevokeErrorKind;
use omneo_id::{Keyring, SigningKey, Subject, TokenIssuer, TokenVerifier};

use super::{DAY, HOUR, NOW, Process, ada, grace, sign};

#[tokio::test]
async fn an_ended_token_is_refused_at_its_next_use_and_the_others_stay_valid() {
    let process = Process::new();
    let [phone, laptop] = [process.mint(&ada()), process.mint(&ada())];
    // The first use caches both.
    process.assert_valid(&laptop);
    let verified = process.verifier.verify(&phone).unwrap();
    let revoked = process.revocations.revoke_token(verified.claims()).await;
    revoked.unwrap();
    process.assert_revoked(&phone);
    process.assert_revoked(&phone);
    process.assert_valid(&laptop);
    assert!(process.revocations.is_revoked(verified.claims()));
}

#[tokio::test]
async fn a_token_is_refused_at_its_first_use_too() {
    let process = Process::new();
    let token = process.mint(&ada());
    process.end_all_of("ada").await;
    process.assert_revoked(&token);
}

#[tokio::test]
async fn a_token_is_ended_by_its_id() {
    let process = Process::new();
    let [token, other] = [
        process.mint(&Subject::Anonymous),
        process.mint(&Subject::Anonymous),
    ];
    let verified = process.verifier.verify(&token).unwrap();
    let token_id = verified.claims().token_id.as_deref().unwrap();
    process.revocations.revoke_token_id(token_id).await.unwrap();
    process.assert_revoked(&token);
    process.assert_valid(&other);
}

#[tokio::test]
async fn the_sessions_of_a_profile_end_and_a_login_in_the_same_second_works() {
    let process = Process::new();
    let [token, other, anonymous] =
        [&ada(), &grace(), &Subject::Anonymous].map(|subject| process.mint(subject));
    for token in [&token, &other, &anonymous] {
        process.assert_valid(token);
    }
    process.end_all_of("ada").await;
    process.assert_revoked(&token);
    process.assert_valid(&other);
    process.assert_valid(&anonymous);
    let again = process.mint(&ada());
    process.assert_valid(&again);
    let issued_at = process.verifier.verify(&again).unwrap().claims().issued_at;
    assert_eq!(issued_at, Some(NOW + 1));
    // The second end of all sessions in one second covers the login between them.
    process.end_all_of("ada").await;
    process.assert_revoked(&again);
    let third = process.mint(&ada());
    process.assert_valid(&third);
    process.set_time(NOW + 10);
    let issued_at = |token: &str| process.verifier.verify(token).unwrap().claims().issued_at;
    assert_eq!(issued_at(&process.mint(&ada())), Some(NOW + 10));
}

#[tokio::test]
async fn the_sessions_of_all_subjects_end_and_logins_in_the_same_second_work() {
    let process = Process::new();
    let subjects = [ada(), grace(), Subject::Anonymous];
    let mut tokens = subjects.each_ref().map(|subject| process.mint(subject));
    for _ in 0..3 {
        tokens.iter().for_each(|token| process.assert_valid(token));
        process.revocations.revoke_all().await.unwrap();
        tokens
            .iter()
            .for_each(|token| process.assert_revoked(token));
        tokens = subjects.each_ref().map(|subject| process.mint(subject));
    }
    tokens.iter().for_each(|token| process.assert_valid(token));
}

#[tokio::test]
async fn repeated_revocations_without_a_login_do_not_move_the_next_iat() {
    let process = Process::new();
    for _ in 0..100 {
        process.end_all_of("ada").await;
        process.revocations.revoke_all().await.unwrap();
    }
    let token = process.mint(&ada());
    let verified = process.verifier.verify(&token).unwrap();
    assert_eq!(verified.claims().issued_at, Some(NOW + 1));
}

#[tokio::test]
async fn a_clock_that_is_set_back_keeps_ended_tokens_ended() {
    let process = Process::new();
    let token = process.mint(&ada());
    process.end_all_of("ada").await;
    process.set_time(NOW - 3);
    process.assert_revoked(&token);
    // The new token is 4 seconds in the future, which is within the leeway.
    let again = process.mint(&ada());
    process.assert_valid(&again);
    process.end_all_of("ada").await;
    process.assert_revoked(&again);
}

#[tokio::test]
async fn a_profile_ends_in_every_spelling_of_its_id() {
    let process = Process::new();
    let token = process.mint(&ada());
    process.end_all_of("ADA").await;
    process.assert_revoked(&token);
    let again = process.mint(&ada());
    process.assert_valid(&again);
    process.end_all_of("Ada").await;
    process.assert_revoked(&again);
    assert_eq!(process.revocations.stats().entries, 1);
}

#[tokio::test]
async fn a_token_without_iat_counts_as_issued_at_0() {
    let process = Process::new();
    let claims = |jti: &str| format!(r#"{{"pid":"ada","exp":{}{jti}}}"#, NOW + HOUR);
    let [token, other] = [r#","jti":"1""#, r#","jti":"2""#].map(|jti| sign(&claims(jti)));
    process.assert_valid(&other);
    process.end(&token).await;
    process.assert_revoked(&token);
    process.assert_valid(&other);
    process.end_all_of("ada").await;
    process.assert_revoked(&other);
}

#[tokio::test]
async fn a_token_with_a_fraction_in_its_iat_ends_with_its_second() {
    let process = Process::new();
    let claims = format!(r#"{{"pid":"ada","iat":{NOW}.9,"exp":{}}}"#, NOW + HOUR);
    let token = sign(&claims);
    process.assert_valid(&token);
    process.end_all_of("ada").await;
    process.assert_revoked(&token);
}

#[tokio::test]
async fn a_token_without_jti_ends_with_the_earlier_tokens_of_its_profile() {
    let process = Process::new();
    let later = process.mint(&ada());
    let sign = |pid: &str| {
        let claims = format!(
            r#"{{"pid":"{pid}","iat":{},"exp":{}}}"#,
            NOW - 1,
            NOW + HOUR
        );
        let token = sign(&claims);
        process.verifier.verify(&token).unwrap()
    };
    let verified = sign("ada");
    process
        .revocations
        .revoke_token(verified.claims())
        .await
        .unwrap();
    assert!(process.revocations.is_revoked(verified.claims()));
    process.assert_valid(&later);
    // The anonymous tokens of other visitors are not ended for one of them.
    let anonymous = sign("null");
    let error = process
        .revocations
        .revoke_token(anonymous.claims())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), RevokeErrorKind::NoTokenId);
}

#[tokio::test]
async fn many_ended_tokens_of_one_profile_become_one_entry() {
    let process = Process::new();
    let mut tokens = Vec::new();
    for second in 0..257 {
        process.set_time(NOW + second);
        tokens.push(process.mint(&ada()));
    }
    let first = process.mint(&grace());
    process.set_time(NOW + 257);
    let last = process.mint(&ada());
    for token in &tokens[1..] {
        process.end(token).await;
    }
    process.assert_valid(&tokens[0]);
    // One more than 256: the tokens up to the latest ended one are ended.
    process.end(&tokens[0]).await;
    let entries = process.revocations.stats().entries;
    assert_eq!(entries, 257, "256 tokens and the profile");
    for token in &tokens {
        process.assert_revoked(token);
    }
    process.assert_valid(&last);
    process.assert_valid(&first);
}

#[tokio::test]
async fn a_client_that_rotates_its_token_for_days_ends_no_other_session() {
    let process = Process::new();
    let mut entries = 0;
    for minute in (0..3 * DAY / 60).step_by(15) {
        // Another device, which rotates its token rarely.
        process.set_time(NOW + 60 * minute);
        let other = process.mint(&ada());
        for second in 0..40 {
            process.set_time(NOW + 60 * minute + second);
            let token = process.mint(&ada());
            process.end(&token).await;
            process.assert_revoked(&token);
        }
        process.assert_valid(&other);
        process.revocations.evict_expired();
        entries = process.revocations.stats().entries.max(entries);
    }
    // 160 an hour, each kept for an hour and the leeway.
    assert!(entries <= 1 + 160 + 40, "{entries}");
}

#[tokio::test]
async fn an_entry_is_kept_while_a_token_can_be_valid() {
    let process = Process::new();
    let token = process.mint(&ada());
    process.end(&token).await;
    process.set_time(NOW + HOUR + 4);
    process.revocations.evict_expired();
    process.assert_revoked(&token);
    process.set_time(NOW + HOUR + 60);
    process.revocations.evict_expired();
    assert_eq!(process.revocations.stats().entries, 0);
    assert_eq!(process.check(&token), Err(VerifyErrorKind::Expired));
}

#[tokio::test]
async fn a_verifier_with_a_longer_lifetime_keeps_entries_longer() {
    let process = Process::new();
    let lifetime = Duration::from_secs(2 * DAY);
    let verifier = process
        .verifier
        .clone()
        .with_max_lifetime(lifetime)
        .unwrap();
    process.end_all_of("ada").await;
    let claims = format!(r#"{{"pid":"ada","iat":{NOW},"exp":{}}}"#, NOW + 2 * DAY);
    let token = sign(&claims);
    process.set_time(NOW + 2 * DAY + 4);
    process.revocations.evict_expired();
    assert_eq!(
        verifier.verify(&token).unwrap_err().kind(),
        VerifyErrorKind::Revoked
    );
}

#[test]
fn a_filter_is_asked_at_each_use() {
    let ring = Keyring::new(SigningKey::hs256("a secret of more than thirty-two bytes").unwrap());
    let suspended = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let verifier = TokenVerifier::new(ring.clone()).with_filter({
        let suspended = suspended.clone();
        move |token: &VerifiedToken| {
            *token.subject() != ada() || !suspended.load(std::sync::atomic::Ordering::Relaxed)
        }
    });
    let issuer = TokenIssuer::new(ring);
    let [token, other] = [ada(), grace()].map(|subject| issuer.issue(&subject).unwrap());
    assert!(verifier.verify(token.token()).is_ok());
    suspended.store(true, std::sync::atomic::Ordering::Relaxed);
    let error = verifier.verify(token.token()).unwrap_err();
    assert_eq!(error.kind(), VerifyErrorKind::Filtered);
    assert!(verifier.verify(other.token()).is_ok());
}
