//! JWK sets.

use super::*;

#[test]
fn a_jwk_set_round_trips_without_secrets() {
    let mut keys = KeySet::new(SigningKey::hs256(SECRET).unwrap().with_key_id("s").unwrap());
    for (index, &(pem, _)) in PUBLIC[..4].iter().enumerate() {
        let key = VerifyingKey::from_pem(pem)
            .unwrap()
            .with_key_id(&index.to_string());
        keys = keys.with_verifying_key(key.unwrap()).unwrap();
    }
    let jwks = Keyring::from(keys).to_jwks();
    assert_eq!(jwks["keys"].as_array().unwrap().len(), 4);
    assert!(
        jwks["keys"]
            .as_array()
            .unwrap()
            .iter()
            .all(|key| key.get("k").is_none())
    );
    let restored = Keyring::from_jwks(jwks.to_string()).unwrap();
    assert_eq!(restored.to_jwks(), jwks);
    assert!(restored.keys().signing_key().is_none());
}

#[test]
fn a_jwk_set_skips_unusable_keys() {
    let good = jwk(VerifyingKey::from_pem(key!("ed25519.pub")).unwrap());
    let with = |name: &str, value: Value| {
        let mut jwk = good.clone();
        jwk[name] = value;
        jwk
    };
    let set = json!({ "keys": [
        good.clone(),
        with("use", json!("enc")),
        with("key_ops", json!(["sign"])),
        with("alg", json!("ES256")),
        with("alg", json!("none")),
        with("alg", json!(1)),
        with("kid", json!("")),
        with("x", json!("AAAA")),
        with("x", json!(null)),
        with("kty", json!("AKP")),
        json!({ "kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "alg": "HS256" }),
        json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" }),
        json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" }),
        json!("text"),
    ]});
    assert_eq!(
        Keyring::from_jwks(set.to_string())
            .unwrap()
            .keys()
            .verifying_keys()
            .len(),
        1
    );
    for nothing in [
        json!({ "keys": [] }),
        json!({}),
        json!([good]),
        json!({"keys": 1}),
    ] {
        assert_eq!(
            kind(Keyring::from_jwks(nothing.to_string())),
            ConfigErrorKind::InvalidKey
        );
    }
    assert_eq!(kind(Keyring::from_jwks("{")), ConfigErrorKind::InvalidKey);
    let one = VerifyingKey::from_jwk(with("kid", json!("k")).to_string()).unwrap();
    assert_eq!(
        (one.algorithm(), one.key_id()),
        (Algorithm::EdDSA, Some("k"))
    );
    for nothing in ["{}", "", "[]", r#"{"kty":"oct","k":"AAAA"}"#] {
        assert_eq!(
            kind(VerifyingKey::from_jwk(nothing)),
            ConfigErrorKind::InvalidKey
        );
    }
}

/// The private keys of an earlier issuer, with a key id each.
fn earlier_keys() -> Vec<SigningKey> {
    let keys = [key!("ed25519"), key!("p256"), key!("p384"), key!("rsa2048")];
    keys.into_iter()
        .enumerate()
        .map(|(year, pem)| {
            let key = SigningKey::from_pem(pem).unwrap();
            key.with_key_id(&(2020 + year).to_string()).unwrap()
        })
        .collect()
}

/// Asserts that a ring of these keys accepts tokens of each of `signing`, and signs with `own`.
fn assert_accepted(keys: KeySet, own: &SigningKey, signing: &[SigningKey]) {
    let ring = Keyring::from(keys);
    assert_eq!(ring.keys().signing_key().unwrap().key_id(), own.key_id());
    let verifier = TokenVerifier::new(ring.clone());
    let mut issuers = vec![TokenIssuer::new(ring)];
    issuers.extend(
        signing
            .iter()
            .cloned()
            .map(|key| TokenIssuer::new(Keyring::new(key))),
    );
    for issuer in issuers {
        let token = issuer.issue(&Subject::Anonymous).unwrap();
        assert!(verifier.verify(token.token()).is_ok());
    }
    let other = SigningKey::hs256("another secret of thirty-two bytes!").unwrap();
    let token = TokenIssuer::new(Keyring::new(other)).issue(&Subject::Anonymous);
    assert!(verifier.verify(token.unwrap().token()).is_err());
}

#[test]
fn a_ring_that_signs_accepts_the_tokens_of_all_keys_of_a_jwk_set() {
    let earlier = earlier_keys();
    let public = earlier.iter().map(SigningKey::verifying_key);
    let jwks = Keyring::verifying_only(public).unwrap().to_jwks();
    let own = SigningKey::hs256(SECRET)
        .unwrap()
        .with_key_id("2026")
        .unwrap();
    let keys = KeySet::new(own.clone()).with_verifying_jwks(jwks.to_string());
    let keys = keys.unwrap();
    let ids: Vec<_> = keys
        .verifying_keys()
        .iter()
        .filter_map(VerifyingKey::key_id)
        .collect();
    assert_eq!(ids, ["2026", "2020", "2021", "2022", "2023"]);
    assert_accepted(keys, &own, &earlier);
}

#[test]
fn a_ring_that_signs_accepts_the_tokens_of_private_public_and_jwk_files() {
    let own = SigningKey::hs256(SECRET)
        .unwrap()
        .with_key_id("2026")
        .unwrap();
    let p256 = SigningKey::from_pem(key!("p256")).unwrap();
    let keys = KeySet::new(own.clone())
        .with_verifying_key(p256.verifying_key())
        .and_then(|keys| keys.with_verifying_key(VerifyingKey::from_pem(key!("ed25519.pub"))?))
        .and_then(|keys| {
            let jwk = jwk(VerifyingKey::from_pem(key!("rsa2048.pub"))?);
            keys.with_verifying_key(VerifyingKey::from_jwk(jwk.to_string())?)
        });
    let signing = [key!("ed25519"), key!("p256"), key!("rsa2048")];
    let signing = signing.map(|pem| SigningKey::from_pem(pem).unwrap());
    assert_accepted(keys.unwrap(), &own, &signing);
}

#[test]
fn a_key_of_a_jwk_set_that_is_in_the_ring_already_is_skipped() {
    let keys = earlier_keys();
    let [own, other, ..] = &keys[..] else {
        unreachable!()
    };
    // The set that another replica publishes includes the signing key.
    let jwks = KeySet::new(own.clone()).with_verifying_key(other.verifying_key());
    let jwks = jwks.unwrap().to_jwks().to_string();
    let ring = KeySet::new(own.clone()).with_verifying_jwks(&jwks).unwrap();
    assert_eq!(ring.verifying_keys().len(), 2);
    let ring = ring.with_verifying_jwks(&jwks).unwrap();
    assert_eq!(ring.verifying_keys().len(), 2);
    assert_accepted(ring, own, &keys[..2]);
    // Another key with the key id of the signing key is an error.
    let second = SigningKey::from_pem(key!("ed25519")).unwrap();
    let mut jwk = jwk(second.verifying_key());
    jwk["kid"] = json!("2021");
    jwk["x"] = json!("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    let signing = SigningKey::from_pem(key!("ed25519")).unwrap();
    let signing = KeySet::new(signing.with_key_id("2021").unwrap());
    let result = signing.with_verifying_jwks(json!({ "keys": [jwk] }).to_string());
    assert_eq!(kind(result), ConfigErrorKind::DuplicateKeyId);
}

#[test]
fn a_jwk_set_without_a_usable_key_is_not_added() {
    let own = || KeySet::new(SigningKey::hs256(SECRET).unwrap());
    let secret = json!({ "kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0" });
    for text in [
        json!({ "keys": [] }).to_string(),
        json!({ "keys": [secret] }).to_string(),
        json!([]).to_string(),
        "{".to_owned(),
        String::from_utf8(key!("p256.pub").to_vec()).unwrap(),
    ] {
        let result = own().with_verifying_jwks(&text);
        assert_eq!(kind(result), ConfigErrorKind::InvalidKey, "{text}");
    }
}
