use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use serde_json::Value;

use super::{KeySet, SigningKey, VerifyingKey};
use crate::error::ConfigError;

/// The keys in use, replaceable while requests run.
///
/// A handle: clones share one ring, so a change is visible to the issuer and all verifiers. Readers
/// take no lock and never wait for a rotation. See the [module docs](super).
#[derive(Clone)]
pub struct Keyring(Arc<Shared>);

struct Shared {
    current: ArcSwap<Snapshot>,
    /// The generation of `current`, readable without loading it.
    generation: AtomicU64,
    /// Locked during a change, so that concurrent changes do not overwrite each other.
    writer: Mutex<()>,
}

/// The ring's content at one time.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) keys: KeySet,
    pub(crate) generation: u64,
}

impl Keyring {
    /// A ring with one key, which signs and verifies.
    pub fn new(signing: SigningKey) -> Self {
        KeySet::new(signing).into()
    }

    /// A ring that only verifies: for the tokens of another issuer.
    ///
    /// # Errors
    /// If there are no keys, more than [`MAX_KEYS`](KeySet::MAX_KEYS), or two with the same key id.
    pub fn verifying_only(
        keys: impl IntoIterator<Item = VerifyingKey>,
    ) -> Result<Self, ConfigError> {
        KeySet::verifying_only(keys).map(Self::from)
    }

    /// A ring that verifies with the keys of a JWK set: see [`KeySet::from_jwks`].
    ///
    /// # Errors
    /// As [`KeySet::from_jwks`].
    pub fn from_jwks(json: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        KeySet::from_jwks(json).map(Self::from)
    }

    /// Adds a verifying key. All clones of this ring share the change.
    ///
    /// # Errors
    /// If another key of the same algorithm has the same key id, 8 keys of the algorithm have no
    /// key id, or the ring has [`MAX_KEYS`](KeySet::MAX_KEYS) keys. The ring is then unchanged.
    pub fn add_verifying_key(&self, key: VerifyingKey) -> Result<(), ConfigError> {
        self.update(|keys| keys.clone().with_verifying_key(key).map(Some))
    }

    /// Removes the verifying keys with this key id, and returns how many were removed. Tokens that
    /// they have signed are rejected from now on. All clones of this ring share the change.
    ///
    /// Without such a key, the ring is unchanged and the result is 0.
    ///
    /// ```
    /// use omneo_id::{Keyring, SigningKey};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let old = SigningKey::hs256("the first secret, at least 32 bytes long")?;
    /// let old = old.with_key_id("2025")?;
    /// let new = SigningKey::hs256("the second secret, also over 32 bytes long")?;
    /// let ring = Keyring::new(new.with_key_id("2026")?);
    /// ring.add_verifying_key(old.verifying_key())?;
    ///
    /// // When the last token of the old key has expired:
    /// assert_eq!(ring.remove_verifying_key("2025")?, 1);
    /// # }
    /// # Ok::<(), omneo_id::error::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// If the signing key has this key id: replace it first, with [`replace`](Self::replace). If it
    /// is the last key of the ring. The ring is then unchanged.
    pub fn remove_verifying_key(&self, key_id: &str) -> Result<usize, ConfigError> {
        let mut removed = 0;
        self.update(|keys| {
            let next = keys.without_verifying_key(key_id)?;
            removed = keys.verifying_keys().len() - next.verifying_keys().len();
            Ok((removed > 0).then_some(next))
        })?;
        Ok(removed)
    }

    /// Replaces all keys. Tokens of removed keys are rejected from now on. All clones of this ring
    /// share the change.
    pub fn replace(&self, keys: KeySet) {
        let Ok(()) = self.update(|_| Ok::<_, std::convert::Infallible>(Some(keys)));
    }

    /// The current keys.
    pub fn keys(&self) -> KeySet {
        self.snapshot().keys.clone()
    }

    /// The public keys as a JWK set, for other verifiers. Secrets are omitted.
    pub fn to_jwks(&self) -> Value {
        self.snapshot().keys.to_jwks()
    }

    /// The number of changes so far. A token that was verified in another generation must be
    /// verified again.
    pub fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    pub(crate) fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.0.current.load()
    }

    /// Replaces the current keys by a changed set, unless `change` returns `None`.
    fn update<E>(
        &self,
        change: impl FnOnce(&KeySet) -> Result<Option<KeySet>, E>,
    ) -> Result<(), E> {
        let writer = &self.0.writer;
        let _guard = writer.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.snapshot();
        let Some(keys) = change(&current.keys)? else {
            return Ok(());
        };
        let generation = current.generation + 1;
        let snapshot = Snapshot { keys, generation };
        self.0.current.store(Arc::new(snapshot));
        self.0.generation.store(generation, Ordering::Release);
        Ok(())
    }
}

impl From<KeySet> for Keyring {
    fn from(keys: KeySet) -> Self {
        Self(Arc::new(Shared {
            current: ArcSwap::from_pointee(Snapshot {
                keys,
                generation: 0,
            }),
            generation: AtomicU64::new(0),
            writer: Mutex::new(()),
        }))
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let snapshot = self.snapshot();
        f.debug_struct("Keyring")
            .field("generation", &snapshot.generation)
            .field("keys", &snapshot.keys)
            .finish()
    }
}

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests {
    use std::convert::Infallible;
    use std::thread;

    use super::*;

    fn key(name: &str) -> SigningKey {
        let key = SigningKey::hs256("a secret of at least 32 bytes, for tests");
        key.unwrap().with_key_id(name).unwrap()
    }

    #[test]
    fn readers_do_not_wait_for_a_change() {
        let ring = Keyring::new(key("first"));
        let held = ring.snapshot();
        let made = ring.update(|_| {
            // A read lock would deadlock here.
            assert_eq!(ring.snapshot().generation, 0);
            assert_eq!(ring.generation(), 0);
            Ok::<_, Infallible>(Some(KeySet::new(key("second"))))
        });
        made.unwrap();
        assert_eq!((held.generation, ring.snapshot().generation), (0, 1));
        assert_eq!(ring.generation(), 1);
    }

    #[test]
    fn concurrent_changes_keep_all_keys() {
        let ring = Keyring::new(key("first"));
        thread::scope(|scope| {
            for number in 1..KeySet::MAX_KEYS {
                let ring = ring.clone();
                scope.spawn(move || {
                    let added = key(&number.to_string()).verifying_key();
                    ring.add_verifying_key(added).unwrap();
                });
            }
        });
        let keys = ring.keys();
        assert!(
            keys.with_verifying_key(key("more").verifying_key())
                .is_err()
        );
        assert_eq!(ring.generation(), KeySet::MAX_KEYS as u64 - 1);
    }
}
