//! The cryptographic backend, selected explicitly.
//!
//! `jsonwebtoken` has a process-wide default backend. It panics if both backends, or none, are
//! compiled in, and any crate of the build can install it. This module never uses the default: the
//! backend is a static that our own features select, independent of other features of the build.

use std::cell::Cell;
use std::ptr;
use std::sync::{Arc, Weak};

#[cfg(feature = "aws-lc-rs")]
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
#[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier};
use jsonwebtoken::jwk::EllipticCurve;
use jsonwebtoken::{DecodingKey, EncodingKey};

use super::Algorithm;
use super::algorithm::Family;
use crate::error::{ConfigError, ConfigErrorKind};

#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
fn provider() -> Option<&'static CryptoProvider> {
    Some(&DEFAULT_PROVIDER)
}

#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
fn provider() -> Option<&'static CryptoProvider> {
    None
}

/// Fails without a backend. Every constructor of a key calls this first.
pub(super) fn require() -> Result<(), ConfigError> {
    match provider() {
        Some(_) => Ok(()),
        None => Err(ConfigError::new(
            ConfigErrorKind::NoSignatureBackend,
            "no signature backend: enable the feature `aws-lc-rs` or `rust-crypto`",
        )),
    }
}

/// The signature of `message`, or `None` if the key does not fit the algorithm.
pub(super) fn sign(algorithm: Algorithm, key: &EncodingKey, message: &[u8]) -> Option<Vec<u8>> {
    let signer = (provider()?.signer_factory)(&algorithm.to_backend(), key).ok()?;
    signer.try_sign(message).ok()
}

/// Whether `signature` is a valid signature of `message`. A MAC is compared in constant time.
// The backend's trait is over `Vec<u8>`.
#[allow(clippy::ptr_arg)]
pub(super) fn verify(
    algorithm: Algorithm,
    key: &Arc<DecodingKey>,
    message: &[u8],
    signature: &Vec<u8>,
) -> bool {
    let is_valid = |verifier: &dyn JwtVerifier| verifier.verify(message, signature).is_ok();
    if algorithm.family() != Family::Hmac {
        // Not cached: such a verifier is cheap to build, as it only copies the key's bytes.
        return verifier(algorithm, key).is_some_and(|verifier| is_valid(&*verifier));
    }
    let cached = HMAC_VERIFIER.try_with(Cell::take).unwrap_or_default();
    let cached = match cached {
        Some(cached) if cached.is_for(algorithm, key) => Some(cached),
        _ => verifier(algorithm, key).map(|verifier| CachedVerifier {
            algorithm,
            key: Arc::downgrade(key),
            verifier,
        }),
    };
    let valid = cached
        .as_ref()
        .is_some_and(|cached| is_valid(&*cached.verifier));
    // Fails only while the thread is being destroyed.
    let _ = HMAC_VERIFIER.try_with(|cell| cell.set(cached));
    valid
}

fn verifier(algorithm: Algorithm, key: &DecodingKey) -> Option<Box<dyn JwtVerifier>> {
    (provider()?.verifier_factory)(&algorithm.to_backend(), key).ok()
}

thread_local! {
    /// The HMAC verifier that this thread used last. Building one costs as much as one
    /// verification, and the backend's verifier is not `Sync`.
    static HMAC_VERIFIER: Cell<Option<CachedVerifier>> = const { Cell::new(None) };
}

struct CachedVerifier {
    algorithm: Algorithm,
    /// Weak, so that the last owner still drops the key. The allocation stays until this is
    /// dropped, so another key cannot have the same address.
    key: Weak<DecodingKey>,
    verifier: Box<dyn JwtVerifier>,
}

impl CachedVerifier {
    fn is_for(&self, algorithm: Algorithm, key: &Arc<DecodingKey>) -> bool {
        self.algorithm == algorithm && ptr::eq(self.key.as_ptr(), Arc::as_ptr(key))
    }
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
