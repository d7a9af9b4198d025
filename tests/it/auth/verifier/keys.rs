//! Keys, algorithms and signatures.

use omneo_id::auth::VerifyErrorKind;
use omneo_id::keys::{Algorithm, KeySet};
use omneo_id::{Keyring, SigningKey, Subject, TokenIssuer, TokenVerifier, VerifyingKey};
use serde_json::json;

use super::super::{HS256, NOW, PID, SECRET, ada, encode, kind, sign, sign_with, verifier};

#[test]
fn minted_tokens_verify_with_every_kind_of_key() {
    let long = [7; 64];
    let pem = |pem: &[u8]| SigningKey::from_pem(pem).unwrap();
    let rsa = || pem(include_bytes!("../../../keys/rsa2048.pem"));
    for key in [
        SigningKey::hs256(SECRET).unwrap(),
        SigningKey::hs384(long).unwrap(),
        SigningKey::hs512(long).unwrap(),
        pem(include_bytes!("../../../keys/ed25519.pem")),
        pem(include_bytes!("../../../keys/p256.pem")),
        pem(include_bytes!("../../../keys/p384.pem")),
        rsa(),
        rsa().with_algorithm(Algorithm::RS512).unwrap(),
        rsa().with_algorithm(Algorithm::PS256).unwrap(),
        SigningKey::hs256(SECRET)
            .unwrap()
            .with_key_id("käse \"1\"")
            .unwrap(),
    ] {
        let ring = Keyring::new(key);
        let issuer = TokenIssuer::new(ring.clone())
            .with_clock(|| NOW)
            .with_issuer("https://id.example")
            .unwrap()
            .with_audience("shop")
            .unwrap();
        let verifier = TokenVerifier::new(ring)
            .with_clock(|| NOW)
            .with_issuer("https://id.example")
            .unwrap()
            .with_audience("shop")
            .unwrap();
        for subject in [ada(), Subject::Anonymous] {
            let token = issuer.issue(&subject).unwrap();
            let verified = verifier.verify(token.token()).unwrap();
            assert_eq!(verified.subject(), &subject);
            assert_eq!(verified.claims().expires_at, token.expires_at());
            assert_eq!(verified.claims().issued_at, Some(NOW));
            assert_eq!(verified.claims().token_id.as_deref().unwrap().len(), 32);
        }
    }
}

