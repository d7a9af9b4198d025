//! Keys and the ring, through the public API.

use omneo_id::auth::TokenVerifier;
use omneo_id::error::{ConfigError, ConfigErrorKind};
use omneo_id::keys::{Algorithm, KeySet, Keyring, SigningKey, VerifyingKey};
use omneo_id::{Subject, TokenIssuer};
use serde_json::{Value, json};

const SECRET: &str = "a secret of more than thirty-two bytes";

macro_rules! key {
    ($name:literal) => {
        include_bytes!(concat!("../keys/", $name, ".pem")).as_slice()
    };
}

const PRIVATE: &[(&[u8], Algorithm)] = &[
    (key!("ed25519"), Algorithm::EdDSA),
    (key!("p256"), Algorithm::ES256),
    (key!("p256.sec1"), Algorithm::ES256),
    (key!("p384"), Algorithm::ES384),
    (key!("rsa2048"), Algorithm::RS256),
    (key!("rsa2048.pkcs1"), Algorithm::RS256),
];

const PUBLIC: &[(&[u8], Algorithm)] = &[
    (key!("ed25519.pub"), Algorithm::EdDSA),
    (key!("p256.pub"), Algorithm::ES256),
    (key!("p384.pub"), Algorithm::ES384),
    (key!("rsa2048.pub"), Algorithm::RS256),
    (key!("rsa2048.pkcs1.pub"), Algorithm::RS256),
];

fn kind<T: std::fmt::Debug>(result: Result<T, ConfigError>) -> ConfigErrorKind {
    result.unwrap_err().kind()
}

/// The public part of a key, as it appears in a JWK set.
fn jwk(key: VerifyingKey) -> Value {
    let jwks = Keyring::verifying_only([key]).unwrap().to_jwks();
    jwks["keys"][0].clone()
}

#[test]
fn a_key_file_tells_its_algorithm() {
    for &(pem, algorithm) in PRIVATE {
        assert_eq!(SigningKey::from_pem(pem).unwrap().algorithm(), algorithm);
    }
    for &(pem, algorithm) in PUBLIC {
        assert_eq!(VerifyingKey::from_pem(pem).unwrap().algorithm(), algorithm);
    }
}

#[test]
fn the_public_half_of_a_private_key_is_the_one_that_openssl_derives() {
    for (private, public) in [
        (key!("ed25519"), key!("ed25519.pub")),
        (key!("p256"), key!("p256.pub")),
        (key!("p256.sec1"), key!("p256.pub")),
        (key!("p384"), key!("p384.pub")),
        (key!("rsa2048"), key!("rsa2048.pub")),
        (key!("rsa2048.pkcs1"), key!("rsa2048.pkcs1.pub")),
    ] {
        let derived = SigningKey::from_pem(private).unwrap().verifying_key();
        let read = VerifyingKey::from_pem(public).unwrap();
        assert_eq!(jwk(derived), jwk(read));
    }
}

#[test]
fn an_rsa_key_signs_by_the_algorithm_that_is_chosen_and_no_other_kind_is() {
    let rsa = SigningKey::from_pem(key!("rsa2048")).unwrap();
    for algorithm in [
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
    ] {
        let key = rsa.clone().with_algorithm(algorithm).unwrap();
        assert_eq!(key.verifying_key().algorithm(), algorithm);
    }
    for algorithm in [Algorithm::HS256, Algorithm::ES256, Algorithm::EdDSA] {
        let refused = rsa.clone().with_algorithm(algorithm);
        assert_eq!(kind(refused), ConfigErrorKind::InvalidKey);
    }
    let p256 = SigningKey::from_pem(key!("p256")).unwrap();
    assert_eq!(
        kind(p256.with_algorithm(Algorithm::ES384)),
        ConfigErrorKind::InvalidKey
    );
}

#[test]
fn weak_and_mistaken_secrets_are_refused() {
    assert_eq!(kind(SigningKey::hs256("")), ConfigErrorKind::WeakSecret);
    assert_eq!(
        kind(SigningKey::hs256([7; 31])),
        ConfigErrorKind::WeakSecret
    );
    assert!(SigningKey::hs256([7; 32]).is_ok());
    for &(pem, _) in PUBLIC.iter().chain(PRIVATE) {
        assert_eq!(kind(SigningKey::hs256(pem)), ConfigErrorKind::WeakSecret);
        assert_eq!(kind(VerifyingKey::hs512(pem)), ConfigErrorKind::WeakSecret);
    }
}

