use std::fmt;
use std::hash::RandomState;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{Lifecycle, UnitWeighter};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::TenantSource;
use super::entry::Entry;
use super::error::{Cause, TenantLoadError};
use super::kept_sessions::KeptSessions;
use super::loads::{Kind, LoadTicket, Loads, Outcome, PendingLoad};
use super::settings::Settings;
use super::source::{DynSource, LoadedTenant};
use crate::error::ConfigError;
use crate::facade::{MemberSettings, OmneoId};
use crate::tenant::TenantKey;
use crate::tenants::set::{Mounts, check_isolated, conflict};

/// The tenants of a [`TenantSource`], loaded when they are requested.
///
/// - Concurrent requests of a tenant wait for one load. A client that disconnects does not cancel
///   it for the others.
/// - A tenant is loaded again after the refresh interval. Requests meanwhile use the present one,
///   also while the source fails, up to a limit.
/// - If the version has not changed, the tenant keeps its caches. A changed tenant continues with
///   its ended sessions, unless its builder has a set of [`Revocations`](crate::Revocations).
/// - Keys come from clients, so everything is bounded: the tenants, the keys that are known not to
///   exist, and the loads in flight. A request beyond them is rejected with 503 and `Retry-After`.
///
/// A full cache evicts a rarely used tenant. Ended sessions of a tenant that is evicted, or removed
/// from the source, stay ended if it is loaded again: they are kept for longer than a token is
/// valid, those of the last 16,384 tenants. Above that number, give each tenant a
/// [store](crate::Revocations::with_store).
///
/// Loads are tasks of the tokio runtime. Clones share the tenants; a changed setting starts with an
/// empty cache. See the example of [`TenantSource`].
#[derive(Clone)]
pub struct TenantCache(Arc<Shared>);

/// The most keys that wait for a slot.
const MAX_WAITING: usize = 1024;

/// What the source has returned.
type Loaded = Result<Option<LoadedTenant>, TenantLoadError>;

struct Shared {
    source: Arc<dyn DynSource>,
    settings: Settings,
    tenants: Cache<TenantKey, Arc<Entry>, UnitWeighter, RandomState, KeptSessions>,
    /// Of tenants that were removed or evicted.
    kept: KeptSessions,
    /// The keys that do not exist, each until this time.
    unknown: Cache<TenantKey, Instant, UnitWeighter, RandomState>,
    loads: Loads,
    /// Each load takes one. A semaphore is fair, so keys are loaded in their order.
    load_slots: Semaphore,
    started: AtomicU64,
    failed: AtomicU64,
}

/// A snapshot of the gauges of a [`TenantCache`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TenantCacheStats {
    /// The loaded tenants.
    pub tenants: usize,
    /// The keys that are known not to exist.
    pub unknown: usize,
    /// The loads and refreshes in flight, and the loads that wait for a slot.
    pub loading: usize,
    /// How many loads and refreshes have started.
    pub loads: u64,
    /// How many loads and refreshes have failed.
    pub failures: u64,
}

/// The result of a look-up.
pub(in crate::tenants) enum Lookup {
    Found(OmneoId<()>),
    /// The source does not have the tenant.
    Unknown,
    Pending(PendingLoad),
    Failed(TenantLoadError),
}

impl TenantCache {
    /// A cache in front of this source.
    pub fn new(source: impl TenantSource) -> Self {
        Self::from_settings(Arc::new(source), Settings::default())
    }

