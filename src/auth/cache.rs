//! Tokens that were verified before, so that a busy client costs one verification, not one for
//! every request.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::{Cache as Store, DefaultLifecycle};
use quick_cache::{Equivalent, UnitWeighter};

use crate::identity::VerifiedToken;

/// Longer tokens are verified each time: memory stays bounded by what it is meant for.
const MAX_TOKEN_LEN: usize = 2048;
/// Fewer tokens are in one shard for certain.
const ONE_SHARD: usize = 64;

/// A bounded table from whole tokens to what they say, of good tokens only.
///
/// Time is not its matter: whoever takes something out checks it.
pub(super) struct Cache {
    /// Made when the first token comes in.
    store: OnceLock<Store<Known, VerifiedToken, UnitWeighter, AsIs>>,
    capacity: usize,
    hasher: RandomState,
    /// The newest that anything was remembered under.
    generation: AtomicU64,
    hits: [Count; STRIPES],
    misses: AtomicU64,
}

/// How many hits are counted apart, by token: threads that serve different clients do not wait for
/// each other.
const STRIPES: usize = 16;

/// A count with a cache line to itself.
#[derive(Default)]
#[repr(align(64))]
struct Count(AtomicU64);

/// What the memory of a [`TokenVerifier`](super::TokenVerifier) is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// How often a token was found to have been verified before.
    pub hits: u64,
    /// How often a good token had to be verified. Bad ones do not count: they are never
    /// remembered.
    pub misses: u64,
    /// How many tokens are remembered.
    pub len: usize,
    /// How many there is room for; in shards, for up to five eighths more.
    pub capacity: usize,
}

/// A token, and the keys that verified it: under others it is another token.
struct Known {
    hash: u64,
    generation: u64,
    token: Box<[u8]>,
}

struct Sought<'a> {
    hash: u64,
    generation: u64,
    token: &'a [u8],
}

impl Cache {
    /// Room for `capacity` tokens, or some more: it is sharded. 0: remembers nothing.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            store: OnceLock::new(),
            capacity,
            hasher: RandomState::new(),
            generation: AtomicU64::new(0),
            hits: Default::default(),
            misses: AtomicU64::new(0),
        }
    }

    /// What the very same token was found to say, under the very same keys.
    pub(super) fn get(&self, token: &[u8], generation: u64) -> Option<VerifiedToken> {
        let hash = self.hash(token);
        let found = self.store.get()?.get(&Sought {
            hash,
            generation,
            token,
        })?;
        if let Some(count) = self.hits.get(hash as usize % STRIPES) {
            count.0.fetch_add(1, Ordering::Relaxed);
        }
        Some(found)
    }

    /// A good token was not found and had to be verified.
    pub(super) fn count_miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> CacheStats {
        let hits = self
            .hits
            .iter()
            .map(|count| count.0.load(Ordering::Relaxed));
        CacheStats {
            hits: hits.sum(),
            misses: self.misses.load(Ordering::Relaxed),
            len: self.store.get().map_or(0, Store::len),
            capacity: self.capacity,
        }
    }

    /// Remembers a good token, in place of one that is little used.
    pub(super) fn insert(&self, token: &[u8], generation: u64, verified: &VerifiedToken) {
        if self.capacity == 0 || token.len() > MAX_TOKEN_LEN {
            return;
        }
        let store = self.store.get_or_init(|| {
            let lifecycle = DefaultLifecycle::default();
            // A shard has room for 32 of these, which makes it 64 tokens.
            let entries = self.capacity / 2;
            Store::with(entries, self.room(), UnitWeighter, AsIs, lifecycle)
        });
        // What older keys have verified can no longer be found, and need not take up room either.
        // What still comes in behind this is found by nobody, and gives way in time.
        let newest = self.generation.fetch_max(generation, Ordering::Relaxed);
        if newest < generation {
            store.clear();
        }
        if newest <= generation {
            let known = Known {
                hash: self.hash(token),
                generation,
                token: token.into(),
            };
            store.insert(known, verified.clone());
        }
    }

    /// Tokens fall into shards by chance, and each shard has a capacity of its own. That none
    /// forgets while there is room in another one, each may hold five standard deviations more
    /// than its part.
    fn room(&self) -> u64 {
        let room = match self.capacity {
            ..ONE_SHARD => self.capacity,
            _ => self.capacity.saturating_add(self.capacity / 8 * 5),
        };
        room as u64
    }

    /// Of the token's end only: that is signature, and differs wherever anything else does. Tokens
    /// with the same end would share a place, at the cost of those who look there. But nobody can
    /// bring such ones in: what is remembered has been signed, and the hash is keyed besides.
    fn hash(&self, token: &[u8]) -> u64 {
        let end = token.last_chunk();
        let end = end.map_or(0, |end| u128::from_ne_bytes(*end));
        self.hasher.hash_one(end)
    }
}

