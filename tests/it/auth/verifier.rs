//! `TokenVerifier`: valid and invalid tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use omneo_id::auth::VerifyErrorKind;
use omneo_id::error::ConfigErrorKind;
use omneo_id::keys::{Algorithm, KeySet};
use omneo_id::{
    JwtAuthLayer, Keyring, SigningKey, Subject, TokenIssuer, TokenVerifier, VerifyingKey,
};
use serde_json::{Value, json};

use super::{
    HS256, NOW, PID, SECRET, ada, claims, encode, kind, ring, sign, sign_with, token, verifier,
};

#[test]
fn minted_tokens_verify_with_every_kind_of_key() {
    let long = [7; 64];
    let pem = |pem: &[u8]| SigningKey::from_pem(pem).unwrap();
    let rsa = || pem(include_bytes!("../../keys/rsa2048.pem"));
    for key in [
        SigningKey::hs256(SECRET).unwrap(),
        SigningKey::hs384(long).unwrap(),
        SigningKey::hs512(long).unwrap(),
        pem(include_bytes!("../../keys/ed25519.pem")),
        pem(include_bytes!("../../keys/p256.pem")),
        pem(include_bytes!("../../keys/p384.pem")),
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
fn a_token_is_valid_until_exp_plus_leeway() {
    let issuer = TokenIssuer::new(ring()).with_clock(|| NOW);
    let token = issuer.issue(&ada()).unwrap();
    let at = |now: u64| {
        let verifier = TokenVerifier::new(ring()).with_clock(move || now);
        let strict = verifier.clone().with_leeway(Duration::ZERO).unwrap();
        (
            verifier.verify(token.token()).is_ok(),
            strict.verify(token.token()).is_ok(),
        )
    };
    assert_eq!(at(NOW - 6), (false, false));
    assert_eq!(at(NOW - 5), (true, false));
    assert_eq!(at(NOW), (true, true));
    assert_eq!(at(NOW + 3599), (true, true));
    assert_eq!(at(NOW + 3600), (true, false));
    assert_eq!(at(NOW + 3604), (true, false));
    assert_eq!(at(NOW + 3605), (false, false));
    assert_eq!(at(0), (false, false));
    assert_eq!(at(u64::MAX), (false, false));
}

#[test]
fn times_out_of_range_or_of_another_type_are_rejected() {
    assert_eq!(kind(claims(&json!({}))), VerifyErrorKind::NoExpiry);
    let huge = json!(u64::MAX);
    for bad in [
        json!(null),
        json!("1700003600"),
        json!(true),
        json!([1]),
        json!({}),
        json!(-1),
        huge,
    ] {
        for name in ["exp", "nbf", "iat"] {
            let mut payload = json!({ "exp": NOW + 60 });
            payload[name] = bad.clone();
            assert_eq!(
                kind(claims(&payload)),
                VerifyErrorKind::InvalidClaims,
                "{name} {bad}"
            );
        }
    }
    for bad in ["1e400", "-0.1", "1e12", "NaN", "Infinity", "0x10", "01"] {
        let token = sign(HS256, format!(r#"{{"exp":{bad}}}"#).as_bytes());
        assert!(verifier().verify(&token).is_err(), "{bad}");
    }
    // RFC 7519 §2: a NumericDate may have a fraction. It is rounded against the token.
    let strict = || verifier().with_leeway(Duration::ZERO).unwrap();
    let verify = |payload: String| strict().verify(&sign(HS256, payload.as_bytes()));
    assert!(verify(format!(r#"{{"exp":{NOW}.9}}"#)).is_err());
    assert!(verify(format!(r#"{{"exp":{}.1}}"#, NOW + 1)).is_ok());
    assert!(verify(format!(r#"{{"exp":{},"nbf":{NOW}.1}}"#, NOW + 9)).is_err());
    assert!(verify(format!(r#"{{"exp":{},"nbf":{NOW}.0}}"#, NOW + 9)).is_ok());
}

/// Other crates of a build may enable `serde_json/arbitrary_precision`, which passes numbers to a
/// visitor differently, and `float_roundtrip`, which parses them differently.
#[test]
fn times_are_parsed_the_same_with_any_features_of_serde_json() {
    let verify = |payload: String| {
        let verifier = verifier().with_leeway(Duration::ZERO).unwrap();
        verifier.verify(&sign(HS256, payload.as_bytes()))
    };
    for exp in [
        "1700000001",
        "1700000001.0",
        "1.7000000015e9",
        "17000000015E-1",
        "1700000001.999999999999999999999999999999",
    ] {
        let verified = verify(format!(r#"{{"exp":{exp},"nbf":1.7e9,"iat":{NOW}.0}}"#));
        let verified = verified.unwrap_or_else(|error| panic!("{exp}: {error}"));
        assert!(verified.claims().expires_at > NOW, "{exp}");
    }
    for (claim, wanted) in [
        (r#""exp":1e999"#, VerifyErrorKind::InvalidClaims),
        (r#""exp":1700000001.5e400"#, VerifyErrorKind::InvalidClaims),
        (r#""exp":-0.5"#, VerifyErrorKind::InvalidClaims),
        (r#""exp":-0"#, VerifyErrorKind::Expired),
        (r#""exp":1e-999"#, VerifyErrorKind::Expired),
        (r#""exp":1700000000.9e0"#, VerifyErrorKind::Expired),
        (
            r#""exp":1700000001,"nbf":1e999"#,
            VerifyErrorKind::InvalidClaims,
        ),
        (
            r#""exp":1700000001,"iat":"1""#,
            VerifyErrorKind::InvalidClaims,
        ),
        (
            r#""exp":1700000001,"iat":{"$serde_json::private::Number":"1"}"#,
            VerifyErrorKind::InvalidClaims,
        ),
        (
            r#""exp":1700000001,"iss":1.5"#,
            VerifyErrorKind::InvalidClaims,
        ),
        (
            r#""exp":1700000001,"aud":1.5"#,
            VerifyErrorKind::InvalidClaims,
        ),
        (
            r#""exp":1700000001,"aud":[1e999]"#,
            VerifyErrorKind::InvalidClaims,
        ),
    ] {
        assert_eq!(kind(verify(format!("{{{claim}}}"))), wanted, "{claim}");
    }
    for pid in ["1.5", "-0", "1e999", "18446744073709551616", "[1e999]"] {
        let verified = verify(format!(r#"{{"exp":1700000001,"pid":{pid}}}"#)).unwrap();
        assert_eq!(verified.subject(), &Subject::Anonymous, "{pid}");
    }
}

#[test]
fn a_token_from_the_future_is_not_valid_yet() {
    for name in ["nbf", "iat"] {
        let mut payload = json!({ "exp": NOW + 60 });
        payload[name] = json!(NOW + 5);
        assert!(claims(&payload).is_ok());
        payload[name] = json!(NOW + 6);
        assert_eq!(kind(claims(&payload)), VerifyErrorKind::NotYetValid);
    }
}

#[test]
fn the_lifetime_of_a_token_is_bounded() {
    let day = 24 * 60 * 60;
    assert!(claims(&json!({ "iat": NOW, "exp": NOW + day })).is_ok());
    let long = json!({ "iat": NOW, "exp": NOW + day + 1 });
    assert_eq!(kind(claims(&long)), VerifyErrorKind::LifetimeTooLong);
    let old = json!({ "iat": NOW - day, "exp": NOW + 60 });
    assert_eq!(kind(claims(&old)), VerifyErrorKind::LifetimeTooLong);
    assert!(claims(&json!({ "exp": NOW + day })).is_ok());
    let without_iat = json!({ "exp": NOW + day + 6 });
    assert_eq!(kind(claims(&without_iat)), VerifyErrorKind::LifetimeTooLong);
}

#[test]
fn configured_issuer_and_audience_are_required() {
    let verifier = verifier()
        .with_issuer("me")
        .unwrap()
        .with_audience("shop")
        .unwrap();
    let verify = |iss: Value, aud: Value| {
        let mut payload = json!({ "exp": NOW + 60 });
        if !iss.is_null() {
            payload["iss"] = iss;
        }
        if !aud.is_null() {
            payload["aud"] = aud;
        }
        verifier.verify(&sign(HS256, payload.to_string().as_bytes()))
    };
    assert!(verify(json!("me"), json!("shop")).is_ok());
    assert!(verify(json!("me"), json!(["other", "shop"])).is_ok());
    for iss in [json!(null), json!("ME"), json!("me "), json!("")] {
        assert_eq!(kind(verify(iss, json!("shop"))), VerifyErrorKind::Issuer);
    }
    for aud in [
        json!(null),
        json!("Shop"),
        json!([]),
        json!(["other"]),
        json!(""),
    ] {
        assert_eq!(kind(verify(json!("me"), aud)), VerifyErrorKind::Audience);
    }
    for wrong in [json!(1), json!({"a": 1}), json!(true)] {
        assert_eq!(
            kind(verify(wrong.clone(), json!("shop"))),
            VerifyErrorKind::InvalidClaims
        );
        assert_eq!(
            kind(verify(json!("me"), wrong)),
            VerifyErrorKind::InvalidClaims
        );
    }
    for aud in [json!(["shop", 1]), json!([["shop"]]), json!([null])] {
        assert_eq!(
            kind(verify(json!("me"), aud)),
            VerifyErrorKind::InvalidClaims
        );
    }
    assert_eq!(
        kind(verify(json!(["me"]), json!("shop"))),
        VerifyErrorKind::InvalidClaims
    );
}

#[test]
fn a_token_of_another_audience_is_rejected_unless_any_is_accepted() {
    let payload = json!({ "exp": NOW + 60, "aud": "other" }).to_string();
    let token = sign(HS256, payload.as_bytes());
    assert_eq!(kind(verifier().verify(&token)), VerifyErrorKind::Audience);
    assert!(verifier().with_any_audience().verify(&token).is_ok());
}

#[test]
fn a_pid_that_is_not_a_profile_id_is_anonymous() {
    for pid in [
        json!(null),
        json!(""),
        json!("null"),
        json!("../admin"),
        json!("search-id"),
        json!("x".repeat(65)),
        json!(7),
        json!(-7),
        json!(7.5),
        json!(true),
        json!([PID]),
        json!({ "pid": PID }),
    ] {
        let verified = claims(&json!({ "exp": NOW + 60, "pid": pid })).unwrap();
        assert_eq!(verified.subject(), &Subject::Anonymous, "{pid}");
    }
    let verified = claims(&json!({ "exp": NOW + 60 })).unwrap();
    assert_eq!(verified.subject(), &Subject::Anonymous);
    let escaped = format!(r#"{{"exp":{},"p\u0069d":"\u0061b"}}"#, NOW + 60);
    let verified = verifier().verify(&sign(HS256, escaped.as_bytes())).unwrap();
    assert_eq!(verified.subject().as_pid(), "ab");
}

#[test]
fn a_duplicate_claim_is_rejected() {
    for name in ["pid", "exp", "nbf", "iat", "iss", "aud", "jti"] {
        let value = match name {
            "exp" => (NOW + 60).to_string(),
            "nbf" | "iat" => NOW.to_string(),
            _ => r#""x""#.to_owned(),
        };
        let escaped = format!("\\u{:04x}{}", name.as_bytes()[0], &name[1..]);
        for twice in [name, &escaped] {
            let exp = if name == "exp" {
                String::new()
            } else {
                format!(r#""exp":{},"#, NOW + 60)
            };
            let payload = format!(r#"{{{exp}"{name}":{value},"{twice}":{value}}}"#);
            let token = sign(HS256, payload.as_bytes());
            let error = kind(verifier().with_any_audience().verify(&token));
            assert_eq!(error, VerifyErrorKind::InvalidClaims, "{payload}");
        }
    }
}

#[test]
fn a_payload_is_one_json_object() {
    let exp = NOW + 60;
    let deep = format!(
        r#"{{"exp":{exp},"x":{}{}}}"#,
        "[".repeat(2000),
        "]".repeat(2000)
    );
    for payload in [
        "".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        format!(r#"["{PID}",{exp}]"#),
        format!(r#"{{"exp":{exp}}} {{}}"#),
        format!(r#"{{"exp":{exp}"#),
        format!(r#"{{"exp":{exp},}}"#),
        format!("{{\"exp\":{exp},\"x\":\"\u{1}\"}}"),
        format!("\u{feff}{{\"exp\":{exp}}}"),
    ] {
        let token = sign(HS256, payload.as_bytes());
        assert_eq!(
            kind(verifier().verify(&token)),
            VerifyErrorKind::Malformed,
            "{payload}"
        );
    }
    let not_utf8 = sign(
        HS256,
        &[b"{\"exp\":1700000060,\"x\":\"", &[0xff][..], b"\"}"].concat(),
    );
    assert_eq!(
        kind(verifier().verify(&not_utf8)),
        VerifyErrorKind::Malformed
    );
    // Valid or not, the check must not exhaust the stack.
    let _ = verifier().verify(&sign(HS256, deep.as_bytes()));
}

#[test]
fn a_token_has_three_segments_of_canonical_base64url() {
    let good = token();
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else {
        panic!("three segments");
    };
    assert!(verifier().verify(&good).is_ok());
    let mut bad = vec![
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        header.to_owned(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{good}."),
        format!("{good}.{signature}"),
        format!(".{good}"),
        format!("{header}.{payload}.{signature}="),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}=.{signature}"),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{header} .{payload}.{signature}"),
        format!("{good}é"),
        format!(r#"{{"payload":"{payload}","protected":"{header}","signature":"{signature}"}}"#),
        format!("{header}.{payload}.{signature}.{payload}.{signature}"),
        ".".repeat(8192),
    ];
    // The last character of the signature has two bits that must be zero.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = good.split_at(good.len() - 1);
    let index = alphabet.find(last).unwrap();
    for sibling in 1..4 {
        bad.push(format!("{rest}{}", &alphabet[index + sibling..][..1]));
    }
    for token in bad {
        let kind = kind(verifier().verify(&token));
        let expected = matches!(
            kind,
            VerifyErrorKind::Malformed | VerifyErrorKind::Signature
        );
        assert!(expected, "{token}: {kind:?}");
    }
}

#[test]
fn every_changed_character_invalidates_a_token() {
    let good = token();
    let verifier = verifier();
    assert!(verifier.verify(&good).is_ok());
    for index in 0..good.len() {
        for replacement in ["A", "B", "-", "_", "9", ".", "=", "+", "/"] {
            if &good[index..=index] != replacement {
                let mut changed = good.clone();
                changed.replace_range(index..=index, replacement);
                assert!(verifier.verify(&changed).is_err(), "{index} {replacement}");
            }
        }
    }
    for len in 0..good.len() {
        assert!(verifier.verify(&good[..len]).is_err());
    }
}

#[test]
fn a_token_over_the_size_limit_is_rejected_unread() {
    let fill = |len: usize| {
        let payload = json!({ "exp": NOW + 60, "x": "x".repeat(len) }).to_string();
        sign(HS256, payload.as_bytes())
    };
    assert!(verifier().verify(&fill(6000)).is_ok());
    assert_eq!(
        kind(verifier().verify(&fill(6200))),
        VerifyErrorKind::TooLong
    );
    assert_eq!(
        kind(verifier().verify(&"é".repeat(1 << 20))),
        VerifyErrorKind::TooLong
    );
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
    let pem: &[u8] = include_bytes!("../../keys/rsa2048.pub.pem");
    let public = VerifyingKey::from_pem(pem).unwrap();
    let verifier =
        TokenVerifier::new(Keyring::verifying_only([public]).unwrap()).with_clock(|| NOW);
    let forged = sign_with(pem, HS256, payload.as_bytes());
    assert_eq!(kind(verifier.verify(&forged)), VerifyErrorKind::Algorithm);
    // The same key with another algorithm of its family.
    let rsa = SigningKey::from_pem(include_bytes!("../../keys/rsa2048.pem")).unwrap();
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
        (include_bytes!("../../keys/p256.pub.pem").as_slice(), 64),
        (include_bytes!("../../keys/p384.pub.pem"), 96),
        (include_bytes!("../../keys/ed25519.pub.pem"), 64),
        (include_bytes!("../../keys/rsa2048.pub.pem"), 256),
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
fn a_cached_token_expires() {
    let now = Arc::new(AtomicU64::new(NOW));
    let clock = Arc::clone(&now);
    let verifier = TokenVerifier::new(ring()).with_clock(move || clock.load(Ordering::Relaxed));
    let token = token();
    assert!(verifier.verify(&token).is_ok());
    assert!(verifier.verify(&token).is_ok());
    now.store(NOW + 3605, Ordering::Relaxed);
    assert_eq!(kind(verifier.verify(&token)), VerifyErrorKind::Expired);
    now.store(NOW - 6, Ordering::Relaxed);
    assert_eq!(kind(verifier.verify(&token)), VerifyErrorKind::NotYetValid);
    now.store(NOW, Ordering::Relaxed);
    assert!(verifier.verify(&token).is_ok());
}

#[test]
fn a_cached_token_is_not_valid_for_another_configuration() {
    let loose = verifier();
    let token = token();
    assert!(loose.verify(&token).is_ok());
    let strict = loose.with_issuer("https://id.example").unwrap();
    assert_eq!(kind(strict.verify(&token)), VerifyErrorKind::Issuer);
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

#[test]
fn invalid_configuration_is_an_error_of_the_builder() {
    let kind = |result: Result<_, omneo_id::error::ConfigError>| {
        result.map(drop::<TokenVerifier>).unwrap_err().kind()
    };
    let seconds = Duration::from_secs;
    assert_eq!(
        kind(verifier().with_leeway(seconds(61))),
        ConfigErrorKind::InvalidDuration
    );
    assert_eq!(
        kind(verifier().with_leeway(Duration::MAX)),
        ConfigErrorKind::InvalidDuration
    );
    assert_eq!(
        kind(verifier().with_max_lifetime(seconds(0))),
        ConfigErrorKind::InvalidDuration
    );
    assert_eq!(
        kind(verifier().with_issuer("")),
        ConfigErrorKind::InvalidValue
    );
    assert_eq!(
        kind(verifier().with_audience("")),
        ConfigErrorKind::InvalidValue
    );
    for realm in ["", "a\"b", "a\\b", "a\r\nb", "ä"] {
        assert!(JwtAuthLayer::new(verifier()).with_realm(realm).is_err());
    }
    for name in ["", "a b", "a=b", "a&b", "a;b", "ä", "a%20b"] {
        assert!(JwtAuthLayer::new(verifier()).with_cookie(name).is_err());
        assert!(
            JwtAuthLayer::new(verifier())
                .with_query_parameter(name)
                .is_err()
        );
    }
}
