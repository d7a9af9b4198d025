//! Keys that verify tokens.

use std::fmt;
use std::sync::{Arc, Once};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::Value;

use super::algorithm::Family;
use super::jwk::{self, Jwk};
use super::key_file::{PublicKey, invalid};
use super::{Algorithm, backend, secret};
use crate::error::{ConfigError, ConfigErrorKind};

/// A key that verifies tokens. A public key cannot sign; an HMAC secret can.
///
/// Clones share the key material. See the [module docs](super).
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    key: Arc<DecodingKey>,
    /// `None` for a secret.
    public: Option<Arc<PublicKey>>,
    key_id: Option<Arc<str>>,
    /// The header segment of tokens that the corresponding signing key issues. The verifier
    /// compares it and does not parse it.
    header: Arc<str>,
    signature_len: usize,
    /// For a secret that can be guessed: the log of one warning, shared by all clones.
    #[cfg_attr(not(feature = "tracing"), expect(dead_code, reason = "only logged"))]
    weak_secret_warning: Option<Arc<Once>>,
}

impl VerifyingKey {
    /// A secret for HMAC with SHA-256.
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

    /// A public key from a PEM file: Ed25519 verifies EdDSA, P-256 ES256, P-384 ES384, RSA RS256
    /// (see [`with_algorithm`](Self::with_algorithm) for PS256 and others).
    ///
    /// # Errors
    /// If the file is not exactly one public key of these kinds, or is RSA with under 2048 or over
    /// 4096 bits.
    pub fn from_pem(pem: &[u8]) -> Result<Self, ConfigError> {
        Self::from_public(PublicKey::from_pem(pem)?)
    }

    /// As [`from_pem`](Self::from_pem), from DER: `SubjectPublicKeyInfo`, or PKCS#1 for RSA.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem).
    pub fn from_der(der: &[u8]) -> Result<Self, ConfigError> {
        Self::from_public(PublicKey::from_der(der)?)
    }

    /// A public key from a JSON Web Key ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517)), with
    /// its `alg` and `kid`. `KeySet::from_jwks` reads a JWK set.
    ///
    /// # Errors
    /// If the JWK is not a public signature key of these kinds.
    pub fn from_jwk(json: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let jwk = serde_json::from_slice(json.as_ref())
            .map_err(|error| invalid("the JWK is not JSON").with_source(error))?;
        Self::from_jwk_value(&jwk)
            .ok_or_else(|| invalid("the JWK is not a public key that can verify tokens"))
    }

    /// `None` if the JWK is not a public signature key of a supported kind.
    pub(super) fn from_jwk_value(jwk: &Value) -> Option<Self> {
        let jwk = Jwk::from_value(jwk)?;
        let mut key = Self::from_public(jwk.public).ok()?;
        if let Some(algorithm) = jwk.algorithm {
            key = key.with_algorithm(algorithm).ok()?;
        }
        match jwk.key_id {
            Some(key_id) => key.with_key_id(key_id).ok(),
            None => Some(key),
        }
    }

    pub(super) fn from_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, ConfigError> {
        secret::check(algorithm, secret)?;
        let key = Self::new(algorithm, DecodingKey::from_secret(secret).into(), None)?;
        Ok(Self {
            weak_secret_warning: secret::is_readable(secret).then(|| Arc::new(Once::new())),
            ..key
        })
    }

    pub(super) fn from_public(public: PublicKey) -> Result<Self, ConfigError> {
        let algorithm = match public.family() {
            Family::Rsa => Algorithm::RS256,
            Family::P256 => Algorithm::ES256,
            Family::P384 => Algorithm::ES384,
            Family::Ed25519 => Algorithm::EdDSA,
            Family::Hmac => Algorithm::HS256,
        };
        Self::new(
            algorithm,
            public.to_backend().into(),
            Some(Arc::new(public)),
        )
    }

