//! Tokens that were verified before, so that a busy client costs one verification, not one for
//! every request.

use std::array;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::identity::VerifiedToken;

/// How many tokens share one lock.
const WAYS: usize = 4;

/// Longer tokens are verified each time: memory stays bounded by what it is meant for.
const MAX_TOKEN_LEN: usize = 2048;

/// A bounded table from whole tokens to what they say, of good tokens only.
///
/// A set-associative table of small sets, each with a lock that is held for a few comparisons and
/// one pointer copy. Time is not its matter: whoever takes something out checks it.
#[derive(Debug)]
pub(super) struct Cache {
    /// Made when the first token comes in.
    sets: OnceLock<Box<[Mutex<Set>]>>,
    capacity: usize,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Set {
    /// Of the keys that verified what is in here.
    generation: u64,
    entries: [Option<Entry>; WAYS],
    /// What to replace next: the oldest.
    next: usize,
}

struct Entry {
    hash: u64,
    token: Box<str>,
    verified: VerifiedToken,
}

impl Cache {
    /// Room for `capacity` tokens, rounded up to a multiple of four. 0: remembers nothing.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            sets: OnceLock::new(),
            capacity,
            hasher: RandomState::new(),
        }
    }

    /// What the very same token was found to say, under the very same keys.
    pub(super) fn get(&self, token: &str, generation: u64) -> Option<VerifiedToken> {
        let sets = self.sets.get()?;
        let hash = self.hash(token);
        let mut set = set(sets, hash)?
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        set.advance(generation);
        // The keyed hash comes first, so that how long a comparison takes tells nobody how much of
        // a guess is right.
        let found = (set.entries.iter().flatten())
            .find(|entry| entry.hash == hash && *entry.token == *token);
        match set.generation == generation {
            true => found.map(|entry| entry.verified.clone()),
            false => None,
        }
    }

    /// Remembers a good token, in place of the oldest of its set.
    pub(super) fn insert(&self, token: &str, generation: u64, verified: &VerifiedToken) {
        if self.capacity == 0 || token.len() > MAX_TOKEN_LEN {
            return;
        }
        let sets = self.sets.get_or_init(|| {
            let sets = self.capacity.div_ceil(WAYS);
            (0..sets).map(|_| Mutex::default()).collect()
        });
        let hash = self.hash(token);
        let entry = Entry {
            hash,
            token: token.into(),
            verified: verified.clone(),
        };
        let Some(set) = set(sets, hash) else { return };
        let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
        set.advance(generation);
        let known = (set.entries.iter().flatten())
            .any(|entry| entry.hash == hash && *entry.token == *token);
        if known || set.generation != generation {
            return;
        }
        let next = set.next;
        set.next = (next + 1) % WAYS;
        let replaced = match set.entries.get_mut(next) {
            Some(slot) => slot.replace(entry),
            None => None,
        };
        drop(set);
        drop(replaced);
    }

    /// Of the token's end only: that is signature, and differs wherever anything else does.
    fn hash(&self, token: &str) -> u64 {
        let bytes = token.as_bytes();
        let end = bytes.len().saturating_sub(32);
        self.hasher.hash_one(bytes.get(end..))
    }
}

fn set(sets: &[Mutex<Set>], hash: u64) -> Option<&Mutex<Set>> {
    sets.get((hash % sets.len().max(1) as u64) as usize)
}

impl Set {
    /// Forgets what was verified under older keys.
    fn advance(&mut self, generation: u64) {
        if self.generation < generation {
            self.entries = array::from_fn(|_| None);
            self.generation = generation;
        }
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entry(…)")
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

    #[test]
    fn only_the_very_same_token_is_found() {
        let cache = Cache::new(16);
        cache.insert("head.body.signature", 0, &good(1));
        assert_eq!(cache.get("head.body.signature", 0), Some(good(1)));
        // The same end, so the same hash, and another beginning.
        let end = "x".repeat(32);
        cache.insert(&format!("a{end}"), 0, &good(2));
        assert_eq!(cache.get(&format!("b{end}"), 0), None);
        assert_eq!(cache.get("", 0), None);
    }

    #[test]
    fn new_keys_empty_it() {
        let cache = Cache::new(4);
        cache.insert("a", 0, &good(1));
        assert_eq!(cache.get("a", 1), None);
        assert_eq!(cache.get("a", 0), None, "it is gone, not hidden");
        // A verification that began before the keys changed comes too late.
        cache.insert("a", 0, &good(1));
        assert_eq!(cache.get("a", 1), None);
        assert_eq!(cache.get("a", 0), None);
    }

    #[test]
    fn it_holds_no_more_than_it_may() {
        let cache = Cache::new(8);
        let tokens: Vec<String> = (0..100).map(|i| format!("token {i}")).collect();
        for token in &tokens {
            cache.insert(token, 0, &good(1));
            cache.insert(token, 0, &good(1));
            assert!(cache.get(token, 0).is_some());
        }
        let held = tokens.iter().filter(|token| cache.get(token, 0).is_some());
        assert!(held.count() <= 8);
        let long = "x".repeat(MAX_TOKEN_LEN + 1);
        cache.insert(&long, 0, &good(1));
        assert_eq!(cache.get(&long, 0), None);
    }

    #[test]
    fn a_capacity_of_zero_remembers_nothing() {
        let cache = Cache::new(0);
        cache.insert("a", 0, &good(1));
        assert_eq!(cache.get("a", 0), None);
    }
}
