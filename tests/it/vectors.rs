//! Tokens of other implementations: the examples of the RFCs.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use omneo_id::auth::VerifyErrorKind;
use omneo_id::{Keyring, TokenVerifier, VerifyingKey};
use serde_json::{Value, json};

use crate::auth::sign_with;

/// The claims of RFC 7515 A.1 to A.3 expire at 1300819380.
const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const BEFORE: u64 = 1_300_819_379;

fn from_jwk(jwk: &Value) -> Keyring {
    Keyring::from_jwks(json!({ "keys": [jwk] }).to_string()).unwrap()
}

fn verify(ring: Keyring, token: &str) -> Result<(), VerifyErrorKind> {
    let verifier = TokenVerifier::new(ring).with_clock(|| BEFORE);
    verifier
        .verify(token)
        .map(drop)
        .map_err(|error| error.kind())
}

/// Checks the token with its signature, and with the signature of another message.
fn check(
    ring: Keyring,
    header: &str,
    payload: &str,
    signature: &str,
) -> Result<(), VerifyErrorKind> {
    let mut spoiled = URL_SAFE_NO_PAD.decode(signature).unwrap();
    spoiled[7] ^= 1;
    let spoiled = URL_SAFE_NO_PAD.encode(spoiled);
    let token = |signature: &str| format!("{header}.{payload}.{signature}");
    assert_eq!(
        verify(ring.clone(), &token(&spoiled)),
        Err(VerifyErrorKind::Signature)
    );
    verify(ring, &token(signature))
}

#[test]
fn rfc_7515_a_1_hmac() {
    let key =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let key = VerifyingKey::hs256(URL_SAFE_NO_PAD.decode(key).unwrap()).unwrap();
    let ring = Keyring::verifying_only([key]).unwrap();
    let header = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9";
    let signature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    assert_eq!(check(ring, header, CLAIMS, signature), Ok(()));
}

#[test]
fn rfc_7515_a_2_rsa() {
    let ring = from_jwk(&json!({
        "kty": "RSA",
        "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
        "e": "AQAB",
    }));
    let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    assert_eq!(
        check(ring, "eyJhbGciOiJSUzI1NiJ9", CLAIMS, signature),
        Ok(())
    );
}

const A_3_SIGNATURE: &str =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

#[test]
fn rfc_7515_a_3_ecdsa() {
    let ring = from_jwk(&json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }));
    assert_eq!(
        check(ring, "eyJhbGciOiJFUzI1NiJ9", CLAIMS, A_3_SIGNATURE),
        Ok(())
    );
}

#[test]
fn rfc_7515_a_5_is_unsigned_and_rejected() {
    let ring = Keyring::verifying_only([VerifyingKey::hs256([7; 32]).unwrap()]).unwrap();
    let token = format!("eyJhbGciOiJub25lIn0.{CLAIMS}.");
    assert_eq!(verify(ring, &token), Err(VerifyErrorKind::Algorithm));
}

#[test]
fn rfc_7515_a_4_has_an_unsupported_algorithm() {
    let token = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";
    let verdict = verify(bilbo("RS256"), token);
    assert_eq!(verdict, Err(VerifyErrorKind::Algorithm));
}

