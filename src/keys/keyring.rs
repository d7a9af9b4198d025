use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use serde_json::Value;

use super::{KeySet, SigningKey, VerifyingKey};
use crate::error::ConfigError;

/// The keys in use, replaceable while requests run.
///
/// A handle: clones share one ring, so the issuer, the verifiers and whoever rotates keys all see
/// the same. Readers take no lock: they never wait for a rotation, nor it for them. See the
/// [module docs](super).
#[derive(Clone)]
pub struct Keyring(Arc<Shared>);

struct Shared {
    current: ArcSwap<Snapshot>,
    /// That of `current`, readable without touching it.
    generation: AtomicU64,
    /// Held by whoever makes the next keys from these.
    writer: Mutex<()>,
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

    pub(crate) fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.0.current.load()
    }

    fn update<E>(&self, next: impl FnOnce(&KeySet) -> Result<KeySet, E>) -> Result<(), E> {
        let writer = &self.0.writer;
        let _turn = writer.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.snapshot();
        let keys = next(&current.keys)?;
        let generation = current.generation + 1;
        let next = Snapshot { keys, generation };
        self.0.current.store(Arc::new(next));
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
    fn readers_go_on_while_the_next_keys_are_made() {
        let ring = Keyring::new(key("first"));
        let held = ring.snapshot();
        let made = ring.update(|_| {
            // With a lock around it this would wait for itself.
            assert_eq!(ring.snapshot().generation, 0);
            assert_eq!(ring.generation(), 0);
            Ok::<_, Infallible>(KeySet::new(key("second")))
        });
        made.unwrap();
        assert_eq!((held.generation, ring.snapshot().generation), (0, 1));
        assert_eq!(ring.generation(), 1);
    }

    #[test]
    fn no_key_is_lost_when_all_add_one_at_once() {
        let ring = Keyring::new(key("first"));
        thread::scope(|scope| {
            for number in 1..KeySet::MAX_KEYS {
                let ring = ring.clone();
                scope.spawn(move || {
                    let added = key(&number.to_string()).verifying_key();
                    ring.with_verifying_key(added).unwrap();
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
