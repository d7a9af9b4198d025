//! The tenants in use. A reload replaces them as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::Request;
use omneo_id::error::BoxError;
use omneo_id::tenants::{RequestHead, TenantKey, TenantResolver, TenantSet};
use omneo_id::upstream::CallBudget;
use omneo_id::{OmneoIdTenants, SigningKey};
use tokio::runtime::Handle;
use tracing::warn;

use super::resolver::Resolver;
use super::retired::RetiredSessions;
use super::tenant::{RunningSessions, ServedTenant};
use crate::config::{Config, ResolverConfig, ServerConfig, TenantConfig};

/// The tenants in use.
pub(crate) struct ServedTenants(ArcSwap<Snapshot>);

/// The tenants at one moment.
struct Snapshot {
    kind: Kind,
    resolver: Arc<Resolver>,
    tenants: BTreeMap<TenantKey, Arc<ServedTenant>>,
    /// The same tenants, for the service of the crate.
    set: TenantSet,
    retired: RetiredSessions,
}

/// The kinds of sets. A tenant of one kind has another audience or mount than of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The tenant of flags. Its tokens have no audience by default.
    OfFlags,
    /// Tenants of a file.
    OfFile,
    /// Tenants of a file, each mounted below its key.
    BelowKeys,
}

/// The settings that all tenants share, and that a reload keeps.
pub(crate) struct SharedSettings {
    /// The settings at the start: a reload changes neither the store of ended sessions nor the
    /// trusted proxies.
    pub(crate) server: ServerConfig,
    /// Signs the ID tokens of tenants without a signing key.
    pub(crate) random_key: SigningKey,
    /// The calls in flight of all tenants.
    pub(crate) budget: CallBudget,
    /// The limit of `budget`, which also bounds the limit of a tenant.
    pub(crate) max_in_flight: usize,
    /// Runs the tasks of tenants.
    pub(crate) runtime: Handle,
}

/// The tenants that a reload has added, changed and removed.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) added: Vec<TenantKey>,
    pub(crate) changed: Vec<TenantKey>,
    pub(crate) removed: Vec<TenantKey>,
}

impl ServedTenants {
    /// The tenants of this configuration.
    ///
    /// # Errors
    /// None for a configuration that has been checked.
    pub(crate) fn new(config: &Config, shared: &SharedSettings) -> Result<Self, BoxError> {
        let (snapshot, _) = Snapshot::build(config, shared, None)?;
        Ok(Self(ArcSwap::from_pointee(snapshot)))
    }

    /// The service of these tenants over a client.
    pub(crate) fn service<C>(&self, client: C) -> OmneoIdTenants<C> {
        let snapshot = self.0.load();
        let resolver = SharedResolver(Arc::clone(&snapshot.resolver));
        OmneoIdTenants::new(resolver, snapshot.set.clone(), client)
    }

    /// Replaces the tenants by those of this configuration, also in the service. Requests that have
    /// begun end on the previous tenants.
    ///
    /// # Errors
    /// If a change needs a restart. The tenants are then unchanged.
    pub(crate) fn replace<C>(
        &self,
        config: &Config,
        shared: &SharedSettings,
        service: &OmneoIdTenants<C>,
    ) -> Result<Changes, BoxError> {
        let before = self.0.load_full();
        let (after, changes) = Snapshot::build(config, shared, Some(&before))?;
        for key in changes.added.iter().chain(&changes.changed) {
            if let Some(tenant) = after.tenants.get(key) {
                tenant.log();
            }
        }
        let resolver = SharedResolver(Arc::clone(&after.resolver));
        service.replace_with_resolver(resolver, after.set.clone());
        self.0.store(Arc::new(after));
        Ok(changes)
    }

    /// Logs the settings of all tenants.
    pub(crate) fn log(&self) {
        for tenant in self.all() {
            tenant.log();
        }
    }

