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
