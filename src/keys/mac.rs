use std::fmt;
use std::sync::Arc;

use jsonwebtoken::DecodingKey;
#[cfg(feature = "sandbox")]
use jsonwebtoken::EncodingKey;

use super::{Algorithm, backend};
use crate::error::{ConfigError, ConfigErrorKind};

/// A secret that authenticates messages other than tokens, with HMAC-SHA256.
///
/// Clones share the secret, which is wiped when the last of them is dropped.
#[derive(Clone)]
pub(crate) struct MacKey(Arc<DecodingKey>);

/// The shortest secret, in bytes: 128 bits, if all of them are random.
pub(crate) const MIN_MAC_SECRET_LEN: usize = 16;
/// The length of a MAC, in bytes.
pub(crate) const MAC_LEN: usize = 32;

impl MacKey {
    /// # Errors
    /// If the secret has fewer than 16 bytes, or white space around it.
    pub(crate) fn new(secret: &[u8]) -> Result<Self, ConfigError> {
        backend::require()?;
        if secret.len() < MIN_MAC_SECRET_LEN {
            return weak("the secret needs 16 bytes at least");
        }
        if secret.trim_ascii().len() != secret.len() {
            // Usually the line break at the end of a file: no signature would ever match.
            return weak("the secret begins or ends with white space");
        }
        Ok(Self(DecodingKey::from_secret(secret).into()))
    }

    /// Whether `mac` is the MAC of `message`, compared in constant time.
    // The backend's trait is over `Vec<u8>`.
    #[allow(clippy::ptr_arg)]
    pub(crate) fn verify(&self, message: &[u8], mac: &Vec<u8>) -> bool {
        mac.len() == MAC_LEN && backend::verify(Algorithm::HS256, &self.0, message, mac)
    }
}

/// The HMAC-SHA256 of `message`; `None` without a backend.
#[cfg(feature = "sandbox")]
pub(crate) fn hmac_sha256(secret: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    backend::sign(Algorithm::HS256, &EncodingKey::from_secret(secret), message)
}

fn weak(why: &'static str) -> Result<MacKey, ConfigError> {
    Err(ConfigError::new(ConfigErrorKind::WeakSecret, why))
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MacKey").finish_non_exhaustive()
    }
}