    /// The tenant of a request.
    pub(crate) fn resolve<B>(&self, request: &Request<B>) -> Option<Arc<ServedTenant>> {
        let snapshot = self.0.load();
        let head = RequestHead::from_request(request);
        let key = snapshot.resolver.resolve(head)?;
        snapshot.tenants.get(&key).cloned()
    }

    /// The tenant with this key.
    pub(crate) fn get(&self, key: &str) -> Option<Arc<ServedTenant>> {
        self.0.load().tenants.get(&key.parse().ok()?).cloned()
    }

    /// The tenant of a server that has one only.
    pub(crate) fn single(&self) -> Option<Arc<ServedTenant>> {
        let snapshot = self.0.load();
        let mut tenants = snapshot.tenants.values();
        match (tenants.next(), tenants.next()) {
            (Some(single), None) => Some(Arc::clone(single)),
            _ => None,
        }
    }

    /// All tenants, in the order of their keys.
    pub(crate) fn all(&self) -> Vec<Arc<ServedTenant>> {
        self.0.load().tenants.values().cloned().collect()
    }

    /// The labels of metrics: none for the tenant of flags.
    pub(crate) fn labels(&self) -> Vec<TenantKey> {
        let tenants = self.all();
        tenants.iter().filter_map(|tenant| tenant.label()).collect()
    }
}

impl Snapshot {
    fn build(
        config: &Config,
        shared: &SharedSettings,
        before: Option<&Self>,
    ) -> Result<(Self, Changes), BoxError> {
        let kind = Kind::new(config);
        let Difference {
            kept: mut tenants,
            new,
            removed,
            retired,
            changes,
        } = Difference::new(config, kind, shared, before)?;
        let set = kind.set(shared, before, &new, removed)?;
        for (key, (config, sessions)) in new {
            let id = set.get(key).cloned();
            let id = id.ok_or("the tenant is not in its set")?;
            let tenant = ServedTenant::new(
                kind.label(key),
                kind.mount(key, config),
                config,
                id,
                sessions,
            )?;
            tenants.insert(key, Arc::new(tenant));
        }
        warn_without_guarantee(shared);
        let snapshot = Self {
            kind,
            resolver: Arc::new(Resolver::new(config, &shared.server)?),
            tenants,
            set,
            retired,
        };
        Ok((snapshot, changes))
    }

    /// These tenants, unless those of another kind follow.
    fn of_kind(&self, kind: Kind) -> Option<&Self> {
        Some(self).filter(|snapshot| snapshot.kind == kind)
    }
}

/// The difference between the tenants in use and those of a configuration.
struct Difference<'c> {
    /// The tenants whose configuration is the same.
    kept: BTreeMap<TenantKey, Arc<ServedTenant>>,
    /// The tenants that are built, with the ended sessions of their predecessors.
    new: BTreeMap<TenantKey, (&'c TenantConfig, RunningSessions)>,
    removed: Vec<TenantKey>,
    retired: RetiredSessions,
    changes: Changes,
}

impl<'c> Difference<'c> {
    fn new(
        config: &'c Config,
        kind: Kind,
        shared: &SharedSettings,
        before: Option<&Snapshot>,
    ) -> Result<Self, BoxError> {
        let mut difference = Self {
            kept: BTreeMap::new(),
            new: BTreeMap::new(),
            removed: Vec::new(),
            retired: before
                .map(|before| before.retired.current())
                .unwrap_or_default(),
            changes: Changes::default(),
        };
        let is_same_kind = before.is_some_and(|before| before.kind == kind);
        for config in &config.tenants {
            let key: TenantKey = config.key.parse()?;
            let predecessor = before.and_then(|before| before.tenants.get(&key));
            match predecessor {
                Some(tenant) if is_same_kind && tenant.config == *config => {
                    difference.kept.insert(key, Arc::clone(tenant));
                    continue;
                }
                Some(_) => difference.changes.changed.push(key),
                None => difference.changes.added.push(key),
            }
            let ended = match predecessor {
                Some(tenant) => Some(tenant.ended_sessions()?),
                None => difference.retired.take(key),
            };
            let sessions = RunningSessions::new(&shared.server, config, ended, &shared.runtime)?;
            difference.new.insert(key, (config, sessions));
        }
        for (key, tenant) in before.iter().flat_map(|before| &before.tenants) {
            if !difference.kept.contains_key(key) && !difference.new.contains_key(key) {
                difference.retired.insert(*key, tenant.ended_sessions()?);
                difference.removed.push(*key);
            }
        }
        difference.changes.removed.clone_from(&difference.removed);
        Ok(difference)
    }
}