/// RFC 7518 §3.2: "A key of the same size as the hash output (for instance, 256 bits for "HS256")
/// or larger MUST be used with this algorithm."
#[test]
fn a_secret_is_as_long_as_the_hash_at_least() {
    let secret = [7; 64];
    for (algorithm, least) in [
        (Algorithm::HS256, 32),
        (Algorithm::HS384, 48),
        (Algorithm::HS512, 64),
    ] {
        let make = |secret: &[u8]| match algorithm {
            Algorithm::HS256 => (SigningKey::hs256(secret), VerifyingKey::hs256(secret)),
            Algorithm::HS384 => (SigningKey::hs384(secret), VerifyingKey::hs384(secret)),
            _ => (SigningKey::hs512(secret), VerifyingKey::hs512(secret)),
        };
        let (signing, verifying) = make(&secret[..least]);
        assert_eq!(signing.unwrap().algorithm(), algorithm);
        assert_eq!(verifying.unwrap().algorithm(), algorithm);
        let (signing, verifying) = make(&secret[..least - 1]);
        assert_eq!(kind(signing), ConfigErrorKind::WeakSecret, "{algorithm}");
        assert_eq!(kind(verifying), ConfigErrorKind::WeakSecret, "{algorithm}");
    }
    // Nor by a detour.
    let short = SigningKey::hs256(&secret[..32]).unwrap();
    let longer = short.with_algorithm(Algorithm::HS512);
    assert_eq!(kind(longer), ConfigErrorKind::WeakSecret);
    let long = SigningKey::hs512(secret).unwrap();
    assert!(long.with_algorithm(Algorithm::HS256).is_ok());
}

#[test]
fn key_files_that_cannot_be_used_are_refused_with_a_reason() {
    for pem in [
        key!("rsa1024"),
        key!("p521"),
        key!("ed448"),
        key!("encrypted"),
        key!("rsa2048.pub"),
        b"",
        b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        &[key!("p256"), key!("p384")].concat(),
    ] {
        assert_eq!(kind(SigningKey::from_pem(pem)), ConfigErrorKind::InvalidKey);
    }
    assert_eq!(
        kind(VerifyingKey::from_pem(key!("p256"))),
        ConfigErrorKind::InvalidKey
    );
    let weak = SigningKey::from_pem(key!("rsa1024")).unwrap_err();
    assert!(weak.to_string().contains("2048"), "{weak}");
    let encrypted = SigningKey::from_pem(key!("encrypted")).unwrap_err();
    assert!(encrypted.to_string().contains("encrypted"), "{encrypted}");
}

#[test]
fn no_cut_or_altered_key_file_panics() {
    use base64::Engine;
    for &(pem, _) in PRIVATE {
        let text = std::str::from_utf8(pem).unwrap();
        let base64: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        let der = base64::engine::general_purpose::STANDARD
            .decode(base64)
            .unwrap();
        assert!(SigningKey::from_der(&der).is_ok());
        for len in 0..der.len().min(160) {
            assert!(SigningKey::from_der(&der[..len]).is_err());
            let mut altered = der.clone();
            altered[len] ^= 0x80;
            let _ = SigningKey::from_der(&altered);
        }
    }
}

#[test]
fn key_ids_are_checked() {
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
fn a_ring_takes_each_key_id_once() {
    let key = SigningKey::hs256(SECRET).unwrap().with_key_id("a").unwrap();
    let other = VerifyingKey::hs256("another secret of thirty-two bytes!").unwrap();
    let twice =
        KeySet::new(key.clone()).with_verifying_key(other.clone().with_key_id("a").unwrap());
    assert_eq!(kind(twice), ConfigErrorKind::DuplicateKeyId);
    let ring = Keyring::new(key).with_verifying_key(other).unwrap();
    assert_eq!(ring.generation(), 1);
    assert_eq!(ring.keys().verifying_keys().len(), 2);
    assert_eq!(
        kind(Keyring::verifying_only([])),
        ConfigErrorKind::InvalidKey
    );
}

#[test]
fn replacing_is_seen_by_every_clone() {
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
fn a_jwk_set_goes_out_and_comes_back_and_never_holds_a_secret() {
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
    let back = Keyring::from_jwks(jwks.to_string()).unwrap();
    assert_eq!(back.to_jwks(), jwks);
    assert!(back.keys().signing_key().is_none());
}

#[test]
fn a_jwk_set_skips_what_cannot_be_used() {
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

#[test]
fn debug_shows_algorithm_and_name_only() {
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
fn whatever_a_key_of_the_ring_has_signed_is_verified_by_it() {
    let secret = |i: u8| SigningKey::hs256([i; 32]).unwrap();
    let named = |i: u8| secret(i).with_key_id(&i.to_string()).unwrap();
    let good = |ring: &Keyring, key: SigningKey| {
        let token = TokenIssuer::new(Keyring::new(key)).issue(&Subject::Anonymous);
        TokenVerifier::new(ring.clone())
            .verify(token.unwrap().token())
            .is_ok()
    };
    // However many others have names, a key without one is found.
    let keys = (1..=63).map(|i| named(i).verifying_key());
    let ring = Keyring::verifying_only(keys).unwrap();
    let ring = ring.with_verifying_key(secret(64).verifying_key()).unwrap();
    assert!((1..=63).all(|i| good(&ring, named(i))));
    assert!(good(&ring, secret(64)));
    // A token without a name is tried with each key without one: only so many can there be.
    let keys = (1..=8).map(|i| secret(i).verifying_key());
    let ring = Keyring::verifying_only(keys).unwrap();
    assert!((1..=8).all(|i| good(&ring, secret(i))));
    let refused = ring.clone().with_verifying_key(secret(9).verifying_key());
    assert_eq!(kind(refused), ConfigErrorKind::InvalidKey);
    assert!(ring.with_verifying_key(named(9).verifying_key()).is_ok());
}
