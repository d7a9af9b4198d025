//! The entries of a set of revocations: a bounded map that readers read without a lock.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;

use crate::identity::ProfileId;

/// A change copies one shard: about 60 entries if a million are stored. It takes a few
/// microseconds, and reading a million from a store some seconds. A shard takes 8 bytes, so a
/// table for fewer entries has fewer shards.
const MAX_SHARDS: usize = 16 * 1024;
/// The entries per shard of a full table.
const ENTRIES_PER_SHARD: usize = 64;
/// A change also removes the expired entries of this many shards: 2000 changes sweep all of them.
const SWEPT_SHARDS: usize = 8;

/// A sharded copy-on-write map. A reader loads the current version of one shard. A writer replaces
/// a shard by a changed copy without expired entries, and sweeps some others, so that the memory of
/// expired entries is returned.
pub(super) struct Table {
    /// Allocated by the first change: in a process with many tenants, most tables are empty.
    shards: OnceLock<Box<[ArcSwap<Shard>]>>,
    /// The shard without entries, which all empty shards share.
    empty: Arc<Shard>,
    len: AtomicUsize,
    capacity: usize,
    hashers: [RandomState; 2],
    /// Locked during a change. The index of the shard that is swept next.
    writer: Mutex<usize>,
}

#[derive(Default)]
struct Shard {
    entries: HashMap<Key, Entry>,
    /// The earliest `expires_at` of the entries.
    next_expiry: u64,
}

/// A keyed hash of 128 bits, so that an entry has a fixed size, whatever the length of a `jti`. The
/// keys are random: a client cannot choose names with equal hashes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key(u128);

/// The subject of an entry.
pub(super) enum Name<'a> {
    Token(&'a str),
    Profile(&'a ProfileId),
}

impl Hash for Name<'_> {
    /// The tenant compares the ids of profiles without case, so a profile has one entry in every
    /// spelling of its id.
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Token(id) => {
                state.write_u8(0);
                state.write(id.as_bytes());
            }
            Self::Profile(id) => {
                let mut lower = [0; ProfileId::MAX_LEN];
                for (lower, byte) in lower.iter_mut().zip(id.as_str().bytes()) {
                    *lower = byte.to_ascii_lowercase();
                }
                state.write_u8(1);
                state.write(&lower);
            }
        }
    }
}

/// The state of a token or profile.
#[derive(Clone, Copy, Default)]
pub(super) struct Entry {
    /// Tokens with an earlier `iat` are ended.
    pub(super) valid_from: u64,
    /// Whether a token was minted with the `iat` of `valid_from` while the clock was before it.
    pub(super) minted_ahead: bool,
    /// How many tokens of the profile were ended alone, since the last count began.
    pub(super) ended_tokens: u32,
    /// The latest `iat` of those tokens.
    pub(super) latest_ended: u64,
    /// When the next count begins, in seconds.
    pub(super) counted_until: u64,
    /// The second from which on the entry has no effect.
    pub(super) expires_at: u64,
}

/// The table has no room for another entry.
pub(super) struct Full;

impl Table {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            shards: OnceLock::new(),
            empty: Arc::default(),
            len: AtomicUsize::new(0),
            capacity,
            hashers: [RandomState::new(), RandomState::new()],
            writer: Mutex::new(0),
        }
    }

    /// The shards; none before the first change.
    fn shards(&self) -> &[ArcSwap<Shard>] {
        self.shards.get().map_or(&[], |shards| shards)
    }

    fn allocate_shards(&self) {
        self.shards.get_or_init(|| {
            let count = (self.capacity / ENTRIES_PER_SHARD).clamp(1, MAX_SHARDS);
            let shards = 0..count.next_power_of_two();
            shards.map(|_| ArcSwap::new(self.empty.clone())).collect()
        });
    }

    fn key(&self, name: &Name<'_>) -> Key {
        let [high, low] = &self.hashers;
        Key(u128::from(high.hash_one(name)) << 64 | u128::from(low.hash_one(name)))
    }

    pub(super) fn get(&self, name: &Name<'_>) -> Option<Entry> {
        self.find(self.key(name))
    }

    fn find(&self, key: Key) -> Option<Entry> {
        self.shard(key)?.load().entries.get(&key).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Replaces the entry of `name` by a changed copy, or adds a changed default.
    ///
    /// # Errors
    /// If the entry is new and the table is full of entries that have not expired at `now`.
    pub(super) fn update<T>(
        &self,
        name: &Name<'_>,
        now: u64,
        change: impl FnOnce(&mut Entry) -> T,
    ) -> Result<T, Full> {
        let mut next_swept = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.allocate_shards();
        self.sweep(&mut next_swept, now);
        let key = self.key(name);
        let mut entry = self.find(key);
        if entry.is_none() && self.len() >= self.capacity {
            self.remove_expired(now);
            if self.len() >= self.capacity {
                return Err(Full);
            }
        }
        let changed = entry.get_or_insert_default();
        let result = change(changed);
        if let Some(shard) = self.shard(key) {
            self.replace(shard, now, Some((key, *changed)));
        }
        Ok(result)
    }

    /// Removes the expired entries of a few shards, so that the table does not fill with them. The
    /// caller holds the lock.
    fn sweep(&self, next: &mut usize, now: u64) {
        for _ in 0..SWEPT_SHARDS {
            match self.shards().get(*next) {
                Some(shard) => {
                    self.remove_expired_of(shard, now);
                    *next += 1;
                }
                None => *next = 0,
            }
        }
    }

    /// Removes the entries that have no effect from `now` on.
    pub(super) fn evict_expired(&self, now: u64) {
        let _guard = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.remove_expired(now);
    }

    /// The caller holds the lock.
    fn remove_expired(&self, now: u64) {
        for shard in self.shards() {
            self.remove_expired_of(shard, now);
        }
    }

    fn remove_expired_of(&self, shard: &ArcSwap<Shard>, now: u64) {
        let current = shard.load();
        if !current.entries.is_empty() && current.next_expiry <= now {
            self.replace(shard, now, None);
        }
    }

    /// Replaces a shard by a copy without expired entries and with the new one. The caller holds
    /// the lock.
    fn replace(&self, shard: &ArcSwap<Shard>, now: u64, new: Option<(Key, Entry)>) {
        let current = shard.load();
        let is_live = |(_, entry): &(&Key, &Entry)| entry.expires_at > now;
        let live = current.entries.iter().filter(is_live).count();
        let mut entries = HashMap::with_capacity(live + 1);
        entries.extend(current.entries.iter().filter(is_live));
        entries.extend(new);
        let next_expiry = entries.values().map(|entry| entry.expires_at).min();
        self.len.fetch_add(entries.len(), Ordering::Relaxed);
        self.len.fetch_sub(current.entries.len(), Ordering::Relaxed);
        shard.store(match next_expiry {
            None => self.empty.clone(),
            Some(next_expiry) => Arc::new(Shard {
                entries,
                next_expiry,
            }),
        });
    }

    fn shard(&self, key: Key) -> Option<&ArcSwap<Shard>> {
        let shards = self.shards();
        // Their number is a power of two. Without shards, no index is valid.
        shards.get(key.0 as usize & shards.len().wrapping_sub(1))
    }
}
