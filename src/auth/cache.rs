//! A cache of verified tokens: a client that sends a token repeatedly costs one signature check.

use std::fmt;
use std::hash::{Hash, Hasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::DefaultLifecycle;
use quick_cache::{Equivalent, UnitWeighter};

use crate::identity::VerifiedToken;

/// Longer tokens are not cached. Tokens of this crate have about 300 bytes; those of other issuers
/// rarely exceed 2 KiB, and the bound limits the memory of a full cache.
const MAX_TOKEN_LEN: usize = 2048;
/// With fewer tokens, `quick_cache` uses a single shard.
const ONE_SHARD: usize = 64;

type Store = quick_cache::sync::Cache<Token<Box<[u8]>>, Entry, UnitWeighter, RandomState>;

/// A bounded map from valid tokens to their content.
///
/// It does not check times: the verifier checks those at each use.
pub(super) struct Cache {
    /// Allocated when the first token is inserted.
    store: OnceLock<Store>,
    capacity: usize,
    /// The newest generation of keys that a token was inserted for.
    generation: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// Counters of the token cache of a [`TokenVerifier`](super::TokenVerifier).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// How often a token was in the cache.
    pub hits: u64,
    /// How often a valid token was not in the cache. Invalid tokens do not count: they are never
    /// cached.
    pub misses: u64,
    /// The number of cached tokens.
    pub len: usize,
    /// The configured capacity. The cache is sharded and may contain up to five eighths more.
    pub capacity: usize,
}

/// A complete token, as key of the map.
struct Token<T>(T);

/// The content of a token, valid for one generation of keys.
#[derive(Clone)]
struct Entry {
    generation: u64,
    verified: VerifiedToken,
}

impl Cache {
    /// A cache of at least `capacity` tokens. With 0, it caches none.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            store: OnceLock::new(),
            capacity,
            generation: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// The content of this token, if the same generation of keys has verified it.
    pub(super) fn get(&self, token: &[u8], generation: u64) -> Option<VerifiedToken> {
        let entry = self.store.get()?.get(&Token(token))?;
        if entry.generation != generation {
            return None;
        }
        self.hits.fetch_add(1, Ordering::Relaxed);
        Some(entry.verified)
    }

    /// Counts a valid token that was not in the cache.
    pub(super) fn count_miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> CacheStats {
        CacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            len: self.store.get().map_or(0, Store::len),
            capacity: self.capacity,
        }
    }

    /// Inserts a valid token. A full cache evicts a rarely used one.
    pub(super) fn insert(&self, token: &[u8], generation: u64, verified: &VerifiedToken) {
        if self.capacity == 0 || token.len() > MAX_TOKEN_LEN {
            return;
        }
        let store = self.store.get_or_init(|| {
            // `quick_cache` sizes its shards for at least 32 of these entries: 64 tokens.
            let entries = self.capacity / 2;
            let (hasher, lifecycle) = (RandomState::new(), DefaultLifecycle::default());
            Store::with(entries, self.max_len(), UnitWeighter, hasher, lifecycle)
        });
        // `get` does not return tokens of older keys, so free their memory. A concurrent insertion
        // for older keys may follow; `get` ignores it, and it is evicted or replaced later.
        let newest = self.generation.fetch_max(generation, Ordering::Relaxed);
        if newest < generation {
            store.clear();
        }
        if newest <= generation {
            let entry = Entry {
                generation,
                verified: verified.clone(),
            };
            store.insert(Token(token.into()), entry);
        }
    }

    /// Each shard has its own capacity, and tokens are distributed to shards at random. Five
    /// eighths more than the mean are five standard deviations of a shard's 64 tokens: no shard
    /// evicts while the cache in total has room.
    fn max_len(&self) -> u64 {
        let len = match self.capacity {
            ..ONE_SHARD => self.capacity,
            _ => self.capacity.saturating_add(self.capacity / 8 * 5),
        };
        len as u64
    }
}

