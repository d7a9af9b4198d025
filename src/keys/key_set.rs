use serde_json::Value;

use super::key_file::invalid;
use super::{Algorithm, SigningKey, VerifyingKey, jwk};
use crate::error::{ConfigError, ConfigErrorKind};

/// The content of a [`Keyring`](super::Keyring): at most one signing key, and the verifying keys.
#[derive(Clone, Debug)]
pub struct KeySet {
    signing: Option<SigningKey>,
    /// The signing key's verifying key first.
    verifying: Vec<VerifyingKey>,
}

/// The most keys that a token without `kid` is verified with; it bounds the cost of a forged token.
/// It is also the most keys of one algorithm without a key id, as each of them must be tried.
const MAX_TRIES: usize = 8;

impl KeySet {
    /// The most keys of a set: far more than a rotation needs.
    pub const MAX_KEYS: usize = 64;

    /// A set with one key, which signs and verifies.
    pub fn new(signing: SigningKey) -> Self {
        let verifying = signing.verifying_key();
        verifying.warn_if_guessable();
        Self {
            verifying: vec![verifying],
            signing: Some(signing),
        }
    }

    /// A set that only verifies: for the tokens of another issuer.
    ///
    /// # Errors
    /// If there are no keys, more than 64, or two with the same key id.
    pub fn verifying_only(
        keys: impl IntoIterator<Item = VerifyingKey>,
    ) -> Result<Self, ConfigError> {
        let empty = Self {
            signing: None,
            verifying: Vec::new(),
        };
        let keys = keys.into_iter().try_fold(empty, Self::with_verifying_key)?;
        match keys.verifying.is_empty() {
            true => Err(invalid("a set needs at least one verifying key")),
            false => Ok(keys),
        }
    }

    /// The signature keys of a JWK set
    /// ([RFC 7517 §5](https://www.rfc-editor.org/rfc/rfc7517#section-5)) of another issuer. Keys of
    /// unknown kinds, for encryption, too small, or symmetric are skipped.
    ///
    /// # Errors
    /// If the text is not a JWK set, or the set has no usable key or two with the same key id.
    pub fn from_jwks(json: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let keys = jwk::parse_set(json.as_ref())?;
        Self::verifying_only(keys.iter().filter_map(VerifyingKey::from_jwk_value))
    }

    /// Adds a verifying key.
    ///
    /// # Errors
    /// If another key of the same algorithm has the same key id, 8 keys of the algorithm have no
    /// key id, or the set has 64 keys.
    pub fn with_verifying_key(mut self, key: VerifyingKey) -> Result<Self, ConfigError> {
        let of_algorithm = || {
            let keys = self.verifying.iter();
            keys.filter(|other| other.algorithm() == key.algorithm())
        };
        if key.key_id().is_some() && of_algorithm().any(|other| other.key_id() == key.key_id()) {
            return Err(ConfigError::new(
                ConfigErrorKind::DuplicateKeyId,
                "two keys of one ring have the same key id",
            ));
        }
        let without_id = of_algorithm().filter(|other| other.key_id().is_none());
        if key.key_id().is_none() && without_id.count() == MAX_TRIES {
            return Err(invalid(
                "a ring has at most 8 keys of one algorithm without a key id",
            ));
        }
        if self.verifying.len() == Self::MAX_KEYS {
            return Err(invalid("a ring has at most 64 keys"));
        }
        key.warn_if_guessable();
        self.verifying.push(key);
        Ok(self)
    }

    /// Adds the signature keys of a JWK set, with their algorithms and key ids. Keys that
    /// [`from_jwks`](Self::from_jwks) skips are skipped, and so are keys that this set has already:
    /// the JWK set may be that of another replica.
    ///
    /// ```no_run
    /// use omneo_id::keys::KeySet;
    /// use omneo_id::SigningKey;
    ///
    /// let signing = SigningKey::from_pem(&std::fs::read("key.pem").unwrap())?.with_key_id("2026")?;
    /// let earlier = std::fs::read("earlier-keys.json").unwrap();
    /// let keys = KeySet::new(signing).with_verifying_jwks(&earlier)?;
    /// # Ok::<(), omneo_id::error::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// If the text is not a JWK set or has no usable key, or a key cannot be added: see
    /// [`with_verifying_key`](Self::with_verifying_key).
    pub fn with_verifying_jwks(self, json: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let mut added = Self::from_jwks(json)?.verifying.into_iter();
        added.try_fold(self, |keys, key| match keys.contains_public(&key) {
            true => Ok(keys),
            false => keys.with_verifying_key(key),
        })
    }

    /// Whether the set has this public key, with the same algorithm and key id.
    fn contains_public(&self, key: &VerifyingKey) -> bool {
        let jwk = key.to_jwk();
        self.verifying.iter().any(|other| other.to_jwk() == jwk)
    }

    /// The set without the verifying keys that have this key id.
    pub(super) fn without_verifying_key(&self, key_id: &str) -> Result<Self, ConfigError> {
        let signing = self.signing.as_ref();
        if signing.is_some_and(|key| key.key_id() == Some(key_id)) {
            return Err(invalid("the signing key has this key id: replace it first"));
        }
        let mut rest = self.clone();
        rest.verifying.retain(|key| key.key_id() != Some(key_id));
        match rest.verifying.is_empty() {
            true => Err(invalid("a set needs at least one verifying key")),
            false => Ok(rest),
        }
    }

    /// The signing key.
    pub fn signing_key(&self) -> Option<&SigningKey> {
        self.signing.as_ref()
    }

    /// The verifying keys, that of the signing key first.
    pub fn verifying_keys(&self) -> &[VerifyingKey] {
        &self.verifying
    }

    /// The public keys as a JWK set, for other verifiers. Secrets are omitted.
    pub fn to_jwks(&self) -> Value {
        jwk::set(self.verifying.iter().filter_map(VerifyingKey::to_jwk))
    }

    /// The keys to verify a token of this algorithm and `kid` with.
    ///
    /// A `kid` selects the key that has it, otherwise the keys without a key id. A token without
    /// `kid` selects all keys of the algorithm. At most [`MAX_TRIES`] keys are returned.
    pub(crate) fn candidates<'a>(
        &'a self,
        algorithm: Algorithm,
        key_id: Option<&'a str>,
    ) -> impl Iterator<Item = &'a VerifyingKey> {
        let id_matches = key_id.is_some()
            && (self.verifying.iter())
                .any(|key| key.algorithm() == algorithm && key.key_id() == key_id);
        let of_algorithm = move || {
            let keys = self.verifying.iter();
            keys.filter(move |key| key.algorithm() == algorithm)
        };
        // No `kid` can select a key without an id, so these are tried first.
        let without_id = of_algorithm().filter(|key| key.key_id().is_none());
        let with_id = of_algorithm().filter(|key| key.key_id().is_some());
        without_id
            .chain(with_id)
            .filter(move |key| match (id_matches, key_id) {
                (true, _) => key.key_id() == key_id,
                (false, Some(_)) => key.key_id().is_none(),
                (false, None) => true,
            })
            .take(MAX_TRIES)
    }
}
