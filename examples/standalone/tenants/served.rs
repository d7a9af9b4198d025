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
use crate::config::{Config, ResolverConfig, ServerConfig, TenantConfig, namespace};

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

/// The kinds of sets: tenants of different kinds differ in their audience or mount.
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
        let before_of_kind = before.filter(|before| before.kind == kind);
        let mut set = match before_of_kind {
            Some(before) => before.set.clone(),
            None => kind.empty_set(),
        };
        let mut retired =
            before.map_or_else(RetiredSessions::default, |before| before.retired.current());
        let mut changes = Changes::default();
        let mut updates = Vec::new();
        let mut running = BTreeMap::new();
        let mut tenants = BTreeMap::new();
        for config in &config.tenants {
            let key: TenantKey = config.key.parse()?;
            let predecessor = before.and_then(|before| before.tenants.get(&key));
            if let (Some(tenant), Some(_)) = (predecessor, before_of_kind)
                && tenant.config == *config
            {
                tenants.insert(key, Arc::clone(tenant));
                continue;
            }
            let sessions = match predecessor {
                Some(tenant) => {
                    changes.changed.push(key);
                    check_namespace(&tenant.config, config, shared)?;
                    Some(tenant.ended_sessions())
                }
                None => {
                    changes.added.push(key);
                    retired.take(key)
                }
            };
            let sessions = RunningSessions::new(&shared.server, config, sessions, &shared.runtime)?;
            updates.push((key, Some(builder(config, shared, &sessions)?)));
            running.insert(key, (config, sessions));
        }
        for (key, tenant) in before.iter().flat_map(|before| &before.tenants) {
            if !tenants.contains_key(key) && !running.contains_key(key) {
                changes.removed.push(*key);
                retired.insert(*key, tenant.ended_sessions());
                if before_of_kind.is_some() {
                    updates.push((*key, None));
                }
            }
        }
        match (kind, before_of_kind) {
            (Kind::OfFlags, None) => {
                let builder = updates.pop().and_then(|(_, builder)| builder);
                set = TenantSet::single(builder.ok_or("no tenant is configured")?)?;
            }
            _ => set.update(updates)?,
        }
        for (key, (config, sessions)) in running {
            let id = set
                .get(key)
                .cloned()
                .ok_or("the tenant is not in its set")?;
            let mount = kind.mount(key, config);
            let label = (kind != Kind::OfFlags).then_some(key);
            let tenant = ServedTenant::new(label, mount, config, id, sessions)?;
            tenants.insert(key, Arc::new(tenant));
        }
        let stats = shared.budget.stats();
        if stats.members > 1 && stats.guaranteed == 0 {
            warn!(
                max_in_flight = shared.max_in_flight,
                tenants = stats.members,
                "max_in_flight is too low to guarantee each tenant a call"
            );
        }
        let snapshot = Self {
            kind,
            resolver: Arc::new(Resolver::new(config, &shared.server)?),
            tenants,
            set,
            retired,
        };
        Ok((snapshot, changes))
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

    fn empty_set(self) -> TenantSet {
        match self {
            Self::OfFlags | Self::OfFile => TenantSet::new(),
            Self::BelowKeys => TenantSet::new().mount_below_key(),
        }
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

/// The ended sessions of a tenant stay in their store, whose namespace depends on its upstream.
fn check_namespace(
    before: &TenantConfig,
    after: &TenantConfig,
    shared: &SharedSettings,
) -> Result<(), BoxError> {
    let has_store = shared.server.revocations.redis.is_some();
    if has_store && namespace(before)? != namespace(after)? {
        return Err(format!(
            "the upstream of tenant {:?} has changed, under which its ended sessions are stored: \
             this change needs a restart",
            before.key
        )
        .into());
    }
    Ok(())
}

/// The resolver of a snapshot, for the service of the crate.
struct SharedResolver(Arc<Resolver>);

impl TenantResolver for SharedResolver {
    fn resolve(&self, request: RequestHead<'_>) -> Option<TenantKey> {
        self.0.resolve(request)
    }
}