/// Hashes the last 16 bytes only: they are part of the signature, so they differ if any other part
/// does. SipHash of a complete token takes 50 ns longer; a hit takes 30 ns.
///
/// The key of `RandomState` is random, so a client cannot choose the position of a token. It cannot
/// fill a shard with collisions either, as only signed tokens are inserted. A forged token is
/// compared with a cached one only if both have the same position, so the time of a look-up does
/// not help to guess a cached token.
impl<T: AsRef<[u8]>> Hash for Token<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let end = self.0.as_ref().last_chunk();
        state.write_u128(end.map_or(0, |end| u128::from_ne_bytes(*end)));
    }
}

impl PartialEq for Token<Box<[u8]>> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Token<Box<[u8]>> {}

impl Equivalent<Token<Box<[u8]>>> for Token<&[u8]> {
    fn equivalent(&self, key: &Token<Box<[u8]>>) -> bool {
        *self.0 == *key.0
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
    use super::*;
    use crate::identity::{Claims, Subject};

    fn verified(expires_at: u64) -> VerifiedToken {
        VerifiedToken::new(Claims::new(Subject::Anonymous, expires_at))
    }

    fn token(number: usize) -> Vec<u8> {
        format!("header.payload.signature-{number:08}").into_bytes()
    }

    #[test]
    fn only_an_equal_token_is_found() {
        let cache = Cache::new(16);
        cache.insert(b"head.body.signature", 0, &verified(1));
        assert_eq!(cache.get(b"head.body.signature", 0), Some(verified(1)));
        // The same end, so the same hash, and a different start.
        let end = "x".repeat(32);
        cache.insert(format!("a{end}").as_bytes(), 0, &verified(2));
        assert_eq!(cache.get(format!("b{end}").as_bytes(), 0), None);
        assert_eq!(cache.get(b"", 0), None);
    }

    #[test]
    fn new_keys_clear_the_cache() {
        let cache = Cache::new(4);
        cache.insert(b"a", 0, &verified(1));
        assert_eq!(cache.get(b"a", 1), None);
        cache.insert(b"b", 1, &verified(2));
        assert_eq!(cache.get(b"a", 0), None, "it is removed, not hidden");
        assert_eq!(cache.get(b"b", 1), Some(verified(2)));
        // A verification with the previous keys that ends after the change is not cached.
        cache.insert(b"a", 0, &verified(1));
        assert_eq!(cache.get(b"a", 1), None);
        assert_eq!(cache.get(b"a", 0), None);
    }

    #[test]
    fn the_number_of_cached_tokens_is_bounded() {
        for capacity in [1, 8, 1000] {
            let cache = Cache::new(capacity);
            for i in 0..3000 {
                let token = token(i);
                cache.insert(&token, 0, &verified(1));
                cache.insert(&token, 0, &verified(1));
                assert!(cache.get(&token, 0).is_some(), "{capacity}: {i}");
            }
            let store = cache.store.get().unwrap();
            let max_len = usize::try_from(cache.max_len()).unwrap();
            assert!(store.len() < max_len + store.num_shards());
            assert!(max_len == capacity || capacity == 1000 && max_len == 1625);
        }
        let cache = Cache::new(8);
        let long = b"x".repeat(MAX_TOKEN_LEN + 1);
        cache.insert(&long, 0, &verified(1));
        assert_eq!(cache.get(&long, 0), None);
    }

    #[test]
    fn no_token_is_evicted_below_the_capacity() {
        for capacity in [1, 60, 1000, 1024, 10_000] {
            let cache = Cache::new(capacity);
            let tokens: Vec<Vec<u8>> = (0..capacity).map(token).collect();
            for token in &tokens {
                cache.insert(token, 0, &verified(1));
            }
            let held = tokens.iter().filter(|token| cache.get(token, 0).is_some());
            assert_eq!(held.count(), capacity);
        }
    }

    #[test]
    fn the_largest_capacity_is_accepted() {
        let cache = Cache::new(usize::MAX);
        cache.insert(b"a", 0, &verified(1));
        assert_eq!(cache.get(b"a", 0), Some(verified(1)));
    }

    #[test]
    fn a_capacity_of_zero_caches_no_token() {
        let cache = Cache::new(0);
        cache.insert(b"a", 0, &verified(1));
        assert_eq!(cache.get(b"a", 0), None);
    }
}