/// Logs that the tenants outnumber the calls that can be guaranteed.
fn warn_without_guarantee(shared: &SharedSettings) {
    let stats = shared.budget.stats();
    if stats.members > 1 && stats.guaranteed == 0 {
        warn!(
            max_in_flight = shared.max_in_flight,
            tenants = stats.members,
            "max_in_flight is too low to guarantee each tenant a call"
        );
    }
}

impl Kind {
    fn new(config: &Config) -> Self {
        let is_of_flags = |tenant: &TenantConfig| tenant.key == Config::FLAGS_KEY;
        match config.resolver {
            ResolverConfig::Path => Self::BelowKeys,
            _ if config.tenants.iter().any(is_of_flags) => Self::OfFlags,
            _ => Self::OfFile,
        }
    }

    /// The set of the crate: that of the tenants in use, changed, or a new one.
    fn set(
        self,
        shared: &SharedSettings,
        before: Option<&Snapshot>,
        new: &BTreeMap<TenantKey, (&TenantConfig, RunningSessions)>,
        removed: Vec<TenantKey>,
    ) -> Result<TenantSet, BoxError> {
        let mut set = match (before.and_then(|before| before.of_kind(self)), self) {
            (Some(before), _) => before.set.clone(),
            (None, Self::BelowKeys) => TenantSet::new().mount_below_key(),
            (None, Self::OfFile) => TenantSet::new(),
            (None, Self::OfFlags) => {
                let (config, sessions) = new.values().next().ok_or("no tenant is configured")?;
                return Ok(TenantSet::single(builder(config, shared, sessions)?)?);
            }
        };
        let mut updates = Vec::new();
        for (key, (config, sessions)) in new {
            updates.push((*key, Some(builder(config, shared, sessions)?)));
        }
        updates.extend(removed.into_iter().map(|key| (key, None)));
        set.update(updates)?;
        Ok(set)
    }

    /// The key for logs and metrics. `None` for the tenant of flags.
    fn label(self, key: TenantKey) -> Option<TenantKey> {
        (self != Self::OfFlags).then_some(key)
    }

    /// The path prefix of a tenant: empty, or without a slash at its end.
    fn mount(self, key: TenantKey, config: &TenantConfig) -> String {
        let mount = config.mount.trim_end_matches('/');
        match self {
            Self::BelowKeys => format!("/{key}{mount}"),
            Self::OfFlags | Self::OfFile => mount.to_owned(),
        }
    }
}

fn builder(
    config: &TenantConfig,
    shared: &SharedSettings,
    sessions: &RunningSessions,
) -> Result<omneo_id::OmneoIdBuilder, BoxError> {
    let max_in_flight = config.max_in_flight.unwrap_or(shared.max_in_flight);
    let builder = config.builder(sessions.revocations(), &shared.random_key)?;
    Ok(builder
        .max_in_flight(max_in_flight.min(shared.max_in_flight))
        .call_budget(&shared.budget))
}

/// The resolver of a snapshot, for the service of the crate.
struct SharedResolver(Arc<Resolver>);

impl TenantResolver for SharedResolver {
    fn resolve(&self, request: RequestHead<'_>) -> Option<TenantKey> {
        self.0.resolve(request)
    }
}
