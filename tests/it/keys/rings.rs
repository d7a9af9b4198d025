//! Key ids, and adding, replacing and removing keys of a ring.

use super::*;

#[test]
fn key_ids_are_validated() {
    let key = SigningKey::hs256(SECRET).unwrap();
    assert_eq!(
        key.clone().with_key_id("a \"b\"").unwrap().key_id(),
        Some("a \"b\"")
    );
    for id in ["", "a\nb", &"x".repeat(129)] {
        assert_eq!(
            kind(key.clone().with_key_id(id)),
            ConfigErrorKind::InvalidValue
        );
    }
}

#[test]
fn a_ring_rejects_a_duplicate_key_id() {
    let key = SigningKey::hs256(SECRET).unwrap().with_key_id("a").unwrap();
    let other = VerifyingKey::hs256("another secret of thirty-two bytes!").unwrap();
    let twice =
        KeySet::new(key.clone()).with_verifying_key(other.clone().with_key_id("a").unwrap());
    assert_eq!(kind(twice), ConfigErrorKind::DuplicateKeyId);
    let ring = Keyring::new(key);
    ring.add_verifying_key(other).unwrap();
    assert_eq!(ring.generation(), 1);
    assert_eq!(ring.keys().verifying_keys().len(), 2);
    assert_eq!(
        kind(Keyring::verifying_only([])),
        ConfigErrorKind::InvalidKey
    );
}

#[test]
fn replacing_keys_affects_every_clone() {
    let ring = Keyring::new(SigningKey::hs256(SECRET).unwrap());
    let clone = ring.clone();
    ring.replace(KeySet::new(SigningKey::from_pem(key!("ed25519")).unwrap()));
    assert_eq!(clone.generation(), 1);
    assert_eq!(
        clone.keys().signing_key().unwrap().algorithm(),
        Algorithm::EdDSA
    );
}

#[test]
fn debug_shows_algorithm_and_key_id_only() {
    let key = SigningKey::hs256(SECRET)
        .unwrap()
        .with_key_id("2026")
        .unwrap();
    let ring = Keyring::new(key.clone());
    let text = format!("{key:?} {:?} {ring:?} {ring:#?}", key.verifying_key());
    assert!(text.contains("HS256") && text.contains("2026"));
    assert!(!text.contains("secret of") && !text.contains("115, 101, 99"));
}

#[test]
fn a_ring_verifies_the_tokens_of_each_of_its_keys() {
    let secret = |i: u8| SigningKey::hs256([i; 32]).unwrap();
    let named = |i: u8| secret(i).with_key_id(&i.to_string()).unwrap();
    let is_valid = |ring: &Keyring, key: SigningKey| {
        let token = TokenIssuer::new(Keyring::new(key)).issue(&Subject::Anonymous);
        TokenVerifier::new(ring.clone())
            .verify(token.unwrap().token())
            .is_ok()
    };
    // A key without a key id is tried, however many other keys have one.
    let keys = (1..=63).map(|i| named(i).verifying_key());
    let ring = Keyring::verifying_only(keys).unwrap();
    ring.add_verifying_key(secret(64).verifying_key()).unwrap();
    assert!((1..=63).all(|i| is_valid(&ring, named(i))));
    assert!(is_valid(&ring, secret(64)));
    // A token without `kid` is tried with each key without a key id, so their number is bounded.
    let keys = (1..=8).map(|i| secret(i).verifying_key());
    let ring = Keyring::verifying_only(keys).unwrap();
    assert!((1..=8).all(|i| is_valid(&ring, secret(i))));
    let generation = ring.generation();
    let rejected = ring.add_verifying_key(secret(9).verifying_key());
    assert_eq!(kind(rejected), ConfigErrorKind::InvalidKey);
    assert_eq!(ring.generation(), generation);
    assert!(ring.add_verifying_key(named(9).verifying_key()).is_ok());
}

#[test]
fn tokens_of_a_removed_key_are_rejected_by_every_clone() {
    let named = |i: u8| {
        let key = SigningKey::hs256([i; 32]).unwrap();
        key.with_key_id(&i.to_string()).unwrap()
    };
    let token = |key: SigningKey| {
        let token = TokenIssuer::new(Keyring::new(key)).issue(&Subject::Anonymous);
        token.unwrap().into_token()
    };
    let ring = Keyring::new(named(1));
    let verifier = TokenVerifier::new(ring.clone());
    ring.add_verifying_key(named(2).verifying_key()).unwrap();
    let (own, old) = (token(named(1)), token(named(2)));
    // The second time, the token is in the cache.
    for _ in 0..2 {
        assert!(verifier.verify(&old).is_ok());
    }
    assert_eq!(ring.remove_verifying_key("2").unwrap(), 1);
    assert_eq!(ring.generation(), 2);
    let error = verifier.verify(&old).unwrap_err();
    assert_eq!(error.kind(), VerifyErrorKind::UnknownKey);
    assert!(verifier.verify(&own).is_ok());
    // It can be added again.
    ring.add_verifying_key(named(2).verifying_key()).unwrap();
    assert!(verifier.verify(&old).is_ok());
}

#[test]
fn removing_an_unknown_key_changes_nothing() {
    let key = SigningKey::hs256([1; 32]).unwrap();
    let ring = Keyring::new(key.with_key_id("signing").unwrap());
    let without_id = VerifyingKey::hs256([2; 32]).unwrap();
    ring.add_verifying_key(without_id).unwrap();
    assert_eq!(ring.remove_verifying_key("other").unwrap(), 0);
    assert_eq!(ring.remove_verifying_key("").unwrap(), 0);
    assert_eq!(ring.generation(), 1);
    assert_eq!(ring.keys().verifying_keys().len(), 2);
}

#[test]
fn the_signing_key_and_the_last_key_cannot_be_removed() {
    let signing = SigningKey::hs256([1; 32]).unwrap();
    let ring = Keyring::new(signing.with_key_id("a").unwrap());
    let other = VerifyingKey::hs256([2; 32]).unwrap();
    ring.add_verifying_key(other.with_key_id("b").unwrap())
        .unwrap();
    assert_eq!(
        kind(ring.remove_verifying_key("a")),
        ConfigErrorKind::InvalidKey
    );
    assert_eq!(ring.generation(), 1);
    let last = VerifyingKey::hs256([1; 32]).unwrap().with_key_id("a");
    let ring = Keyring::verifying_only([last.unwrap()]).unwrap();
    assert_eq!(
        kind(ring.remove_verifying_key("a")),
        ConfigErrorKind::InvalidKey
    );
    assert_eq!(ring.keys().verifying_keys().len(), 1);
}

#[test]
fn all_keys_with_a_key_id_are_removed_together() {
    let signing = SigningKey::hs256([1; 32]).unwrap();
    let ring = Keyring::new(signing.with_key_id("new").unwrap());
    // Keys of different algorithms may share a key id.
    for key in [
        VerifyingKey::hs256([2; 32]).unwrap(),
        VerifyingKey::hs512([2; 64]).unwrap(),
    ] {
        ring.add_verifying_key(key.with_key_id("old").unwrap())
            .unwrap();
    }
    assert_eq!(ring.remove_verifying_key("old").unwrap(), 2);
    assert_eq!(ring.keys().verifying_keys().len(), 1);
}
