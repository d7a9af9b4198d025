//! The cryptography, named explicitly.
//!
//! `jsonwebtoken` has a process-wide default that panics when both of its backends, or none, are
//! compiled in, and that any crate of the build can install. Nothing here asks for it: the backend
//! is a static chosen by our own features, whatever else the build turns on.

use jsonwebtoken::crypto::CryptoProvider;
#[cfg(feature = "aws-lc-rs")]
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
#[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::jwk::EllipticCurve;
use jsonwebtoken::{DecodingKey, EncodingKey};

use super::Algorithm;
use crate::error::{ConfigError, ConfigErrorKind};

#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
fn provider() -> Option<&'static CryptoProvider> {
    Some(&DEFAULT_PROVIDER)
}

#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
fn provider() -> Option<&'static CryptoProvider> {
    None
}

/// Every constructor of a key asks this first.
pub(super) fn require() -> Result<(), ConfigError> {
    match provider() {
        Some(_) => Ok(()),
        None => Err(ConfigError::new(
            ConfigErrorKind::NoSignatureBackend,
            "nothing can sign or verify: enable the feature `aws-lc-rs` or `rust-crypto`",
        )),
    }
}

/// The signature of `message`, or `None` if the key does not fit.
pub(super) fn sign(algorithm: Algorithm, key: &EncodingKey, message: &[u8]) -> Option<Vec<u8>> {
    let signer = (provider()?.signer_factory)(&algorithm.to_backend(), key).ok()?;
    signer.try_sign(message).ok()
}

/// Whether `signature` is one of `message`. A MAC is compared in constant time.
// The backend's trait is over `Vec<u8>`.
#[allow(clippy::ptr_arg)]
pub(super) fn verify(
    algorithm: Algorithm,
    key: &DecodingKey,
    message: &[u8],
    signature: &Vec<u8>,
) -> bool {
    provider()
        .and_then(|provider| (provider.verifier_factory)(&algorithm.to_backend(), key).ok())
        .is_some_and(|verifier| verifier.verify(message, signature).is_ok())
}

/// The public point, uncompressed, of a private key on the curve of `algorithm`.
pub(super) fn ec_public(pkcs8: &[u8], algorithm: Algorithm) -> Option<Vec<u8>> {
    let derive = provider()?.key_utils.ec_pub_components_from_private_key;
    let (_, x, y) = derive(pkcs8, algorithm.to_backend()).ok()?;
    Some([&[4], x.as_slice(), y.as_slice()].concat())
}

/// The public half of an Ed25519 private key.
pub(super) fn ed_public(pkcs8: &[u8]) -> Option<Vec<u8>> {
    let derive = provider()?.key_utils.ed_pub_components_from_private_key;
    derive(pkcs8, &EllipticCurve::Ed25519).ok()
}
