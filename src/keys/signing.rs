use std::fmt;
use std::sync::Arc;

use jsonwebtoken::EncodingKey;

use super::material::{Private, invalid};
use super::{Algorithm, VerifyingKey, backend};
use crate::error::ConfigError;

/// A key that signs tokens, and verifies them.
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
    /// The least length of an HMAC secret, in bytes: for HS256. HS384 needs 48, HS512 64.
    pub const MIN_SECRET_LEN: usize = 32;

    /// A secret for HMAC with SHA-256: the default choice where issuer and verifier are one.
    ///
    /// Take random bytes, such as `openssl rand -base64 32` prints. With the feature `tracing`, a
    /// [`KeySet`](super::KeySet) warns of a secret of readable words.
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
        Self::proven(EncodingKey::from_secret(secret).into(), verifying)
    }

    /// A private key from a PEM file: Ed25519 signs as EdDSA, P-256 as ES256, P-384 as ES384, RSA
    /// as RS256 (see [`with_algorithm`](Self::with_algorithm) for PS256 and others).
    ///
    /// PKCS#8, PKCS#1 and SEC 1 are understood.
    ///
    /// # Errors
    /// If it is not one private key of these kinds, is encrypted, or is RSA of under 2048 bits or
    /// over 4096.
    pub fn from_pem(pem: &[u8]) -> Result<Self, ConfigError> {
        backend::require()?;
        Self::from_private(Private::from_pem(pem)?)
    }

    /// As [`from_pem`](Self::from_pem), without the PEM around it.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem).
    pub fn from_der(der: &[u8]) -> Result<Self, ConfigError> {
        backend::require()?;
        Self::from_private(Private::from_der(der)?)
    }

    fn from_private(private: Private) -> Result<Self, ConfigError> {
        debug_assert!(private.family == private.public.family());
        let verifying = VerifyingKey::from_public(private.public)?;
        Self::proven(private.key.into(), verifying)
    }

    /// Replaces the algorithm by another one for the same kind of key: an RSA key can sign as
    /// RS256, RS384, RS512, PS256, PS384 or PS512, a secret as HS256, HS384 or HS512.
    ///
    /// Default is what the constructor says.
    ///
    /// # Errors
    /// If the algorithm needs another kind of key, or a longer secret.
    pub fn with_algorithm(self, algorithm: Algorithm) -> Result<Self, ConfigError> {
        Self::proven(self.key, self.verifying.with_algorithm(algorithm)?)
    }

    /// Names the key: its tokens carry the name as `kid`, so that a ring of several keys knows
    /// which one to verify with.
    ///
    /// Default is no name.
    ///
    /// # Errors
    /// If it is empty, longer than 128 bytes, or holds a control character.
    pub fn with_key_id(self, key_id: &str) -> Result<Self, ConfigError> {
        Ok(Self {
            verifying: self.verifying.with_key_id(key_id)?,
            ..self
        })
    }

    /// How it signs.
    pub fn algorithm(&self) -> Algorithm {
        self.verifying.algorithm()
    }

    /// Its name.
    pub fn key_id(&self) -> Option<&str> {
        self.verifying.key_id()
    }

    /// What verifies its signatures, under the same name. Of a secret it is the secret again.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.verifying.clone()
    }

    /// The header segment of every token that it signs.
    pub(crate) fn header(&self) -> &str {
        self.verifying.header()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        backend::sign(self.algorithm(), &self.key, message)
    }

    /// Signs and verifies once, so that no request finds out later that the key does not work.
    fn proven(key: Arc<EncodingKey>, verifying: VerifyingKey) -> Result<Self, ConfigError> {
        let key = Self { key, verifying };
        let message = b"omneo-id";
        match key.sign(message) {
            Some(signature) if key.verifying.verify(message, &signature) => Ok(key),
            _ => Err(invalid("the key cannot sign, or not as the algorithm asks")),
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
