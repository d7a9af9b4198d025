//! Tokens that others have signed: the examples of the RFCs.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use omneo_id::TokenVerifier;
use omneo_id::auth::VerifyErrorKind;
use omneo_id::keys::{Keyring, VerifyingKey};
use serde_json::{Value, json};

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

/// The token with its signature, and with the signature of something else.
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

#[test]
fn rfc_7515_a_3_ecdsa() {
    let ring = from_jwk(&json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }));
    let signature =
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    assert_eq!(
        check(ring, "eyJhbGciOiJFUzI1NiJ9", CLAIMS, signature),
        Ok(())
    );
}

#[test]
fn rfc_7515_a_5_is_unsigned_and_stays_outside() {
    let ring = Keyring::verifying_only([VerifyingKey::hs256([7; 32]).unwrap()]).unwrap();
    let token = format!("eyJhbGciOiJub25lIn0.{CLAIMS}.");
    assert_eq!(verify(ring, &token), Err(VerifyErrorKind::Algorithm));
}

#[test]
fn rfc_8037_a_4_is_signed_and_no_token() {
    let ring = from_jwk(&json!({
        "kty": "OKP",
        "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    }));
    // The signature is good; what it signs, "Example of Ed25519 signing", are no claims.
    let payload = "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature =
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let verdict = check(ring, "eyJhbGciOiJFZERTQSJ9", payload, signature);
    assert_eq!(verdict, Err(VerifyErrorKind::Malformed));
}
