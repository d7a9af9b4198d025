use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quick_cache::Lifecycle;
use tokio::time::Instant;

use super::entry::Entry;
use crate::revocation::Revocations;
use crate::tenant::TenantKey;

/// The longest lifetime of a token, and the largest leeway before and after it.
const MAX_TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60 + 2 * 60);

/// The ended sessions of tenants that were removed or evicted, until their tokens have expired.
///
/// The audience of a tenant is its key: a tenant that is loaded again with the same key accepts
/// the tokens of its predecessor.
#[derive(Clone, Default)]
pub(super) struct KeptSessions(Arc<Mutex<HashMap<TenantKey, Kept>>>);

struct Kept {
    revocations: Revocations,
    until: Instant,
}

impl KeptSessions {
    /// The most tenants. An empty set takes less than one KiB.
    const CAPACITY: usize = 16 * 1024;

    /// Keeps the ended sessions of a tenant. If there are too many, those are dropped that were
    /// kept first.
    pub(super) fn keep(&self, key: TenantKey, revocations: Revocations) {
        let now = Instant::now();
        let Some(until) = now.checked_add(MAX_TOKEN_LIFETIME) else {
            return;
        };
        let mut kept = self.lock();
        if kept.len() >= Self::CAPACITY && !kept.contains_key(&key) {
            kept.retain(|_, kept| now < kept.until);
        }
        if kept.len() >= Self::CAPACITY && !kept.contains_key(&key) {
            let first = kept.iter().min_by_key(|(_, kept)| kept.until);
            if let Some(first) = first.map(|(key, _)| *key) {
                kept.remove(&first);
            }
        }
        kept.insert(key, Kept { revocations, until });
    }

    /// The ended sessions of the tenant that had this key.
    pub(super) fn get(&self, key: TenantKey) -> Option<Revocations> {
        let kept = self.lock();
        let kept = kept.get(&key).filter(|kept| Instant::now() < kept.until);
        kept.map(|kept| kept.revocations.clone())
    }

    /// The tenant is loaded again.
    pub(super) fn remove(&self, key: TenantKey) {
        self.lock().remove(&key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantKey, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the ended sessions of an evicted tenant before its key is vacant.
impl Lifecycle<TenantKey, Arc<Entry>> for KeptSessions {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), key: TenantKey, entry: Arc<Entry>) {
        self.keep(key, entry.tenant.revocations().clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> TenantKey {
        format!("t{number}").parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn ended_sessions_are_kept_until_tokens_have_expired() {
        let kept = KeptSessions::default();
        let revocations = Revocations::new();
        kept.keep(key(0), revocations.clone());
        assert!(kept.get(key(1)).is_none());
        tokio::time::advance(MAX_TOKEN_LIFETIME - Duration::from_millis(1)).await;
        assert!(kept.get(key(0)).unwrap().is_same_set(&revocations));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(kept.get(key(0)).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_sessions_that_were_kept_first_are_dropped_above_the_capacity() {
        let kept = KeptSessions::default();
        let revocations = Revocations::new();
        for number in 0..KeptSessions::CAPACITY {
            kept.keep(key(number), revocations.clone());
            if number == 0 {
                tokio::time::advance(Duration::from_secs(1)).await;
            }
        }
        kept.keep(key(1), revocations.clone());
        assert!(kept.get(key(0)).is_some());
        kept.keep(key(KeptSessions::CAPACITY), revocations);
        assert!(kept.get(key(0)).is_none());
        assert_eq!(kept.lock().len(), KeptSessions::CAPACITY);
    }
}
