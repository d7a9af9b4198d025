//! The keys of a tenant: one that signs ID tokens, and further ones that verify them.

use omneo_id::error::ConfigError;
use omneo_id::keys::KeySet;
use omneo_id::{Keyring, SigningKey, VerifyingKey};
use serde_json::Value;

use super::secrets::Secret;

/// The keys of a tenant, as they are configured.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Keys {
    /// PEM or an HS256 secret. `None` for a random key of this process.
    pub(crate) signing: Option<Secret<Vec<u8>>>,
    /// The key id of the signing key.
    pub(crate) key_id: Option<String>,
    /// Each one PEM, an HS256 secret, a JWK or a JWK set.
    pub(crate) verifying: Vec<Secret<Vec<u8>>>,
}

impl Keys {
    /// The set of keys. `random` signs if no signing key is configured.
    pub(crate) fn key_set(&self, random: &SigningKey) -> Result<KeySet, ConfigError> {
        let signing = match &self.signing {
            Some(key) => signing_key(key.expose())?,
            None => random.clone(),
        };
        let signing = match &self.key_id {
            Some(key_id) => signing.with_key_id(key_id)?,
            None => signing,
        };
        let mut keys = KeySet::new(signing);
        for content in &self.verifying {
            for key in verifying_keys(content.expose())? {
                keys = keys.with_verifying_key(key)?;
            }
        }
        Ok(keys)
    }

    /// As [`key_set`](Self::key_set), for a service.
    pub(crate) fn keyring(&self, random: &SigningKey) -> Result<Keyring, ConfigError> {
        let keyring = Keyring::new(random.clone());
        keyring.replace(self.key_set(random)?);
        Ok(keyring)
    }

    /// Whether ID tokens are signed with a private key, whose public key `GET /auth/jwks` serves.
    pub(crate) fn are_public(&self) -> bool {
        self.signing
            .as_ref()
            .is_some_and(|key| is_pem(key.expose()))
    }
}

/// A random key, which exists only in this process.
pub(crate) fn random_key() -> Result<SigningKey, String> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)
        .map_err(|error| format!("cannot generate a signing key: {error}"))?;
    SigningKey::hs256(secret).map_err(|error| error.to_string())
}

fn signing_key(content: &[u8]) -> Result<SigningKey, ConfigError> {
    match is_pem(content) {
        true => SigningKey::from_pem(content),
        false => SigningKey::hs256(content),
    }
}

/// The keys in the content of a file.
pub(super) fn verifying_keys(content: &[u8]) -> Result<Vec<VerifyingKey>, ConfigError> {
    if is_pem(content) {
        // The public part of a private key verifies. Other content is parsed as a public key, and
        // that error is returned.
        let key = match SigningKey::from_pem(content) {
            Ok(private) => private.verifying_key(),
            Err(_) => VerifyingKey::from_pem(content)?,
        };
        return Ok(vec![key]);
    }
    match serde_json::from_slice::<Value>(content) {
        Ok(Value::Object(json)) if json.contains_key("keys") => {
            Ok(KeySet::from_jwks(content)?.verifying_keys().to_vec())
        }
        Ok(Value::Object(_)) => Ok(vec![VerifyingKey::from_jwk(content)?]),
        _ => Ok(vec![VerifyingKey::hs256(content)?]),
    }
}

fn is_pem(content: &[u8]) -> bool {
    content.starts_with(b"-----BEGIN")
}

/// Checks a key id.
pub(super) fn key_id(key_id: &str) -> Result<String, String> {
    match SigningKey::hs256([1; 32]).and_then(|key| key.with_key_id(key_id)) {
        Ok(_) => Ok(key_id.to_owned()),
        Err(error) => Err(format!("is invalid: {error}")),
    }
}
