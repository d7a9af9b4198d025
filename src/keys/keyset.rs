use serde_json::Value;

use super::material::invalid;
use super::{Algorithm, SigningKey, VerifyingKey, jwk};
use crate::error::{ConfigError, ConfigErrorKind};

/// What a [`Keyring`](super::Keyring) holds at one time: at most one key that signs, and those
/// that verify.
#[derive(Clone, Debug)]
pub struct KeySet {
    signing: Option<SigningKey>,
    /// The signing key's own first.
    verifying: Vec<VerifyingKey>,
}

/// A token without `kid` is tried against this many keys at most: what an unsigned guess may cost.
/// So many keys of one algorithm may do without a name.
const MAX_TRIES: usize = 8;

impl KeySet {
    /// The most keys that a set can hold.
    pub const MAX_KEYS: usize = 64;

    /// One key that signs and verifies.
    pub fn new(signing: SigningKey) -> Self {
        let verifying = signing.verifying_key();
        verifying.warn_if_readable();
        Self {
            verifying: vec![verifying],
            signing: Some(signing),
        }
    }

    /// Keys that verify what somebody else has signed.
    ///
    /// # Errors
    /// If two have the same name, there is none, or there are more than 64.
    pub fn verifying_only(
        keys: impl IntoIterator<Item = VerifyingKey>,
    ) -> Result<Self, ConfigError> {
        let empty = Self {
            signing: None,
            verifying: Vec::new(),
        };
        let keys = keys.into_iter().try_fold(empty, Self::with_verifying_key)?;
        match keys.verifying.is_empty() {
            true => Err(invalid("there is no key to verify with")),
            false => Ok(keys),
        }
    }

    /// The signature keys of a JWK set
    /// ([RFC 7517 §5](https://www.rfc-editor.org/rfc/rfc7517#section-5)), as another issuer
    /// publishes it. Keys of unknown kinds, for encryption, too small, or symmetric are skipped.
    ///
    /// # Errors
    /// If it is no JWK set, has no key that can be used, or two with the same name.
    pub fn from_jwks(json: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::verifying_only(jwk::import(json.as_ref())?)
    }

    /// Adds a key to verify with.
    ///
    /// # Errors
    /// If a key of the same algorithm has the same name already, 8 of it have none, or 64 are
    /// there.
    pub fn with_verifying_key(mut self, key: VerifyingKey) -> Result<Self, ConfigError> {
        let same = |other: &VerifyingKey| {
            other.key_id().is_some()
                && other.key_id() == key.key_id()
                && other.algorithm() == key.algorithm()
        };
        if self.verifying.iter().any(same) {
            return Err(ConfigError::new(
                ConfigErrorKind::DuplicateKeyId,
                "two keys of one ring have the same key id",
            ));
        }
        let nameless = |other: &&VerifyingKey| {
            other.key_id().is_none() && other.algorithm() == key.algorithm()
        };
        if key.key_id().is_none() && self.verifying.iter().filter(nameless).count() == MAX_TRIES {
            return Err(invalid(
                "a ring holds 8 keys without a name of one algorithm at most",
            ));
        }
        if self.verifying.len() == Self::MAX_KEYS {
            return Err(invalid("a ring holds 64 keys at most"));
        }
        key.warn_if_readable();
        self.verifying.push(key);
        Ok(self)
    }

    /// The key that signs.
    pub fn signing_key(&self) -> Option<&SigningKey> {
        self.signing.as_ref()
    }

    /// The keys that verify, the signing key's own first.
    pub fn verifying_keys(&self) -> &[VerifyingKey] {
        &self.verifying
    }

    /// The public keys as a JWK set, for others to verify with. Secrets are left out.
    pub fn to_jwks(&self) -> Value {
        jwk::export(&self.verifying)
    }

    /// The keys that may have signed a token of this algorithm and `kid`.
    ///
    /// A name selects the key that has it, or else those that have none; no name selects all. It
    /// never brings in a key that is not in the set.
    pub(crate) fn candidates<'a>(
        &'a self,
        algorithm: Algorithm,
        key_id: Option<&'a str>,
    ) -> impl Iterator<Item = &'a VerifyingKey> {
        let named = key_id.is_some()
            && (self.verifying.iter())
                .any(|key| key.algorithm() == algorithm && key.key_id() == key_id);
        let of_algorithm = move || {
            let keys = self.verifying.iter();
            keys.filter(move |key| key.algorithm() == algorithm)
        };
        // Keys without a name cannot be pointed at: they are tried before those that could.
        let nameless = of_algorithm().filter(|key| key.key_id().is_none());
        let others = of_algorithm().filter(|key| key.key_id().is_some());
        nameless
            .chain(others)
            .filter(move |key| match (named, key_id) {
                (true, _) => key.key_id() == key_id,
                (false, Some(_)) => key.key_id().is_none(),
                (false, None) => true,
            })
            .take(MAX_TRIES)
    }
}
