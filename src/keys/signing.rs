use std::fmt;
use std::sync::Arc;

use jsonwebtoken::EncodingKey;

use super::key_file::{PrivateKey, invalid};
use super::{Algorithm, VerifyingKey, backend, secret};
use crate::error::ConfigError;

/// A key that signs tokens and verifies them.
///
/// Clones share the key material, which is wiped when the last of them is dropped. See the
/// [module docs](super) for PEM files and rotation.
///
/// ```
/// use omneo_id::SigningKey;
///
/// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
/// let key = SigningKey::hs256("a secret of at least 32 bytes, kept secret")?;
/// assert!(!format!("{key:?}").contains("kept secret"));
/// # }
/// # Ok::<(), omneo_id::error::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct SigningKey {
    key: Arc<EncodingKey>,
    verifying: VerifyingKey,
}

impl SigningKey {
    /// The shortest HMAC secret for HS256, in bytes. HS384 needs 48, HS512 64.
    pub const MIN_SECRET_LEN: usize = secret::MIN_LEN;

    /// A secret for HMAC with SHA-256: the usual choice if issuer and verifier are one process.
    ///
    /// Use random bytes, such as the output of `openssl rand -base64 32`. With the feature
    /// `tracing`, the crate logs a warning for a secret that looks like readable text.
    ///
    /// # Errors
    /// If it has fewer than 32 bytes, or is the content of a key file or a text of several lines.
    pub fn hs256(secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::from_secret(Algorithm::HS256, secret.as_ref())
    }

    /// A secret for HMAC with SHA-384.
    ///
    /// # Errors
    /// If it has fewer than 48 bytes, or is the content of a key file or a text of several lines.
    pub fn hs384(secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::from_secret(Algorithm::HS384, secret.as_ref())
    }

    /// A secret for HMAC with SHA-512.
    ///
    /// # Errors
    /// If it has fewer than 64 bytes, or is the content of a key file or a text of several lines.
    pub fn hs512(secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::from_secret(Algorithm::HS512, secret.as_ref())
    }

    fn from_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, ConfigError> {
        let verifying = VerifyingKey::from_secret(algorithm, secret)?;
        Self::new_checked(EncodingKey::from_secret(secret).into(), verifying)
    }

    /// A private key from a PEM file: Ed25519 signs as EdDSA, P-256 as ES256, P-384 as ES384, RSA
    /// as RS256 (see [`with_algorithm`](Self::with_algorithm) for PS256 and others).
    ///
    /// PKCS#8, PKCS#1 and SEC 1 are supported.
    ///
    /// # Errors
    /// If the file is not exactly one private key of these kinds, is encrypted, or is RSA with
    /// under 2048 or over 4096 bits.
    pub fn from_pem(pem: &[u8]) -> Result<Self, ConfigError> {
        backend::require()?;
        Self::from_private(PrivateKey::from_pem(pem)?)
    }

    /// As [`from_pem`](Self::from_pem), from DER.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem).
    pub fn from_der(der: &[u8]) -> Result<Self, ConfigError> {
        backend::require()?;
        Self::from_private(PrivateKey::from_der(der)?)
    }

    fn from_private(private: PrivateKey) -> Result<Self, ConfigError> {
        debug_assert!(private.family == private.public.family());
        let verifying = VerifyingKey::from_public(private.public)?;
        Self::new_checked(private.key.into(), verifying)
    }

    /// Replaces the algorithm by another one for the same kind of key: an RSA key can sign as
    /// RS256, RS384, RS512, PS256, PS384 or PS512, a secret as HS256, HS384 or HS512.
    ///
    /// Default is the algorithm that the constructor documents.
    ///
    /// # Errors
    /// If the algorithm needs another kind of key, or a longer secret.
    pub fn with_algorithm(self, algorithm: Algorithm) -> Result<Self, ConfigError> {
        Self::new_checked(self.key, self.verifying.with_algorithm(algorithm)?)
    }

    /// Replaces the key id. Tokens carry it as `kid`, which selects the verifying key in a ring of
    /// several keys.
    ///
    /// Default is a key without a key id.
    ///
    /// # Errors
    /// If the key id is empty, longer than 128 bytes, or contains a control character.
    pub fn with_key_id(self, key_id: &str) -> Result<Self, ConfigError> {
        Ok(Self {
            verifying: self.verifying.with_key_id(key_id)?,
            ..self
        })
    }

    /// The algorithm of the signatures.
    pub fn algorithm(&self) -> Algorithm {
        self.verifying.algorithm()
    }

    /// The key id: the `kid` of its tokens.
    pub fn key_id(&self) -> Option<&str> {
        self.verifying.key_id()
    }

    /// The key that verifies its signatures, with the same key id. For a secret, the secret itself.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.verifying.clone()
    }

    /// The header segment of the tokens that it signs.
    pub(crate) fn header(&self) -> &str {
        self.verifying.header()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        backend::sign(self.algorithm(), &self.key, message)
    }

    /// Signs and verifies once, so that an unusable key fails here and not at a request.
    fn new_checked(key: Arc<EncodingKey>, verifying: VerifyingKey) -> Result<Self, ConfigError> {
        let key = Self { key, verifying };
        let message = b"omneo-id";
        match key.sign(message) {
            Some(signature) if key.verifying.verify(message, &signature) => Ok(key),
            _ => Err(invalid("the key cannot sign with its algorithm")),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm())
            .field("key_id", &self.key_id())
            .finish_non_exhaustive()
    }
}
