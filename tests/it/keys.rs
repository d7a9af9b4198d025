//! Keys and the ring, through the public API.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use omneo_id::auth::VerifyErrorKind;
use omneo_id::error::{ConfigError, ConfigErrorKind};
use omneo_id::keys::{Algorithm, KeySet};
use omneo_id::{Keyring, SigningKey, Subject, TokenIssuer, TokenVerifier, VerifyingKey};
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
fn a_key_file_determines_the_algorithm() {
    for &(pem, algorithm) in PRIVATE {
        assert_eq!(SigningKey::from_pem(pem).unwrap().algorithm(), algorithm);
    }
    for &(pem, algorithm) in PUBLIC {
        assert_eq!(VerifyingKey::from_pem(pem).unwrap().algorithm(), algorithm);
    }
}

#[test]
fn the_derived_public_key_is_the_one_that_openssl_derives() {
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
fn an_rsa_key_signs_with_the_configured_rsa_algorithm_only() {
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
fn weak_secrets_and_key_files_as_secrets_are_rejected() {
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

fn der(pem: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(pem).unwrap();
    let base64: String = text.lines().filter(|line| !line.contains('-')).collect();
    STANDARD.decode(base64).unwrap()
}

/// Whether every constructor and conversion rejects this secret.
fn refused_as_a_secret(secret: &[u8]) -> bool {
    // Long enough for each algorithm.
    let results = [
        SigningKey::hs256(secret).map(drop),
        VerifyingKey::hs256(secret).map(drop),
        SigningKey::hs384(secret).map(drop),
        VerifyingKey::hs384(secret).map(drop),
        SigningKey::hs512(secret).map(drop),
        VerifyingKey::hs512(secret).map(drop),
    ];
    results
        .into_iter()
        .all(|result| result.is_err_and(|error| error.kind() == ConfigErrorKind::WeakSecret))
}

#[test]
fn a_key_file_in_any_encoding_is_rejected_as_an_hmac_secret() {
    let files: &[&[u8]] = &[
        key!("ed25519"),
        key!("ed25519.pub"),
        key!("ed448"),
        key!("encrypted"),
        key!("p256"),
        key!("p256.pub"),
        key!("p256.sec1"),
        key!("p384"),
        key!("p521"),
        key!("rsa1024"),
        key!("rsa2048"),
        key!("rsa2048.pub"),
        key!("rsa2048.pkcs1"),
        key!("rsa2048.pkcs1.pub"),
        CERTIFICATE.as_bytes(),
    ];
    for pem in files {
        let text = std::str::from_utf8(pem).unwrap();
        // `p256.sec1` has a block with the curve before the key.
        let block = text.rfind("-----BEGIN").map(|at| &text[at..]).unwrap();
        let der = der(block.as_bytes());
        assert!(refused_as_a_secret(pem), "{text}");
        assert!(refused_as_a_secret(&der), "{text}");
        // Readers of files often trim white space at the end, and editors add it.
        assert!(refused_as_a_secret(&[&der[..], b"\r\n"].concat()), "{text}");
        assert!(refused_as_a_secret(&der[..der.len() - 2]), "{text}");
        // The encodings of files in environment variables and Kubernetes secrets.
        let base64 = STANDARD.encode(&der);
        assert!(refused_as_a_secret(base64.as_bytes()), "{text}");
        assert!(refused_as_a_secret(base64.trim_end_matches('=').as_bytes()));
        let wrapped: Vec<&str> = (base64.as_bytes().chunks(64))
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        assert!(refused_as_a_secret(wrapped.join("\n").as_bytes()), "{text}");
        assert!(
            refused_as_a_secret(STANDARD.encode(pem).as_bytes()),
            "{text}"
        );
    }
    let jwk = jwk(VerifyingKey::from_pem(key!("ed25519.pub")).unwrap());
    for json in [
        jwk.to_string(),
        json!({ "keys": [jwk] }).to_string(),
        serde_json::to_string_pretty(&jwk).unwrap(),
        format!("\u{feff} {jwk}\n"),
        json!({ "kty": "oct", "k": STANDARD.encode([7; 64]) }).to_string(),
        json!([jwk]).to_string(),
        STANDARD.encode(jwk.to_string()),
    ] {
        assert!(refused_as_a_secret(json.as_bytes()), "{json}");
    }
    for ssh in [
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGk1L1FmT2x0U2R1bW15ZHVtbXlkdW1teWR1bW15 ada@example",
        "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBGR1bW15ZHVtbXk=",
        "---- BEGIN SSH2 PUBLIC KEY ----\nComment: \"rsa-key\"\nAAAAB3NzaC1yc2EAAAABJQ==\n---- END SSH2 PUBLIC KEY ----",
    ] {
        assert!(refused_as_a_secret(ssh.as_bytes()), "{ssh}");
    }
}

#[test]
fn a_text_file_is_rejected_as_an_hmac_secret() {
    let readme = include_str!("../../README.md");
    let crlf = readme.replace('\n', "\r\n");
    let env =
        "OMNEO_ID_SIGNING_KEY=0123456789abcdef0123456789abcdef\nOMNEO_ID_LOG=info and more text\n";
    for text in [readme, readme.trim(), &crlf, env] {
        assert!(refused_as_a_secret(text.as_bytes()), "{text}");
    }
    // `openssl rand -base64 64` and `xxd -p` wrap their lines.
    let lines = "q83vEjRWeJq83vEjRWeJqw/+q83vEjRWeJq83vEjRWeJqw/+q83vEjRWeJq83vEj\nRWeJqw/+q83vEjRWeJq83w==";
    let hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab\n0123456789abcdef0123456789abcdef";
    let url = "q83vEjRWeJq83vEjRWeJqw_-q83vEjRWeJq83vEjRWeJqw_-q83vEjRWeJq83vEj\r\nRWeJqw_-q83vEjRWeJq83w\r\n";
    for secret in [lines, hex, url] {
        assert!(SigningKey::hs256(secret).is_ok(), "{secret}");
        assert!(VerifyingKey::hs512(secret).is_ok(), "{secret}");
    }
}

/// Deterministic pseudo-random bytes.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}

#[test]
fn random_secrets_that_start_like_a_key_file_are_accepted() {
    for seed in 0..2000 {
        for len in [32, 48, 64, 100] {
            let mut secret = noise(seed, len);
            assert!(SigningKey::hs256(&secret).is_ok(), "{secret:?}");
            // The first two bytes of a DER document of this length.
            secret[..2].copy_from_slice(&[0x30, len as u8 - 2]);
            assert!(SigningKey::hs256(&secret).is_ok(), "{secret:?}");
            assert!(SigningKey::hs256(STANDARD.encode(&secret)).is_ok());
        }
    }
    for secret in [
        "{\"kty\": not JSON, but long enough to be a secret",
        "-----------------------------------------------",
        "ssh-is-only-a-word-here-0123456789abcdef",
        "[0123456789abcdef0123456789abcdef",
    ] {
        assert!(SigningKey::hs256(secret).is_ok(), "{secret}");
    }
}

#[cfg(feature = "tracing")]
#[test]
fn a_readable_secret_logs_a_warning_and_a_random_one_does_not() {
    let (log, _guard) = crate::support::logs::Log::capture();
    let warned = |secret: &[u8]| {
        let before = log.text().matches("WARN").count();
        let _ = Keyring::new(SigningKey::hs256(secret).unwrap());
        log.text().matches("WARN").count() - before
    };
    for words in [
        SECRET,
        "correct horse battery staple and other words",
        "my-super-secret-signing-key-for-production",
        "MySuperSecretSigningKeyForProduction",
        "MY_SUPER_SECRET_SIGNING_KEY_FOR_PRODUCTION",
        "thisisaverylongsecretkeyforproduction",
        "changeme changeme changeme changeme 1",
        "ein-geheimer-schl\u{fc}ssel-f\u{fc}r-die-produktion\n",
    ] {
        assert_eq!(warned(words.as_bytes()), 1, "{words}");
    }
    assert!(log.text().contains("openssl rand"), "{}", log.text());
    for seed in 0..500 {
        let noise = noise(seed, 48);
        let hex: String = noise.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(warned(&noise), 0, "{noise:?}");
        assert_eq!(warned(hex.as_bytes()), 0, "{hex}");
        assert_eq!(warned(hex.to_uppercase().as_bytes()), 0, "{hex}");
        let base64 = STANDARD.encode(&noise);
        assert_eq!(warned(base64.as_bytes()), 0, "{base64}");
    }
    for secret in [
        "3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "xK8#mP2$vL9@qR4!tY7%wB3^nH6&jD1*",
    ] {
        assert_eq!(warned(secret.as_bytes()), 0, "{secret}");
    }
    // One warning for each key, with its key id, at its first use.
    let before = log.text().matches("WARN").count();
    let words = |name| {
        let words = VerifyingKey::hs256(SECRET).unwrap();
        words.with_key_id(name).unwrap()
    };
    let first = words("of-2025");
    let ring = Keyring::new(SigningKey::hs256([7; 32]).unwrap());
    ring.add_verifying_key(first.clone()).unwrap();
    assert_eq!(log.text().matches("WARN").count(), before + 1);
    ring.replace(KeySet::verifying_only([first, words("of-2026")]).unwrap());
    assert_eq!(log.text().matches("WARN").count(), before + 2);
    assert!(log.text().contains("of-2025") && log.text().contains("of-2026"));
}

/// A certificate, as `openssl req -x509 -newkey ed25519` writes it.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----
MIIBODCB66ADAgECAhQAgpnSplS2GZOAYhzUf2X6TjLavzAFBgMrZXAwEjEQMA4G
A1UEAwwHZXhhbXBsZTAeFw0yNjExMjgwMzEwNDlaFw0zNjExMjUwMzEwNDlaMBIx
EDAOBgNVBAMMB2V4YW1wbGUwKjAFBgMrZXADIQDgDJitCq6ApKwuHIwOx8uyNLoT
zR92hn9gHSete7qvQqNTMFEwHQYDVR0OBBYEFKAJM+jtd7Xc3TA6BTZBpZQTp42e
MB8GA1UdIwQYMBaAFKAJM+jtd7Xc3TA6BTZBpZQTp42eMA8GA1UdEwEB/wQFMAMB
Af8wBQYDK2VwA0EAkJDsPMZg9DTGinJsStdeWcI/E83+/UbBSwTTt4YrnfjsEQ16
thD6w8M12jMq3bP4lreNI54sI0QnSce139h4Bw==
-----END CERTIFICATE-----
";

/// RFC 7518 §3.2: "A key of the same size as the hash output (for instance, 256 bits for "HS256")
/// or larger MUST be used with this algorithm."
#[test]
fn a_secret_is_at_least_as_long_as_the_hash() {
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
    // A change of the algorithm checks the length too.
    let short = SigningKey::hs256(&secret[..32]).unwrap();
    let longer = short.with_algorithm(Algorithm::HS512);
    assert_eq!(kind(longer), ConfigErrorKind::WeakSecret);
    let long = SigningKey::hs512(secret).unwrap();
    assert!(long.with_algorithm(Algorithm::HS256).is_ok());
}

#[test]
fn unusable_key_files_are_rejected_with_a_reason() {
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
fn truncated_and_altered_key_files_do_not_panic() {
    for &(pem, _) in PRIVATE {
        let der = der(pem);
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
