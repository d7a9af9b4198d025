//! Which API tokens the tenant has called good just now.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::tenant::ApiToken;

/// A few servers mint for a tenant. Each look-up compares with all that are known.
const CAPACITY: usize = 32;

/// A bounded list of good tokens, each for a short while. Of a bad one, nothing is kept.
pub(super) struct KnownTokens {
    /// In seconds.
    life: u64,
    /// The oldest first.
    tokens: Mutex<Vec<Known>>,
}

struct Known {
    token: ApiToken,
    since: u64,
}

impl KnownTokens {
    pub(super) fn new(life: u64) -> Self {
        Self {
            life,
            tokens: Mutex::default(),
        }
    }

    pub(super) fn life(&self) -> u64 {
        self.life
    }

    /// Whether the very same token was found good, in a time that does not depend on how much of a
    /// guess is right. No hash stands in for a token: a wrong one cannot pass by accident either.
    pub(super) fn contains(&self, token: &ApiToken, now: u64) -> bool {
        let compare = |found, known: &Known| found | known.token.is_same(token);
        self.fresh(now).iter().fold(false, compare)
    }

    /// Remembers a token that was found good by a question asked at `since`.
    pub(super) fn insert(&self, token: ApiToken, since: u64) {
        let mut tokens = self.fresh(since);
        tokens.retain(|known| !known.token.is_same(&token));
        if tokens.len() == CAPACITY {
            tokens.remove(0);
        }
        tokens.push(Known { token, since });
    }

    /// What still counts. A clock that was put back makes it forget, not remember for longer.
    fn fresh(&self, now: u64) -> MutexGuard<'_, Vec<Known>> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |known: &Known| {
            let age = now.checked_sub(known.since);
            age.is_some_and(|age| age < self.life)
        };
        tokens.retain(fresh);
        tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(token: &str) -> ApiToken {
        ApiToken::new(token).unwrap()
    }

    #[test]
    fn a_token_is_known_for_as_long_as_it_may_be() {
        let known = KnownTokens::new(60);
        known.insert(token("good"), 1000);
        assert!(known.contains(&token("good"), 1000));
        assert!(known.contains(&token("good"), 1059));
        for other in ["goo", "good2", "Good", "d"] {
            assert!(!known.contains(&token(other), 1000));
        }
        assert!(!known.contains(&token("good"), 1060));
        assert!(!known.contains(&token("good"), 1000), "gone, not hidden");
    }

    #[test]
    fn a_use_does_not_lengthen_it_and_a_new_answer_does() {
        let known = KnownTokens::new(60);
        known.insert(token("good"), 1000);
        assert!(known.contains(&token("good"), 1050));
        known.insert(token("good"), 1055);
        assert!(known.contains(&token("good"), 1114));
        assert!(!known.contains(&token("good"), 1115));
    }

    #[test]
    fn a_clock_that_was_put_back_makes_it_forget() {
        let known = KnownTokens::new(60);
        known.insert(token("good"), 1000);
        assert!(!known.contains(&token("good"), 999));
    }

    #[test]
    fn the_oldest_gives_way() {
        let known = KnownTokens::new(60);
        for n in 0..CAPACITY + 5 {
            known.insert(token(&format!("token-{n}")), 1000);
        }
        assert_eq!(known.fresh(1000).len(), CAPACITY);
        assert!(!known.contains(&token("token-4"), 1000));
        assert!(known.contains(&token("token-5"), 1000));
    }
}