#[test]
fn rfc_8037_a_4_is_signed_but_not_a_jwt() {
    let ring = from_jwk(&json!({
        "kty": "OKP",
        "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    }));
    // The signature is valid; the payload "Example of Ed25519 signing" has no claims.
    let payload = "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature =
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let verdict = check(ring, "eyJhbGciOiJFZERTQSJ9", payload, signature);
    assert_eq!(verdict, Err(VerifyErrorKind::Malformed));
}

/// RFC 7520 §4: "It's a dangerous business, Frodo, going out your door…", a payload without
/// claims.
const FRODO: &str = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4";

/// The key of RFC 7520 §3.3, for one algorithm.
fn bilbo(algorithm: &str) -> Keyring {
    from_jwk(&json!({
        "kty": "RSA",
        "kid": "bilbo.baggins@hobbiton.example",
        "use": "sig",
        "alg": algorithm,
        "n": "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw",
        "e": "AQAB",
    }))
}

const RS256_HEADER: &str =
    "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9";
const RS256_SIGNATURE: &str = "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg";
const PS384_HEADER: &str =
    "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9";
const PS384_SIGNATURE: &str = "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw";

#[test]
fn rfc_7520_4_1_and_4_2_use_one_key_with_two_algorithms() {
    // The error "not claims" implies a valid signature: see `check`.
    let verdict = check(bilbo("RS256"), RS256_HEADER, FRODO, RS256_SIGNATURE);
    assert_eq!(verdict, Err(VerifyErrorKind::Malformed));
    let verdict = check(bilbo("PS384"), PS384_HEADER, FRODO, PS384_SIGNATURE);
    assert_eq!(verdict, Err(VerifyErrorKind::Malformed));
    // The same key for another algorithm.
    let token = format!("{PS384_HEADER}.{FRODO}.{PS384_SIGNATURE}");
    for other in ["RS256", "RS384", "PS256", "PS512"] {
        let verdict = verify(bilbo(other), &token);
        assert_eq!(verdict, Err(VerifyErrorKind::Algorithm), "{other}");
    }
    let crossed = format!("{RS256_HEADER}.{FRODO}.{PS384_SIGNATURE}");
    let verdict = verify(bilbo("RS256"), &crossed);
    assert_eq!(verdict, Err(VerifyErrorKind::Signature));
}

#[test]
fn rfc_7520_4_3_has_an_unsupported_algorithm() {
    let p521 = json!({
        "kty": "EC",
        "crv": "P-521",
        "x": "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt",
        "y": "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1",
    });
    assert!(VerifyingKey::from_jwk(p521.to_string()).is_err());
    let token = format!(
        "eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.{FRODO}.AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2"
    );
    let verdict = verify(bilbo("RS256"), &token);
    assert_eq!(verdict, Err(VerifyErrorKind::Algorithm));
}

#[test]
fn rfc_7520_4_4_hmac() {
    let secret = URL_SAFE_NO_PAD.decode("hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg");
    let key = VerifyingKey::hs256(secret.unwrap()).unwrap();
    let header = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9";
    let signature = "s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0";
    let named = key
        .clone()
        .with_key_id("018c0ae5-4d9b-471b-bfd6-eef314bc7037");
    let ring = Keyring::verifying_only([named.unwrap()]).unwrap();
    let verdict = check(ring, header, FRODO, signature);
    assert_eq!(verdict, Err(VerifyErrorKind::Malformed));
    let other = key.with_key_id("another").unwrap();
    let ring = Keyring::verifying_only([other]).unwrap();
    let verdict = verify(ring, &format!("{header}.{FRODO}.{signature}"));
    assert_eq!(verdict, Err(VerifyErrorKind::UnknownKey));
}

/// RFC 7515 A.6 and A.7, RFC 7520 §4.5: valid signatures in other serialisations.
#[test]
fn other_serialisations_are_rejected_with_any_signature() {
    let signature = json!({ "protected": RS256_HEADER, "signature": RS256_SIGNATURE });
    let general = json!({ "payload": FRODO, "signatures": [signature] });
    let flattened =
        json!({ "payload": FRODO, "protected": RS256_HEADER, "signature": RS256_SIGNATURE });
    let mut dotted = general.clone();
    dotted["unprotected"] = "a.b.c".into();
    for form in [
        general.to_string(),
        flattened.to_string(),
        dotted.to_string(),
        format!("[{flattened}]"),
        // Detached content, and an additional segment on either side.
        format!("{RS256_HEADER}..{RS256_SIGNATURE}"),
        format!("{RS256_HEADER}.{FRODO}.{RS256_SIGNATURE}."),
        format!(".{RS256_HEADER}.{FRODO}.{RS256_SIGNATURE}"),
        format!("{RS256_HEADER}.{FRODO}"),
        // The shape of a JWE: five segments.
        format!("{RS256_HEADER}.{FRODO}.{FRODO}.{FRODO}.{RS256_SIGNATURE}"),
    ] {
        let verdict = verify(bilbo("RS256"), &form);
        // With further dots or without a payload, the signed message differs.
        let refused = matches!(
            verdict,
            Err(VerifyErrorKind::Malformed | VerifyErrorKind::Signature)
        );
        assert!(refused, "{verdict:?}: {form}");
    }
}

/// The attacks of RFC 8725 §2, and the defences of §3.
#[test]
fn the_attacks_of_rfc_8725_are_rejected() {
    let secret = [7; 32];
    let ring = || Keyring::verifying_only([VerifyingKey::hs256(secret).unwrap()]).unwrap();
    let claims = br#"{"pid":"ada","exp":1300819380}"#;
    let good = sign_with(&secret, r#"{"alg":"HS256"}"#, claims);
    assert_eq!(verify(ring(), &good), Ok(()));
    let refused = |header: &str, payload: &[u8]| {
        verify(ring(), &sign_with(&secret, header, payload)).unwrap_err()
    };
    // §2.1, §3.1: the public key as a secret, and no algorithm.
    let pem = include_bytes!("../keys/rsa2048.pub.pem");
    let rsa = Keyring::verifying_only([VerifyingKey::from_pem(pem).unwrap()]).unwrap();
    let confused = sign_with(pem, r#"{"alg":"HS256"}"#, claims);
    assert_eq!(verify(rsa, &confused), Err(VerifyErrorKind::Algorithm));
    assert!(VerifyingKey::hs256(pem).is_err());
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"nOnE"}"#,
        r#"{"alg":""}"#,
        "{}",
    ] {
        assert_eq!(refused(header, claims), VerifyErrorKind::Algorithm);
    }
    // §2.2, §3.5: a password as a secret.
    assert!(VerifyingKey::hs256("password").is_err());
    // §2.3, §3.3, §2.8, §3.11: a token in a token, and tokens of another kind.
    let nested = refused(r#"{"alg":"HS256","cty":"JWT"}"#, good.as_bytes());
    assert_eq!(nested, VerifyErrorKind::Malformed);
    for typ in ["secevent+jwt", "logout+jwt", "dpop+jwt", "JOSE+JSON"] {
        let kind = refused(&format!(r#"{{"alg":"HS256","typ":"{typ}"}}"#), claims);
        assert_eq!(kind, VerifyErrorKind::UnsupportedHeader, "{typ}");
    }
    // §2.4, §3.6: compression.
    let zipped = refused(r#"{"alg":"HS256","zip":"DEF"}"#, claims);
    assert_eq!(zipped, VerifyErrorKind::UnsupportedHeader);
    // §2.5, §3.4: a point that is not on the curve does not verify the example of RFC 7515 A.3,
    // whose key differs in one coordinate.
    let off_curve = from_jwk(&json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "y_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }));
    let token = format!("eyJhbGciOiJFUzI1NiJ9.{CLAIMS}.{A_3_SIGNATURE}");
    let verdict = verify(off_curve, &token);
    assert_eq!(verdict, Err(VerifyErrorKind::Signature));
    // §2.6, §3.7: text that is not UTF-8, with a byte order mark, or in UTF-16.
    for text in [
        &b"{\"pid\":\"\xff\",\"exp\":1300819380}"[..],
        b"\xef\xbb\xbf{\"pid\":\"ada\",\"exp\":1300819380}",
        b"{\0\"\0e\0x\0p\0\"\0:\x001\0}\0",
    ] {
        assert_eq!(
            refused(r#"{"alg":"HS256"}"#, text),
            VerifyErrorKind::Malformed
        );
    }
    // §2.7, §3.9: a token for another audience.
    let other_audience = br#"{"pid":"ada","exp":1300819380,"aud":"others"}"#;
    let kind = refused(r#"{"alg":"HS256"}"#, other_audience);
    assert_eq!(kind, VerifyErrorKind::Audience);
    // §2.9, §3.10: URLs and keys in the header are not used.
    for member in [
        r#""jku":"http://169.254.169.254/""#,
        r#""x5u":"file:///etc/passwd""#,
        r#""jwk":{"kty":"oct","k":""}"#,
        r#""x5c":[]"#,
        r#""crit":["exp"]"#,
    ] {
        let kind = refused(&format!(r#"{{"alg":"HS256",{member}}}"#), claims);
        assert_eq!(kind, VerifyErrorKind::UnsupportedHeader, "{member}");
    }
    for key_id in ["../../dev/null", "' UNION SELECT '' --", "|id", "\u{0}"] {
        let header = json!({ "alg": "HS256", "kid": key_id }).to_string();
        let empty = sign_with(b"", &header, claims);
        assert_eq!(verify(ring(), &empty), Err(VerifyErrorKind::Signature));
    }
}
