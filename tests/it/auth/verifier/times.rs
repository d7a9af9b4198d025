//! `exp`, `nbf` and `iat`.

use std::time::Duration;

use omneo_id::auth::VerifyErrorKind;
use omneo_id::{Subject, TokenIssuer, TokenVerifier};
use serde_json::json;

use super::super::{HS256, NOW, ada, claims, kind, ring, sign, verifier};

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
