//! Issuer, audience, subject, and the payload as JSON.

use omneo_id::Subject;
use omneo_id::auth::VerifyErrorKind;
use serde_json::{Value, json};

use super::super::{HS256, NOW, PID, claims, kind, sign, verifier};

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
