use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::set::Set;
use super::store_state::{StoreState, StoreStats, Writing};
use super::{Revocation, RevocationStore, RevokeError};
use crate::clock::{Clock, SystemClock};
use crate::identity::{Claims, ProfileId, Subject};

/// The tokens that are rejected before they expire.
///
/// A handle: clones share one set, so a change is visible to all verifiers and issuers that have
/// it. Readers take no lock. See the [module docs](super).
#[derive(Clone)]
pub struct Revocations(Arc<Shared>);

struct Shared {
    config: Config,
    set: Set,
    store_state: StoreState,
}

#[derive(Clone)]
pub(super) struct Config {
    clock: Arc<dyn Clock>,
    capacity: usize,
    store: Option<Arc<dyn RevocationStore>>,
    pub(super) sync_interval: Duration,
    /// How long the store may be unreadable before verifiers reject all tokens, in seconds.
    /// `None`: they never do.
    pub(super) tolerance: Option<u64>,
}

/// The size of a set of [`Revocations`], for gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RevocationStats {
    /// The number of entries.
    pub entries: usize,
    /// The most entries.
    pub capacity: usize,
    /// How many revocations were rejected because the set was full.
    pub rejected: u64,
    /// The state of the store; `None` without one.
    pub store: Option<StoreStats>,
}

impl Revocations {
    /// The default of [`with_capacity`](Self::with_capacity).
    pub const DEFAULT_CAPACITY: usize = 1_000_000;

    /// An empty set.
    pub fn new() -> Self {
        Self::from_config(Config {
            clock: Arc::new(SystemClock),
            capacity: Self::DEFAULT_CAPACITY,
            store: None,
            sync_interval: Self::DEFAULT_SYNC_INTERVAL,
            tolerance: None,
        })
    }

    fn from_config(config: Config) -> Self {
        Self(Arc::new(Shared {
            set: Set::new(config.capacity),
            store_state: StoreState::new(),
            config,
        }))
    }

    /// A handle to one set cannot configure it: each change starts with an empty set.
    pub(super) fn edit(self, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = self.0.config.clone();
        change(&mut config);
        Self::from_config(config)
    }

    /// Replaces the clock, and starts with an empty set.
    ///
    /// Default is the [system's](SystemClock).
    #[must_use]
    pub fn with_clock(self, clock: impl Clock) -> Self {
        self.edit(|config| config.clock = Arc::new(clock))
    }

    /// Replaces the most entries, and starts with an empty set. An ended token takes one entry and
    /// its profile another one, of about 100 bytes each. An entry is never evicted while it has an
    /// effect: a full set rejects further revocations with
    /// [`RevokeErrorKind::Full`](super::RevokeErrorKind::Full).
    ///
    /// Default is one million.
    #[must_use]
    pub fn with_capacity(self, entries: usize) -> Self {
        self.edit(|config| config.capacity = entries)
    }

    /// Replaces the store that carries revocations to other processes, and starts with an empty
    /// set. With the feature `client`, spawn `synchronize`, which reads the store.
    ///
    /// Default is none: the set covers this process only.
    #[must_use]
    pub fn with_store(self, store: impl RevocationStore) -> Self {
        self.edit(|config| config.store = Some(Arc::new(store)))
    }

    /// Ends one token, for example at a sign-out. Other tokens of the profile stay valid.
    ///
    /// Of one profile, 256 tokens are ended one by one within a token lifetime; a further one ends
    /// the tokens of the profile that were issued before it, too. So does a token without a `jti`.
    ///
    /// # Errors
    /// If the set is full, the store does not accept the revocation, or the token has neither a
    /// `jti` nor a profile.
    pub async fn revoke_token(&self, token: &Claims) -> Result<(), RevokeError> {
        let now = self.now();
        self.revoke(self.0.set.end_token(token, now)?, now).await
    }

    /// Ends the token with this `jti`.
    ///
    /// # Errors
    /// If the set is full, or the store does not accept the revocation.
    pub async fn revoke_token_id(&self, token_id: &str) -> Result<(), RevokeError> {
        let now = self.now();
        self.revoke(self.0.set.end_token_id(token_id, now), now)
            .await
    }

