//! The ended sessions of tenants that a reload has removed. A tenant that is added again continues
//! with them: its tokens may still be valid.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use omneo_id::tenants::TenantKey;

use super::tenant::EndedSessions;

/// Longer than the longest lifetime of a token (24 h) with the leeway.
const RETENTION: Duration = Duration::from_secs(25 * 60 * 60);

/// The ended sessions of removed tenants, with the time of the removal.
#[derive(Clone, Default)]
pub(super) struct RetiredSessions(BTreeMap<TenantKey, (Instant, EndedSessions)>);

impl RetiredSessions {
    /// Those whose tokens may still be valid.
    pub(super) fn current(&self) -> Self {
        let sessions = self.0.iter();
        let current = sessions.filter(|(_, (removed, _))| removed.elapsed() < RETENTION);
        Self(current.map(|(key, entry)| (*key, entry.clone())).collect())
    }

    pub(super) fn insert(&mut self, key: TenantKey, sessions: EndedSessions) {
        self.0.insert(key, (Instant::now(), sessions));
    }

    pub(super) fn take(&mut self, key: TenantKey) -> Option<EndedSessions> {
        self.0.remove(&key).map(|(_, sessions)| sessions)
    }
}