    fn from_settings(source: Arc<dyn DynSource>, settings: Settings) -> Self {
        let kept = KeptSessions::default();
        let slots = settings.max_loads.min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Shared {
            source,
            tenants: new_cache(settings.capacity, kept.clone()),
            kept,
            unknown: new_cache(settings.unknown_capacity, DefaultLifecycle::default()),
            loads: Loads::default(),
            load_slots: Semaphore::new(slots),
            started: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            settings,
        }))
    }

    /// Each change starts with an empty cache.
    fn edit(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.0.settings.clone();
        change(&mut settings);
        Self::from_settings(Arc::clone(&self.0.source), settings)
    }

    /// Replaces the most loaded tenants. The cache is sharded and may contain some more.
    ///
    /// Default is 1024.
    #[must_use]
    pub fn with_capacity(self, tenants: usize) -> Self {
        self.edit(|settings| settings.capacity = tenants)
    }

    /// Replaces the time after which a tenant is loaded again. The first request after the
    /// interval starts a refresh in the background and still uses the previous settings.
    ///
    /// Default is one minute.
    #[must_use]
    pub fn with_refresh_interval(self, interval: Duration) -> Self {
        self.edit(|settings| settings.refresh_interval = interval)
    }

    /// Replaces how long a tenant stays in use after its refresh interval while the source fails.
    /// Then its requests are rejected with 503.
    ///
    /// Default is one hour.
    #[must_use]
    pub fn with_max_stale(self, duration: Duration) -> Self {
        self.edit(|settings| settings.max_stale = duration)
    }

    /// Replaces the most keys that are remembered as unknown, and for how long: a new tenant is
    /// found within this time. Requests with such a key do not call the source.
    ///
    /// Default is 4096 keys and 10 seconds.
    #[must_use]
    pub fn with_unknown_keys(self, capacity: usize, ttl: Duration) -> Self {
        self.edit(|settings| {
            settings.unknown_capacity = capacity;
            settings.unknown_ttl = ttl;
        })
    }

    /// Replaces the time within which the source must respond.
    ///
    /// Default is 5 seconds.
    #[must_use]
    pub fn with_load_timeout(self, timeout: Duration) -> Self {
        self.edit(|settings| settings.load_timeout = timeout)
    }

    /// Replaces the most concurrent loads. Up to 1024 further keys wait in their order, for as long
    /// as the [timeout of a load](Self::with_load_timeout); then their requests are rejected with
    /// 503. Refreshes have a limit of the same size of their own.
    ///
    /// Default is 16.
    #[must_use]
    pub fn with_max_loads(self, loads: usize) -> Self {
        self.edit(|settings| settings.max_loads = loads)
    }

    /// Mounts each tenant below its key: see
    /// [`TenantSet::mount_below_key`](crate::tenants::TenantSet::mount_below_key).
    ///
    /// Default is the mount of each builder.
    #[must_use]
    pub fn mount_below_key(self) -> Self {
        self.edit(|settings| settings.mounts = Mounts::BelowKey)
    }

    /// A snapshot for gauges.
    pub fn stats(&self) -> TenantCacheStats {
        TenantCacheStats {
            tenants: self.0.tenants.len(),
            unknown: self.0.unknown.len(),
            loading: self.0.loads.len(),
            loads: self.0.started.load(Ordering::Relaxed),
            failures: self.0.failed.load(Ordering::Relaxed),
        }
    }

    /// The tenants that are loaded at present.
    pub(in crate::tenants) fn loaded(&self) -> Vec<(TenantKey, OmneoId<()>)> {
        let entries = self.0.tenants.iter();
        entries
            .map(|(key, entry)| (key, entry.tenant.clone()))
            .collect()
    }

    /// Looks a tenant up, and starts the load that it needs.
    pub(in crate::tenants) fn lookup(&self, key: TenantKey) -> Lookup {
        let shared = &self.0;
        if let Some(entry) = shared.tenants.get(&key)
            && entry.is_servable()
        {
            if entry.claim_refresh(&shared.settings) {
                shared.start(key, Kind::Refresh);
            }
            return Lookup::Found(entry.tenant.clone());
        }
        match shared.is_unknown(&key) {
            true => Lookup::Unknown,
            false => shared.start(key, Kind::Load),
        }
    }
}

impl Shared {
    fn is_unknown(&self, key: &TenantKey) -> bool {
        let until = self.unknown.get(key);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Joins the load of this key, or starts it.
    fn start(self: &Arc<Self>, key: TenantKey, kind: Kind) -> Lookup {
        let max = match kind {
            Kind::Load => self.settings.max_loads.saturating_add(MAX_WAITING),
            Kind::Refresh => self.settings.max_loads,
        };
        let (pending, ticket) = match self.loads.join(key, kind, max) {
            Ok(joined) => joined,
            Err(error) => return Lookup::Failed(error),
        };
        let Some(ticket) = ticket else {
            return Lookup::Pending(pending);
        };
        // A load may have ended between the look-up and `join`.
        if kind == Kind::Load
            && let Some(entry) = self.tenants.peek(&key)
            && entry.is_servable()
        {
            ticket.finish(Ok(Some(entry.tenant.clone())));
        } else if kind == Kind::Load && self.is_unknown(&key) {
            ticket.finish(Ok(None));
        } else if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(Arc::clone(self).perform(key, kind, ticket));
        } else {
            drop(ticket);
        }
        Lookup::Pending(pending)
    }