    fn new(
        algorithm: Algorithm,
        key: Arc<DecodingKey>,
        public: Option<Arc<PublicKey>>,
    ) -> Result<Self, ConfigError> {
        backend::require()?;
        let modulus_len = match public.as_deref() {
            Some(PublicKey::Rsa { n, .. }) => n.len(),
            _ => 0,
        };
        Ok(Self {
            algorithm,
            key,
            public,
            key_id: None,
            header: header(algorithm, None),
            signature_len: algorithm.signature_len().unwrap_or(modulus_len),
            weak_secret_warning: None,
        })
    }

    /// Replaces the algorithm by another one for the same kind of key.
    ///
    /// Default is the algorithm that the constructor documents.
    ///
    /// # Errors
    /// If the algorithm needs another kind of key, or a longer secret.
    pub fn with_algorithm(self, algorithm: Algorithm) -> Result<Self, ConfigError> {
        if algorithm.family() != self.algorithm.family() {
            return Err(invalid("the algorithm needs another kind of key"));
        }
        if algorithm.family() == Family::Hmac {
            let secret = self.key.try_get_as_bytes().unwrap_or_default();
            secret::check(algorithm, secret)?;
        }
        Ok(Self {
            header: header(algorithm, self.key_id()),
            signature_len: algorithm.signature_len().unwrap_or(self.signature_len),
            algorithm,
            ..self
        })
    }

    /// Replaces the key id. The key then verifies tokens with this `kid`, and tokens without `kid`.
    ///
    /// Default is a key without a key id. It verifies tokens whose `kid` matches no other key of
    /// the ring.
    ///
    /// # Errors
    /// If the key id is empty, longer than 128 bytes, or contains a control character. A SHA-256
    /// thumbprint, a usual key id, has up to 64 bytes.
    pub fn with_key_id(self, key_id: &str) -> Result<Self, ConfigError> {
        if key_id.is_empty() || key_id.len() > 128 || key_id.chars().any(char::is_control) {
            return Err(ConfigError::new(
                ConfigErrorKind::InvalidValue,
                "a key id is 1 to 128 bytes, without control characters",
            ));
        }
        Ok(Self {
            header: header(self.algorithm, Some(key_id)),
            key_id: Some(key_id.into()),
            ..self
        })
    }

    /// The algorithm of the signatures.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key id: the `kid` of tokens that this key verifies.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// The key id, shared with the tokens that it verifies.
    pub(crate) fn shared_key_id(&self) -> Option<Arc<str>> {
        self.key_id.clone()
    }

    pub(crate) fn header(&self) -> &str {
        &self.header
    }

    /// The key as a JWK; `None` for a secret.
    pub(super) fn to_jwk(&self) -> Option<Value> {
        let public = self.public.as_deref()?;
        Some(jwk::to_value(public, self.algorithm, self.key_id()))
    }

    /// Logs one warning if the key is a secret that looks like readable text.
    pub(super) fn warn_if_guessable(&self) {
        #[cfg(feature = "tracing")]
        if let Some(once) = &self.weak_secret_warning {
            once.call_once(|| {
                tracing::warn!(
                    key_id = self.key_id(),
                    "an HMAC key looks like readable words, which can be guessed: use random \
                     bytes, such as `openssl rand -base64 32` prints",
                );
            });
        }
    }

    /// Whether `signature` is a signature of `message` by this key.
    // The backend's trait is over `Vec<u8>`.
    #[allow(clippy::ptr_arg)]
    pub(crate) fn verify(&self, message: &[u8], signature: &Vec<u8>) -> bool {
        signature.len() == self.signature_len
            && backend::verify(self.algorithm, &self.key, message, signature)
    }
}

/// The encoded JOSE header of the tokens that this crate issues.
fn header(algorithm: Algorithm, key_id: Option<&str>) -> Arc<str> {
    let json = match key_id {
        None => format!(r#"{{"alg":"{algorithm}","typ":"JWT"}}"#),
        Some(key_id) => {
            let key_id = Value::from(key_id);
            format!(r#"{{"alg":"{algorithm}","kid":{key_id},"typ":"JWT"}}"#)
        }
    };
    URL_SAFE_NO_PAD.encode(json).into()
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("algorithm", &self.algorithm)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]
mod tests;
