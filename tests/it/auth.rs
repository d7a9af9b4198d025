//! Verifier and layer, through the public API.

mod layer;
mod verifier;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use omneo_id::auth::{VerifyError, VerifyErrorKind};
use omneo_id::identity::VerifiedToken;
use omneo_id::{Keyring, SigningKey, Subject, TokenIssuer, TokenVerifier};
use serde_json::Value;

const NOW: u64 = 1_700_000_000;
const SECRET: &str = "a secret of more than thirty-two bytes";
const PID: &str = "3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10";

fn ring() -> Keyring {
    crate::support::logs::watch();
    Keyring::new(SigningKey::hs256(SECRET).unwrap())
}

pub(crate) fn verifier() -> TokenVerifier {
    TokenVerifier::new(ring()).with_clock(|| NOW)
}

fn ada() -> Subject {
    Subject::Profile(PID.parse().unwrap())
}

fn token() -> String {
    let issuer = TokenIssuer::new(ring()).with_clock(|| NOW);
    issuer.issue(&ada()).unwrap().into_token()
}

fn encode(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// Signs any header and payload, including those that the issuer never produces.
pub(crate) fn sign(header: &str, payload: &[u8]) -> String {
    sign_with(SECRET.as_bytes(), header, payload)
}

pub(crate) fn sign_with(secret: &[u8], header: &str, payload: &[u8]) -> String {
    let message = format!("{}.{}", encode(header), encode(payload));
    let signature = hmac_sha256(secret, message.as_bytes());
    format!("{message}.{}", encode(signature))
}

/// Uses the low-level API of `jsonwebtoken`, which is not under test.
fn hmac_sha256(secret: &[u8], message: &[u8]) -> Vec<u8> {
    #[cfg(feature = "aws-lc-rs")]
    use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
    #[cfg(not(feature = "aws-lc-rs"))]
    use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
    let key = jsonwebtoken::EncodingKey::from_secret(secret);
    let signer = (DEFAULT_PROVIDER.signer_factory)(&jsonwebtoken::Algorithm::HS256, &key);
    signer.unwrap().try_sign(message).unwrap()
}

pub(crate) const HS256: &str = r#"{"alg":"HS256"}"#;

fn claims(claims: &Value) -> Result<VerifiedToken, VerifyError> {
    verifier().verify(&sign(HS256, claims.to_string().as_bytes()))
}

pub(crate) fn kind<T: std::fmt::Debug>(result: Result<T, VerifyError>) -> VerifyErrorKind {
    result.unwrap_err().kind()
}