    /// Loads the tenant, and stores the outcome.
    async fn perform(self: Arc<Self>, key: TenantKey, kind: Kind, ticket: LoadTicket) {
        let loaded = match kind {
            Kind::Load => self.load_in_slot(key).await,
            Kind::Refresh => self.load(key).await,
        };
        let outcome = loaded.and_then(|loaded| self.store(key, loaded));
        if let Err(error) = &outcome {
            self.failed.fetch_add(1, Ordering::Relaxed);
            if let Some(entry) = self.tenants.peek(&key)
                && entry.retry_later(&self.settings)
            {
                log_failure(key, error);
            }
        }
        ticket.finish(outcome);
    }

    /// Loads the tenant when there is a slot.
    async fn load_in_slot(&self, key: TenantKey) -> Loaded {
        let slot = timeout(self.settings.load_timeout, self.load_slots.acquire()).await;
        match slot {
            Ok(Ok(_slot)) => self.load(key).await,
            _ => Err(TenantLoadError::new(Cause::Busy(self.settings.max_loads))),
        }
    }

    async fn load(&self, key: TenantKey) -> Loaded {
        self.started.fetch_add(1, Ordering::Relaxed);
        let time = self.settings.load_timeout;
        match timeout(time, self.source.load(key)).await {
            Ok(loaded) => loaded.map_err(TenantLoadError::source),
            Err(_) => Err(TenantLoadError::new(Cause::Timeout(time))),
        }
    }

    /// Stores what the source has returned.
    fn store(&self, key: TenantKey, loaded: Option<LoadedTenant>) -> Outcome {
        let present = self.tenants.peek(&key);
        let Some(LoadedTenant { builder, version }) = loaded else {
            if let Some(present) = &present {
                self.kept.keep(key, present.tenant.revocations().clone());
            }
            self.tenants.remove(&key);
            let until = Instant::now().checked_add(self.settings.unknown_ttl);
            if let Some(until) = until {
                self.unknown.insert(key, until);
            }
            return Ok(None);
        };
        if let Some(present) = &present
            && present.version == version
        {
            if present.renew(&self.settings) {
                log_recovery(key);
            }
            return Ok(Some(present.tenant.clone()));
        }
        let settings = MemberSettings {
            audience: Some(key.as_str()),
            mount_below: self.settings.mounts.below(key),
            replaced: present.as_ref().map(|present| &present.tenant),
            revocations: match present {
                Some(_) => None,
                None => self.kept.get(key),
            },
        };
        let tenant = builder.build_member(settings);
        let tenant = tenant.map_err(TenantLoadError::settings)?;
        self.check(key, &tenant)
            .map_err(TenantLoadError::settings)?;
        if present.is_some_and(|present| present.renew(&self.settings)) {
            log_recovery(key);
        }
        let entry = Entry::new(tenant.clone(), version, &self.settings);
        // Before the insertion, which may evict the tenant itself.
        self.kept.remove(key);
        self.tenants.insert(key, Arc::new(entry));
        self.unknown.remove(&key);
        Ok(Some(tenant))
    }

    /// Tenants that are not loaded cannot be compared, so the audience must be the key.
    fn check(&self, key: TenantKey, tenant: &OmneoId<()>) -> Result<(), ConfigError> {
        if tenant.audience() != Some(key.as_str()) {
            let message = format!("the audience of the tenant {key} is not its key");
            return Err(conflict(message));
        }
        self.tenants.iter().try_for_each(|(other_key, other)| {
            check_isolated((key, tenant), (other_key, &other.tenant))
        })
    }
}

/// A sharded cache; it evicts a rarely used key if it is full.
fn new_cache<V: Clone, L: Lifecycle<TenantKey, V> + Clone>(
    capacity: usize,
    lifecycle: L,
) -> Cache<TenantKey, V, UnitWeighter, RandomState, L> {
    let hasher = RandomState::new();
    Cache::with(capacity, capacity as u64, UnitWeighter, hasher, lifecycle)
}

/// Logs the first of several failed refreshes.
fn log_failure(key: TenantKey, error: &TenantLoadError) {
    #[cfg(feature = "tracing")]
    tracing::warn!(
        tenant.key = key.as_str(),
        cause = %error,
        "the tenant could not be refreshed and stays as it is",
    );
    #[cfg(not(feature = "tracing"))]
    let _ = (key, error);
}

fn log_recovery(key: TenantKey) {
    #[cfg(feature = "tracing")]
    tracing::info!(tenant.key = key.as_str(), "the tenant was refreshed again");
    #[cfg(not(feature = "tracing"))]
    let _ = key;
}

impl fmt::Debug for TenantCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantCache")
            .field("settings", &self.0.settings)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
