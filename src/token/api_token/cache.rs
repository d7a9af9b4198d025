//! API tokens that the tenant has accepted recently.

use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{ConfigError, ConfigErrorKind};
use crate::tenant::ApiToken;

/// How long an API token may be cached, in seconds: a revoked token stays usable for so long.
const TTL: RangeInclusive<u64> = 1..=60;

/// The most cached tokens. Only a few servers mint for a tenant, and each look-up compares with all
/// cached tokens.
const CAPACITY: usize = 32;

/// A bounded list of valid API tokens, each cached for a short time. Invalid tokens are not cached.
pub(super) struct ApiTokenCache {
    /// How long a token stays cached, in seconds.
    ttl: u64,
    /// The oldest first.
    tokens: Mutex<Vec<Entry>>,
}

struct Entry {
    token: ApiToken,
    checked_at: u64,
}

impl ApiTokenCache {
    /// # Errors
    /// If the time has a fraction of a second, or is not from 1 to 60 seconds.
    pub(super) fn new(ttl: Duration) -> Result<Self, ConfigError> {
        let seconds = ttl.as_secs();
        if ttl.subsec_nanos() != 0 || !TTL.contains(&seconds) {
            return Err(ConfigError::new(
                ConfigErrorKind::InvalidDuration,
                "a check of an API token is cached for 1 to 60 seconds, in whole seconds",
            ));
        }
        Ok(Self {
            ttl: seconds,
            tokens: Mutex::default(),
        })
    }

    pub(super) fn ttl(&self) -> u64 {
        self.ttl
    }

    /// Whether the token is cached. Constant-time: the duration does not reveal how much of a guess
    /// is right. The tokens themselves are compared, not hashes, so a collision cannot pass.
    pub(super) fn contains(&self, token: &ApiToken, now: u64) -> bool {
        self.fresh(now).iter().fold(false, |found, entry| {
            found | (entry.token.matches_bytes(token.as_bytes()))
        })
    }

    /// Caches a token that the tenant has accepted in a call sent at `checked_at`.
    pub(super) fn insert(&self, token: ApiToken, checked_at: u64) {
        let mut tokens = self.fresh(checked_at);
        tokens.retain(|entry| !entry.token.matches_bytes(token.as_bytes()));
        if tokens.len() == CAPACITY {
            tokens.remove(0);
        }
        tokens.push(Entry { token, checked_at });
    }

    /// The entries that have not expired. If the clock is set back, entries from its future expire
    /// too, so that none is cached for longer.
    fn fresh(&self, now: u64) -> MutexGuard<'_, Vec<Entry>> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|entry| {
            let age = now.checked_sub(entry.checked_at);
            age.is_some_and(|age| age < self.ttl)
        });
        tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(token: &str) -> ApiToken {
        ApiToken::new(token).unwrap()
    }

    fn cache() -> ApiTokenCache {
        ApiTokenCache::new(Duration::from_secs(60)).unwrap()
    }

    #[test]
    fn a_token_is_cached_until_its_ttl_has_passed() {
        let cache = cache();
        cache.insert(token("valid"), 1000);
        assert!(cache.contains(&token("valid"), 1000));
        assert!(cache.contains(&token("valid"), 1059));
        for other in ["vali", "valid2", "Valid", "d"] {
            assert!(!cache.contains(&token(other), 1000));
        }
        assert!(!cache.contains(&token("valid"), 1060));
        assert!(
            !cache.contains(&token("valid"), 1000),
            "removed, not hidden"
        );
    }

    #[test]
    fn a_hit_does_not_extend_the_ttl_and_a_new_check_does() {
        let cache = cache();
        cache.insert(token("valid"), 1000);
        assert!(cache.contains(&token("valid"), 1050));
        cache.insert(token("valid"), 1055);
        assert!(cache.contains(&token("valid"), 1114));
        assert!(!cache.contains(&token("valid"), 1115));
    }

    #[test]
    fn a_clock_set_back_expires_tokens() {
        let cache = cache();
        cache.insert(token("valid"), 1000);
        assert!(!cache.contains(&token("valid"), 999));
    }

    #[test]
    fn the_oldest_token_is_evicted() {
        let cache = cache();
        for n in 0..CAPACITY + 5 {
            cache.insert(token(&format!("token-{n}")), 1000);
        }
        assert_eq!(cache.fresh(1000).len(), CAPACITY);
        assert!(!cache.contains(&token("token-4"), 1000));
        assert!(cache.contains(&token("token-5"), 1000));
    }
}
