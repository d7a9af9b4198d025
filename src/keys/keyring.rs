use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

use super::{KeySet, SigningKey, VerifyingKey};
use crate::error::ConfigError;

/// The keys in use, replaceable while requests run.
///
/// A handle: clones share one ring, so the issuer, the verifiers and whoever rotates keys all see
/// the same. Readers hold a lock only while they copy a pointer. See the [module docs](super).
#[derive(Clone)]
pub struct Keyring(Arc<Shared>);

struct Shared {
    current: RwLock<Arc<Snapshot>>,
    /// That of `current`, readable without the lock.
    generation: AtomicU64,
}

/// The ring's content at one time.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) keys: KeySet,
    pub(crate) generation: u64,
}

impl Keyring {
    /// A ring with one key, that signs and verifies.
    pub fn new(signing: SigningKey) -> Self {
        KeySet::new(signing).into()
    }

    /// A ring that verifies what somebody else has signed.
    ///
    /// # Errors
    /// If two keys have the same name, there is none, or there are more than
    /// [`MAX_KEYS`](KeySet::MAX_KEYS).
    pub fn verifying_only(
        keys: impl IntoIterator<Item = VerifyingKey>,
    ) -> Result<Self, ConfigError> {
        KeySet::verifying_only(keys).map(Self::from)
    }

    /// A ring that verifies by a JWK set: see [`KeySet::from_jwks`].
    ///
    /// # Errors
    /// As [`KeySet::from_jwks`].
    pub fn from_jwks(json: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        KeySet::from_jwks(json).map(Self::from)
    }

    /// Adds a key to verify with, in every clone of this ring.
    ///
    /// # Errors
    /// If a key of the same algorithm has the same name already, or the ring is full.
    pub fn with_verifying_key(self, key: VerifyingKey) -> Result<Self, ConfigError> {
        self.update(|keys| keys.clone().with_verifying_key(key))?;
        Ok(self)
    }

    /// Replaces all keys, in every clone of this ring: what a key that is gone has signed is
    /// refused from now on.
    pub fn replace(&self, keys: KeySet) {
        let Ok(()) = self.update(|_| Ok::<_, std::convert::Infallible>(keys));
    }

    /// The keys as they are now.
    pub fn keys(&self) -> KeySet {
        self.snapshot().keys.clone()
    }

    /// The public keys as a JWK set, for others to verify with. Secrets are left out.
    pub fn to_jwks(&self) -> Value {
        self.snapshot().keys.to_jwks()
    }

    /// How often the keys have been replaced or added to: what was verified under another number
    /// has to be verified again.
    pub fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        let current = self.0.current.read();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }

    fn update<E>(&self, next: impl FnOnce(&KeySet) -> Result<KeySet, E>) -> Result<(), E> {
        let mut current = self
            .0
            .current
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let keys = next(&current.keys)?;
        let generation = current.generation + 1;
        let old = std::mem::replace(&mut *current, Arc::new(Snapshot { keys, generation }));
        self.0.generation.store(generation, Ordering::Release);
        // Wiping the old keys, if this is their last owner, need not keep readers waiting.
        drop(current);
        drop(old);
        Ok(())
    }
}

impl From<KeySet> for Keyring {
    fn from(keys: KeySet) -> Self {
        Self(Arc::new(Shared {
            current: RwLock::new(Arc::new(Snapshot {
                keys,
                generation: 0,
            })),
            generation: AtomicU64::new(0),
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