#[test]
fn an_unsigned_token_is_rejected_in_every_spelling() {
    let payload = encode(json!({ "exp": NOW + 60, "pid": PID }).to_string());
    for alg in ["none", "None", "NONE", "nOnE", "", "hs256", "HS256\\u0000"] {
        let header = encode(format!(r#"{{"alg":"{alg}"}}"#));
        for signature in ["", "AA", &encode([0; 32])] {
            let token = format!("{header}.{payload}.{signature}");
            assert_eq!(
                kind(verifier().verify(&token)),
                VerifyErrorKind::Algorithm,
                "{alg}"
            );
        }
    }
}

#[test]
fn the_key_decides_the_algorithm() {
    let payload = json!({ "exp": NOW + 60, "pid": PID }).to_string();
    // A public key used as an HMAC secret: a known attack on JWT libraries.
    let pem: &[u8] = include_bytes!("../../../keys/rsa2048.pub.pem");
    let public = VerifyingKey::from_pem(pem).unwrap();
    let verifier =
        TokenVerifier::new(Keyring::verifying_only([public]).unwrap()).with_clock(|| NOW);
    let forged = sign_with(pem, HS256, payload.as_bytes());
    assert_eq!(kind(verifier.verify(&forged)), VerifyErrorKind::Algorithm);
    // The same key with another algorithm of its family.
    let rsa = SigningKey::from_pem(include_bytes!("../../../keys/rsa2048.pem")).unwrap();
    let pss = rsa.clone().with_algorithm(Algorithm::PS256).unwrap();
    let issuer = TokenIssuer::new(Keyring::new(pss)).with_clock(|| NOW);
    let token = issuer.issue(&ada()).unwrap();
    assert_eq!(
        kind(verifier.verify(token.token())),
        VerifyErrorKind::Algorithm
    );
    // HS512 with a secret that is configured for HS256.
    let long = SECRET.repeat(2);
    let other = TokenIssuer::new(Keyring::new(SigningKey::hs512(&long).unwrap()));
    let token = other.with_clock(|| NOW).issue(&ada()).unwrap();
    let verifier = TokenVerifier::new(Keyring::new(SigningKey::hs256(&long).unwrap()));
    assert_eq!(
        kind(verifier.with_clock(|| NOW).verify(token.token())),
        VerifyErrorKind::Algorithm
    );
}

#[test]
fn signatures_of_zeros_and_of_wrong_lengths_are_rejected() {
    for (pem, len) in [
        (include_bytes!("../../../keys/p256.pub.pem").as_slice(), 64),
        (include_bytes!("../../../keys/p384.pub.pem"), 96),
        (include_bytes!("../../../keys/ed25519.pub.pem"), 64),
        (include_bytes!("../../../keys/rsa2048.pub.pem"), 256),
    ] {
        let key = VerifyingKey::from_pem(pem).unwrap();
        let header = encode(format!(r#"{{"alg":"{}"}}"#, key.algorithm()));
        let payload = encode(json!({ "exp": NOW + 60 }).to_string());
        let verifier = TokenVerifier::new(Keyring::verifying_only([key]).unwrap());
        for len in [0, 1, 32, 63, 64, 65, len - 1, len, len + 1, 512] {
            for byte in [0x00, 0x01, 0xff] {
                let signature = encode(vec![byte; len]);
                let token = format!("{header}.{payload}.{signature}");
                assert_eq!(kind(verifier.verify(&token)), VerifyErrorKind::Signature);
            }
        }
    }
}

#[test]
fn a_key_id_only_selects_among_the_keys_of_the_ring() {
    let secret = |n: u8| [n; 40];
    let named = |n: u8, id: &str| {
        SigningKey::hs256(secret(n))
            .unwrap()
            .with_key_id(id)
            .unwrap()
    };
    let mint = |key: &SigningKey| {
        let issuer = TokenIssuer::new(Keyring::new(key.clone())).with_clock(|| NOW);
        issuer.issue(&ada()).unwrap().into_token()
    };
    let a = named(1, "a");
    let b = named(2, "b");
    let unnamed = SigningKey::hs256(secret(3)).unwrap();
    let keys = KeySet::new(a.clone())
        .with_verifying_key(b.verifying_key())
        .unwrap()
        .with_verifying_key(unnamed.verifying_key())
        .unwrap();
    let verifier = TokenVerifier::new(keys.into()).with_clock(|| NOW);
    for key in [
        &a,
        &b,
        &unnamed,
        &SigningKey::hs256(secret(2)).unwrap(),
        &named(3, "c"),
    ] {
        assert!(verifier.verify(&mint(key)).is_ok(), "{key:?}");
    }
    // The key id of one key, the signature of another.
    for key in [
        named(2, "a"),
        named(1, "b"),
        named(3, "a"),
        named(1, "c"),
        named(9, "a"),
    ] {
        assert_eq!(
            kind(verifier.verify(&mint(&key))),
            VerifyErrorKind::Signature
        );
    }
    let ring = Keyring::new(a);
    ring.add_verifying_key(b.verifying_key()).unwrap();
    let verifier = TokenVerifier::new(ring).with_clock(|| NOW);
    let unknown = kind(verifier.verify(&mint(&named(1, "../../etc/passwd"))));
    assert_eq!(unknown, VerifyErrorKind::UnknownKey);
}

#[test]
fn tokens_with_embedded_keys_are_rejected() {
    let payload = json!({ "exp": NOW + 60 }).to_string();
    for header in [
        r#"{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}"#,
        r#"{"alg":"HS256","jku":"https://evil.example/jwks"}"#,
        r#"{"alg":"HS256","x5u":"https://evil.example/x5u"}"#,
        r#"{"alg":"HS256","x5c":["AAAA"]}"#,
        r#"{"alg":"HS256","crit":["exp"],"exp":1}"#,
        r#"{"alg":"HS256","crit":[]}"#,
        r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#,
        r#"{"alg":"HS256","zip":"DEF"}"#,
    ] {
        let token = sign(header, payload.as_bytes());
        assert_eq!(
            kind(verifier().verify(&token)),
            VerifyErrorKind::UnsupportedHeader
        );
    }
}

#[test]
fn a_token_signed_before_a_rotation_verifies_while_its_key_is_in_the_ring() {
    let old = SigningKey::hs256([1; 40])
        .unwrap()
        .with_key_id("old")
        .unwrap();
    let new = SigningKey::hs256([2; 40])
        .unwrap()
        .with_key_id("new")
        .unwrap();
    let ring = Keyring::new(old.clone());
    let issuer = TokenIssuer::new(ring.clone()).with_clock(|| NOW);
    let verifier = TokenVerifier::new(ring.clone()).with_clock(|| NOW);
    let first = issuer.issue(&ada()).unwrap();
    assert!(verifier.verify(first.token()).is_ok());

    let both = KeySet::new(new.clone()).with_verifying_key(old.verifying_key());
    ring.replace(both.unwrap());
    let second = issuer.issue(&ada()).unwrap();
    assert!(verifier.verify(first.token()).is_ok());
    assert!(verifier.verify(second.token()).is_ok());

    ring.replace(KeySet::new(new));
    // The cached token is invalid now.
    assert_eq!(
        kind(verifier.verify(first.token())),
        VerifyErrorKind::UnknownKey
    );
    assert!(verifier.verify(second.token()).is_ok());
}

#[test]
fn threads_verify_while_keys_are_replaced() {
    let keys: Vec<SigningKey> = (0..4)
        .map(|n| {
            SigningKey::hs256([n + 1; 40])
                .unwrap()
                .with_key_id(&n.to_string())
                .unwrap()
        })
        .collect();
    let ring = Keyring::new(keys[0].clone());
    let verifier = TokenVerifier::new(ring.clone())
        .with_clock(|| NOW)
        .with_cache_capacity(8);
    let tokens: Vec<String> = keys
        .iter()
        .map(|key| {
            let issuer = TokenIssuer::new(Keyring::new(key.clone())).with_clock(|| NOW);
            issuer.issue(&ada()).unwrap().into_token()
        })
        .collect();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for round in 0..2000 {
                    let _ = verifier.verify(&tokens[round % tokens.len()]);
                }
            });
        }
        for round in 0..500 {
            let current = round % keys.len();
            ring.replace(KeySet::new(keys[current].clone()));
            for (index, token) in tokens.iter().enumerate() {
                assert_eq!(verifier.verify(token).is_ok(), index == current);
            }
        }
    });
}