    /// Ends all tokens of a profile that were issued up to now.
    ///
    /// # Errors
    /// If the set is full, or the store does not accept the revocation.
    pub async fn revoke_profile(&self, profile: &ProfileId) -> Result<(), RevokeError> {
        let now = self.now();
        self.revoke(self.0.set.end_profile(profile, now), now).await
    }

    /// Ends all tokens of all subjects that were issued up to now, anonymous tokens included.
    ///
    /// # Errors
    /// If the store does not accept the revocation.
    pub async fn revoke_all(&self) -> Result<(), RevokeError> {
        let now = self.now();
        self.revoke(self.0.set.end_all(now), now).await
    }

    /// Applies a revocation of another process. It is not written to the store. An expired
    /// revocation has no effect.
    ///
    /// # Errors
    /// If the set is full.
    pub fn apply(&self, revocation: &Revocation) -> Result<(), RevokeError> {
        Ok(self.0.set.apply(revocation, self.now())?)
    }

    /// Whether a token with these claims is ended. It does not check whether the token has expired.
    pub fn is_revoked(&self, token: &Claims) -> bool {
        self.0.set.is_revoked(token)
    }

    /// Removes expired entries, to return their memory. Revocations remove some of them, too; a
    /// host calls this at intervals where revocations are rare.
    pub fn evict_expired(&self) {
        self.0.set.table().evict_expired(self.now());
    }

    /// A snapshot for gauges.
    pub fn stats(&self) -> RevocationStats {
        RevocationStats {
            entries: self.0.set.table().len(),
            capacity: self.0.set.table().capacity(),
            rejected: self.0.set.rejected(),
            store: self.store().map(|_| self.store_state().stats(self.now())),
        }
    }

    /// The version of the set. A token that is valid in one version is valid while it stays the
    /// same.
    pub(crate) fn version(&self) -> u64 {
        self.0.set.version()
    }

    /// The `iat` of a token that is minted now: the first second in which a new token of the
    /// subject is not ended, if that is later.
    pub(crate) fn issue_at(&self, subject: &Subject, now: u64) -> u64 {
        self.0.set.issue_at(subject, now)
    }

    /// Keeps entries for as long as a verifier with this lifetime accepts tokens.
    pub(crate) fn extend_retention(&self, max_lifetime: u64) {
        self.0.set.extend_retention(max_lifetime);
    }

    async fn revoke(&self, revocation: Revocation, now: u64) -> Result<(), RevokeError> {
        self.0.set.apply(&revocation, now)?;
        log_ended(&revocation);
        let Some(store) = self.store() else {
            return Ok(());
        };
        let writing = Writing::new(self.store_state(), &revocation);
        store.write(&revocation).await.map_err(RevokeError::store)?;
        writing.succeeded();
        Ok(())
    }

    pub(super) fn store(&self) -> Option<&dyn RevocationStore> {
        self.0.config.store.as_deref()
    }

    pub(super) fn store_state(&self) -> &StoreState {
        &self.0.store_state
    }

    /// `None` without a store: then the set is always current.
    pub(super) fn tolerance(&self) -> Option<u64> {
        self.store().and(self.0.config.tolerance)
    }

    #[cfg(feature = "client")]
    pub(super) fn sync_interval(&self) -> Duration {
        self.0.config.sync_interval
    }

    pub(super) fn now(&self) -> u64 {
        self.0.config.clock.now()
    }
}

/// Does not log the token or the profile.
fn log_ended(revocation: &Revocation) {
    #[cfg(feature = "tracing")]
    tracing::info!(ended = revocation.scope(), "sessions were ended");
    #[cfg(not(feature = "tracing"))]
    let _ = revocation;
}

impl Default for Revocations {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.stats();
        f.debug_struct("Revocations")
            .field("entries", &stats.entries)
            .field("capacity", &stats.capacity)
            .finish_non_exhaustive()
    }
}