// The keyed hash comes first, so that how long a comparison takes tells nobody how much of a guess
// is right.
impl Equivalent<Known> for Sought<'_> {
    fn equivalent(&self, known: &Known) -> bool {
        self.hash == known.hash
            && self.generation == known.generation
            && *self.token == *known.token
    }
}

impl PartialEq for Known {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            hash,
            generation,
            token,
        } = other;
        let (hash, generation) = (*hash, *generation);
        Sought {
            hash,
            generation,
            token,
        }
        .equivalent(self)
    }
}

impl Eq for Known {}

impl Hash for Known {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Hash for Sought<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Takes a hash that was made before for the hash.
#[derive(Clone, Default)]
struct AsIs;

struct AsIsHasher(u64);

impl BuildHasher for AsIs {
    type Hasher = AsIsHasher;

    fn build_hasher(&self) -> AsIsHasher {
        AsIsHasher(0)
    }
}

impl Hasher for AsIsHasher {
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    // Never called: the keys above write one `u64`.
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::identity::{Claims, Subject};

    fn good(expires_at: u64) -> VerifiedToken {
        VerifiedToken::new(Arc::new(Claims::new(Subject::Anonymous, expires_at)))
    }

    fn token(number: usize) -> Vec<u8> {
        format!("header.payload.signature-{number:08}").into_bytes()
    }

    #[test]
    fn only_the_very_same_token_is_found() {
        let cache = Cache::new(16);
        cache.insert(b"head.body.signature", 0, &good(1));
        assert_eq!(cache.get(b"head.body.signature", 0), Some(good(1)));
        // The same end, so the same hash, and another beginning.
        let end = "x".repeat(32);
        cache.insert(format!("a{end}").as_bytes(), 0, &good(2));
        assert_eq!(cache.get(format!("b{end}").as_bytes(), 0), None);
        assert_eq!(cache.get(b"", 0), None);
    }

    #[test]
    fn new_keys_empty_it() {
        let cache = Cache::new(4);
        cache.insert(b"a", 0, &good(1));
        assert_eq!(cache.get(b"a", 1), None);
        cache.insert(b"b", 1, &good(2));
        assert_eq!(cache.get(b"a", 0), None, "it is gone, not hidden");
        assert_eq!(cache.get(b"b", 1), Some(good(2)));
        // A verification that began before the keys changed comes too late.
        cache.insert(b"a", 0, &good(1));
        assert_eq!(cache.get(b"a", 1), None);
        assert_eq!(cache.get(b"a", 0), None);
    }

    #[test]
    fn it_holds_no_more_than_it_may() {
        for capacity in [1, 8, 1000] {
            let cache = Cache::new(capacity);
            for i in 0..3000 {
                let token = token(i);
                cache.insert(&token, 0, &good(1));
                cache.insert(&token, 0, &good(1));
                assert!(cache.get(&token, 0).is_some(), "{capacity}: {i}");
            }
            let store = cache.store.get().unwrap();
            let room = usize::try_from(cache.room()).unwrap();
            assert!(store.len() < room + store.num_shards());
            assert!(room == capacity || capacity == 1000 && room == 1625);
        }
        let cache = Cache::new(8);
        let long = b"x".repeat(MAX_TOKEN_LEN + 1);
        cache.insert(&long, 0, &good(1));
        assert_eq!(cache.get(&long, 0), None);
    }

    #[test]
    fn what_there_is_room_for_is_not_forgotten() {
        for capacity in [1, 60, 1000, 1024, 10_000] {
            let cache = Cache::new(capacity);
            let tokens: Vec<Vec<u8>> = (0..capacity).map(token).collect();
            for token in &tokens {
                cache.insert(token, 0, &good(1));
            }
            let held = tokens.iter().filter(|token| cache.get(token, 0).is_some());
            assert_eq!(held.count(), capacity);
        }
    }

    #[test]
    fn any_capacity_is_a_capacity() {
        let cache = Cache::new(usize::MAX);
        cache.insert(b"a", 0, &good(1));
        assert_eq!(cache.get(b"a", 0), Some(good(1)));
    }

    #[test]
    fn a_capacity_of_zero_remembers_nothing() {
        let cache = Cache::new(0);
        cache.insert(b"a", 0, &good(1));
        assert_eq!(cache.get(b"a", 0), None);
    }
}
