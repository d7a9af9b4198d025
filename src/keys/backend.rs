//! The cryptography, named explicitly.
//!
//! `jsonwebtoken` has a process-wide default that panics when both of its backends, or none, are
//! compiled in, and that any crate of the build can install. Nothing here asks for it: the backend
//! is a static chosen by our own features, whatever else the build turns on.

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
    key: &Arc<DecodingKey>,
    message: &[u8],
    signature: &Vec<u8>,
) -> bool {
    let is_valid = |verifier: &dyn JwtVerifier| verifier.verify(message, signature).is_ok();
    if algorithm.family() != Family::Hmac {
        // Nothing is gained by keeping those: they hold the key's bytes as they are.
        return verifier(algorithm, key).is_some_and(|verifier| is_valid(&*verifier));
    }
    let kept = KEPT.try_with(Cell::take).unwrap_or_default();
    let kept = match kept {
        Some(kept) if kept.is_of(algorithm, key) => Some(kept),
        _ => verifier(algorithm, key).map(|verifier| Kept {
            algorithm,
            key: Arc::downgrade(key),
            verifier,
        }),
    };
    let valid = kept.as_ref().is_some_and(|kept| is_valid(&*kept.verifier));
    // Where the thread is ending already, there is nothing to keep it for.
    let _ = KEPT.try_with(|cell| cell.set(kept));
    valid
}

fn verifier(algorithm: Algorithm, key: &DecodingKey) -> Option<Box<dyn JwtVerifier>> {
    (provider()?.verifier_factory)(&algorithm.to_backend(), key).ok()
}

thread_local! {
    /// The HMAC verifier that this thread has used last. To make one costs as much as to use it,
    /// and the backend's cannot be shared between threads.
    static KEPT: Cell<Option<Kept>> = const { Cell::new(None) };
}

struct Kept {
    algorithm: Algorithm,
    /// Weak, so that the key itself goes when its last owner does; and as long as it is here, no
    /// other key can get the same address.
    key: Weak<DecodingKey>,
    verifier: Box<dyn JwtVerifier>,
}

impl Kept {
    fn is_of(&self, algorithm: Algorithm, key: &Arc<DecodingKey>) -> bool {
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
