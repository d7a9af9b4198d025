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

use super::resolver::Resolver;
use super::tenant::{RunningSessions, ServedTenant};
use crate::config::{Config, ResolverConfig, ServerConfig, TenantConfig};

/// The tenants in use.
pub(crate) struct ServedTenants(ArcSwap<Snapshot>);

/// The tenants at one moment.
struct Snapshot {
    is_single: bool,
    has_mounts_below_key: bool,
    resolver: Arc<Resolver>,
    tenants: BTreeMap<TenantKey, Arc<ServedTenant>>,
    /// The same tenants, for the service of the crate.
    set: TenantSet,
}

/// The parts of tenants that do not come from their configuration.
pub(crate) struct Plan {
    /// The settings at the start: the store of ended sessions is not changed by a reload.
    pub(crate) server: ServerConfig,
    /// Signs the ID tokens of tenants without a signing key. A reload keeps it.
    pub(crate) random_key: SigningKey,
    /// The calls in flight of all tenants.
    pub(crate) budget: CallBudget,
    /// The limit of `budget`, which also bounds the limit of a tenant.
    pub(crate) max_in_flight: usize,
    /// Runs the tasks of tenants.
    pub(crate) runtime: Handle,
}

/// What a reload has changed.
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
    pub(crate) fn new(config: &Config, plan: &Plan) -> Result<Self, BoxError> {
        let (snapshot, _) = Snapshot::build(config, plan, None)?;
        Ok(Self(ArcSwap::from_pointee(snapshot)))
    }

    /// The service of these tenants over a client.
    pub(crate) fn service<C>(&self, client: C) -> OmneoIdTenants<C> {
        let snapshot = self.0.load();
        OmneoIdTenants::new(
            SharedResolver(Arc::clone(&snapshot.resolver)),
            snapshot.set.clone(),
            client,
        )
    }

    /// Replaces the tenants by those of this configuration, also in the service. Requests that have
    /// begun end on the previous tenants.
    ///
    /// # Errors
    /// None for a configuration that has been checked. The tenants are then unchanged.
    pub(crate) fn replace<C>(
        &self,
        config: &Config,
        plan: &Plan,
        service: &OmneoIdTenants<C>,
    ) -> Result<Changes, BoxError> {
        let before = self.0.load_full();
        let (after, changes) = Snapshot::build(config, plan, Some(&before))?;
        let resolver = SharedResolver(Arc::clone(&after.resolver));
        for key in changes.added.iter().chain(&changes.changed) {
            if let Some(tenant) = after.tenants.get(key) {
                tenant.log();
            }
        }
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
    pub(crate) fn of_request<B>(&self, request: &Request<B>) -> Option<Arc<ServedTenant>> {
        let snapshot = self.0.load();
        let key = snapshot
            .resolver
            .resolve(RequestHead::from_request(request))?;
        snapshot.tenants.get(&key).cloned()
    }

    /// The tenant with this key.
    pub(crate) fn get(&self, key: &str) -> Option<Arc<ServedTenant>> {
        self.0.load().tenants.get(&key.parse().ok()?).cloned()
    }

    /// The tenant of a server that has one only, whose requests are not resolved.
    pub(crate) fn single(&self) -> Option<Arc<ServedTenant>> {
        let snapshot = self.0.load();
        let single = snapshot.tenants.values().next().cloned();
        single.filter(|_| snapshot.is_single)
    }

    /// All tenants, in the order of their keys.
    pub(crate) fn all(&self) -> Vec<Arc<ServedTenant>> {
        self.0.load().tenants.values().cloned().collect()
    }

    /// The labels of metrics: none with a single tenant.
    pub(crate) fn labels(&self) -> Vec<TenantKey> {
        let tenants = self.all();
        tenants.iter().filter_map(|tenant| tenant.label()).collect()
    }
}

impl Snapshot {
    fn build(
        config: &Config,
        plan: &Plan,
        before: Option<&Self>,
    ) -> Result<(Self, Changes), BoxError> {
        let is_single = config.resolver == ResolverConfig::Single;
        let has_mounts_below_key = config.resolver == ResolverConfig::Path;
        // Tenants of another kind of set have another audience or another mount.
        let same_kind = before.filter(|before| {
            before.is_single == is_single && before.has_mounts_below_key == has_mounts_below_key
        });
        let kept = |key: TenantKey, config: &TenantConfig| {
            let tenant = same_kind?.tenants.get(&key)?;
            (tenant.config == *config).then(|| Arc::clone(tenant))
        };
        let mut set = match same_kind {
            Some(before) => before.set.clone(),
            None if has_mounts_below_key => TenantSet::new().mount_below_key(),
            None => TenantSet::new(),
        };
        let mut configs = BTreeMap::new();
        for tenant in &config.tenants {
            let key = if is_single {
                TenantKey::DEFAULT
            } else {
                tenant.key.parse()?
            };
            configs.insert(key, tenant);
        }
        let mut changes = Changes::default();
        // First, so that an audience can move from one tenant to another.
        for key in before.iter().flat_map(|before| before.tenants.keys()) {
            match configs.get(key) {
                None => changes.removed.push(*key),
                Some(config) if kept(*key, config).is_none() => changes.changed.push(*key),
                Some(_) => continue,
            }
            set.remove(*key);
        }
        let mut tenants = BTreeMap::new();
        for (key, config) in configs {
            let predecessor = before.and_then(|before| before.tenants.get(&key));
            if let Some(tenant) = kept(key, config) {
                tenants.insert(key, tenant);
                continue;
            }
            if predecessor.is_none() {
                changes.added.push(key);
            }
            let predecessor = predecessor.map(|tenant| &**tenant);
            let running = RunningSessions::new(&plan.server, config, predecessor, &plan.runtime)?;
            let revocations = running.sessions.revocations.clone();
            let builder = config.builder(revocations, &plan.random_key)?;
            let max_in_flight = config.max_in_flight.min(plan.max_in_flight);
            let builder = builder.max_in_flight(max_in_flight);
            let builder = builder.call_budget(&plan.budget);
            if is_single {
                set = TenantSet::single(builder)?;
            } else {
                set.insert(key, builder)?;
            }
            let id = set
                .get(key)
                .cloned()
                .ok_or("the tenant is not in its set")?;
            let mount = config.mount.trim_end_matches('/');
            let mount = match has_mounts_below_key {
                true => format!("/{key}{mount}"),
                false => mount.to_owned(),
            };
            let label = (!is_single).then_some(key);
            let tenant = ServedTenant::new(label, mount, config, id, running)?;
            tenants.insert(key, Arc::new(tenant));
        }
        let snapshot = Self {
            is_single,
            has_mounts_below_key,
            resolver: Arc::new(Resolver::new(config)?),
            tenants,
            set,
        };
        Ok((snapshot, changes))
    }
}

/// The resolver of a snapshot, for the service of the crate.
struct SharedResolver(Arc<Resolver>);

impl TenantResolver for SharedResolver {
    fn resolve(&self, request: RequestHead<'_>) -> Option<TenantKey> {
        self.0.resolve(request)
    }
}
