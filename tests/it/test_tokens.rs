//! Test tokens for host applications: the valid ones verify, each invalid one has the named fault.

use omneo_id::auth::VerifyErrorKind;
use omneo_id::error::ConfigErrorKind;
use omneo_id::keys::{Algorithm, KeySet};
use omneo_id::sandbox::TestTokens;
use omneo_id::{Keyring, SigningKey, Subject, TokenVerifier};
use serde_json::json;

const NOW: u64 = 1_700_000_000;
const PID: &str = "3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10";

fn keys() -> Vec<SigningKey> {
    let secret = [7; 64];
    let pem = |pem: &[u8]| SigningKey::from_pem(pem).unwrap();
    let rsa = pem(include_bytes!("../keys/rsa2048.pem"));
    vec![
        SigningKey::hs256(secret).unwrap(),
        SigningKey::hs512(secret).unwrap(),
        pem(include_bytes!("../keys/ed25519.pem")),
        pem(include_bytes!("../keys/p256.pem")),
        rsa.clone().with_key_id("2026").unwrap(),
        rsa.with_algorithm(Algorithm::PS256).unwrap(),
    ]
}

#[test]
fn each_test_token_is_as_named_with_every_kind_of_key() {
    for key in keys() {
        let algorithm = key.algorithm();
        let ring = Keyring::new(key);
        let tokens = TestTokens::new(&ring).unwrap().with_clock(|| NOW);
        let verifier = TokenVerifier::new(ring).with_clock(|| NOW);
        let subject = |token: &str| verifier.verify(token).unwrap().subject().clone();
        let kind = |token: &str| verifier.verify(token).unwrap_err().kind();

        let ada = Subject::Profile(PID.parse().unwrap());
        assert_eq!(subject(&tokens.valid(PID)), ada, "{algorithm}");
        assert_eq!(subject(&tokens.anonymous()), Subject::Anonymous);
        assert_eq!(subject(&tokens.valid("../x")), Subject::Anonymous);
        for (token, expected) in [
            (tokens.expired(PID), VerifyErrorKind::Expired),
            (tokens.not_yet_valid(PID), VerifyErrorKind::NotYetValid),
            (tokens.foreign(PID), VerifyErrorKind::Signature),
            (tokens.unsigned(PID), VerifyErrorKind::Algorithm),
            (tokens.malformed(), VerifyErrorKind::Malformed),
            (tokens.signed(&json!({})), VerifyErrorKind::NoExpiry),
        ] {
            assert_eq!(kind(&token), expected, "{algorithm}");
        }
    }
}

#[test]
fn invalid_test_tokens_are_rejected_with_the_largest_leeway() {
    let ring = Keyring::new(keys().remove(0));
    let tokens = TestTokens::new(&ring).unwrap().with_clock(|| NOW);
    let leeway = std::time::Duration::from_secs(60);
    let verifier = TokenVerifier::new(ring).with_clock(|| NOW);
    let verifier = verifier.with_leeway(leeway).unwrap();
    assert!(verifier.verify(&tokens.valid(PID)).is_ok());
    assert!(verifier.verify(&tokens.expired(PID)).is_err());
    assert!(verifier.verify(&tokens.not_yet_valid(PID)).is_err());
}

#[test]
fn test_tokens_have_the_configured_issuer_and_audience() {
    let ring = Keyring::new(keys().remove(0));
    let tokens = TestTokens::new(&ring).unwrap();
    let verifier = TokenVerifier::new(ring).with_issuer("omneo").unwrap();
    let verifier = verifier.with_audience("shop").unwrap();
    let named = tokens.clone().with_issuer("omneo").with_audience("shop");
    assert!(verifier.verify(&named.valid(PID)).is_ok());
    assert!(verifier.verify(&tokens.valid(PID)).is_err());
}

#[test]
fn test_tokens_keep_their_key_after_a_rotation() {
    let [old, new] = [[7; 32], [8; 32]].map(|secret| SigningKey::hs256(secret).unwrap());
    let ring = Keyring::new(old);
    let tokens = TestTokens::new(&ring).unwrap();
    let verifier = TokenVerifier::new(ring.clone());
    assert!(verifier.verify(&tokens.valid(PID)).is_ok());
    ring.replace(KeySet::new(new));
    assert!(verifier.verify(&tokens.valid(PID)).is_err());
    let tokens = TestTokens::new(&ring).unwrap();
    assert!(verifier.verify(&tokens.valid(PID)).is_ok());
}

#[test]
fn a_verifying_ring_signs_no_test_tokens_and_debug_shows_no_secret() {
    let key = SigningKey::hs256("a secret that is not to be seen in any log").unwrap();
    let public = Keyring::verifying_only([key.verifying_key()]).unwrap();
    let error = TestTokens::new(&public).unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::InvalidKey);
    let tokens = TestTokens::new(&Keyring::new(key)).unwrap();
    assert!(!format!("{tokens:?}").contains("not to be seen"));
}
