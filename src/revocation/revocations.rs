#[cfg(feature = "client")]
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::shared::{Config, Shared};
use super::store_state::{PendingWrite, StoreStats};
#[cfg(feature = "client")]
use super::sync::synchronize;
use super::{OnOutage, Revocation, RevocationStore, RevokeError};
use crate::clock::{Clock, SystemClock};
use crate::error::BoxError;
use crate::identity::{Claims, ProfileId, Subject};

/// The tokens that are rejected before they expire.
///
/// A handle: clones share one set, so a change is visible to all verifiers and issuers that have
/// it. Readers take no lock. See the [module docs](super).
#[derive(Clone)]
pub struct Revocations(Arc<Shared>);

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

    /// The default of [`with_sync_interval`](Self::with_sync_interval).
    pub const DEFAULT_SYNC_INTERVAL: Duration = Duration::from_secs(5);

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
        Self(Arc::new(Shared::new(config)))
    }

    /// A handle to one set cannot configure it: each change starts with an empty set.
    fn edit(self, change: impl FnOnce(&mut Config)) -> Self {
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

    /// Replaces how often the store is read, and starts with an empty set. A revocation of another
    /// process has an effect here within this time and the time of the read, also if the connection
    /// of the subscription was lost without a FIN. Zero counts as one millisecond.
    ///
    /// Default is 5 seconds.
    #[must_use]
    pub fn with_sync_interval(self, interval: Duration) -> Self {
        let interval = interval.max(Duration::from_millis(1));
        self.edit(|config| config.sync_interval = interval)
    }

    /// Replaces the behaviour of verifiers while the store cannot be read, and starts with an empty
    /// set. It has no effect without a store.
    ///
    /// Default is [`OnOutage::Serve`].
    #[must_use]
    pub fn with_on_outage(self, on_outage: OnOutage) -> Self {
        self.edit(|config| {
            config.tolerance = match on_outage {
                OnOutage::Serve => None,
                OnOutage::Refuse { after } => Some(after.as_secs()),
            };
        })
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

    /// Synchronizes this set with its store: reads all revocations and subscribes to the store,
    /// then reads the new ones at the [interval](Self::with_sync_interval). It also writes the
    /// revocations that the store did not accept before.
    ///
    /// Spawn the future once, within tokio. It never completes. Without a store, it has no effect.
    ///
    /// With the feature `tracing`, the begin of an outage is one warning and its end one event of
    /// level `info`.
    #[cfg(feature = "client")]
    #[cfg_attr(docsrs, doc(cfg(feature = "client")))]
    pub fn synchronize(&self) -> impl Future<Output = Infallible> + Send + use<> {
        synchronize(Arc::clone(&self.0))
    }

    /// Writes the revocations that the store did not accept before, then reads the store once: all
    /// revocations at the first time, then the new ones.
    ///
    /// `synchronize` (feature `client`) does so at intervals; this method is for a host without
    /// tokio. It has no effect without a store.
    ///
    /// # Errors
    /// If the store cannot be written or read.
    pub async fn read_store(&self) -> Result<(), BoxError> {
        match self.store() {
            Some(store) => self.0.synchronize_once(store).await,
            None => Ok(()),
        }
    }

    /// Whether the store has been read completely once; before that, the process is not ready.
    /// Always true without a store.
    pub fn is_synchronized(&self) -> bool {
        self.0.is_synchronized()
    }

    /// A snapshot for gauges.
    pub fn stats(&self) -> RevocationStats {
        RevocationStats {
            entries: self.0.set.table().len(),
            capacity: self.0.set.table().capacity(),
            rejected: self.0.set.rejected(),
            store: self.store().map(|_| self.0.store_state.stats(self.now())),
        }
    }

    /// Whether both are handles to one set.
    #[cfg(feature = "client")]
    pub(crate) fn is_same_set(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether the store could not be read for longer than is tolerated.
    pub(crate) fn is_stale(&self) -> bool {
        match self.tolerance() {
            None => false,
            Some(tolerance) => self.0.store_state.is_stale(tolerance, self.now()),
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
        let writing = PendingWrite::new(&self.0.store_state, &revocation);
        store.write(&revocation).await.map_err(RevokeError::store)?;
        writing.succeeded();
        Ok(())
    }

    fn store(&self) -> Option<&dyn RevocationStore> {
        self.0.store()
    }

    /// `None` without a store: then the set is always current.
    fn tolerance(&self) -> Option<u64> {
        self.store().and(self.0.config.tolerance)
    }

    fn now(&self) -> u64 {
        self.0.now()
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
