use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::cache::{Lookup, PendingLoad, TenantLoadError};
use super::{RequestHead, TenantCache, TenantKey, TenantResolver, TenantSet};
use crate::facade::OmneoId;
use crate::rejection::{Rejection, RejectionKind};

/// `Retry-After` if a tenant cannot be loaded: a refresh is tried again after the same time.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The resolver and the tenants in use.
pub(super) struct Directory(ArcSwap<Snapshot>);

struct Snapshot {
    resolver: Arc<dyn TenantResolver>,
    tenants: Tenants,
}

pub(super) enum Tenants {
    Set(Arc<TenantSet>),
    Cache(TenantCache),
}

/// The tenant of a request.
pub(super) enum Found {
    Tenant(TenantKey, OmneoId<()>),
    /// The tenant is being loaded.
    Pending(PendingTenant),
    Rejected(Rejection),
}

/// A tenant that is being loaded.
pub(super) struct PendingTenant {
    key: TenantKey,
    load: PendingLoad,
}

impl Directory {
    pub(super) fn new(resolver: impl TenantResolver, tenants: Tenants) -> Self {
        Self(ArcSwap::from_pointee(Snapshot::new(resolver, tenants)))
    }

    /// Replaces the tenants. The resolver stays.
    pub(super) fn replace(&self, tenants: &Tenants) {
        self.0.rcu(|current| Snapshot {
            resolver: Arc::clone(&current.resolver),
            tenants: tenants.clone(),
        });
    }

    /// Replaces the resolver and the tenants at once.
    pub(super) fn replace_with_resolver(&self, resolver: impl TenantResolver, tenants: Tenants) {
        self.0.store(Arc::new(Snapshot::new(resolver, tenants)));
    }

    /// The tenants in use; those that are loaded, for a cache.
    pub(super) fn tenants(&self) -> Arc<TenantSet> {
        match &self.0.load().tenants {
            Tenants::Set(set) => Arc::clone(set),
            Tenants::Cache(cache) => Arc::new(TenantSet::from_built(cache.loaded().into_iter())),
        }
    }

    /// Finds the tenant of a request.
    pub(super) fn find(&self, request: RequestHead<'_>) -> Found {
        let snapshot = self.0.load();
        let Some(key) = snapshot.resolver.resolve(request) else {
            return Found::unknown();
        };
        match &snapshot.tenants {
            Tenants::Set(set) => match set.get(key) {
                Some(tenant) => Found::Tenant(key, tenant.clone()),
                None => Found::unknown(),
            },
            Tenants::Cache(cache) => match cache.lookup(key) {
                Lookup::Found(tenant) => Found::Tenant(key, tenant),
                Lookup::Unknown => Found::unknown(),
                Lookup::Pending(load) => Found::Pending(PendingTenant { key, load }),
                Lookup::Failed(error) => Found::Rejected(not_loaded(error)),
            },
        }
    }
}

impl Snapshot {
    fn new(resolver: impl TenantResolver, tenants: Tenants) -> Self {
        let resolver = Arc::new(resolver);
        Self { resolver, tenants }
    }
}

impl Found {
    /// The rejection of an unknown route.
    fn unknown() -> Self {
        Self::Rejected(RejectionKind::NotFound.into())
    }
}

impl PendingTenant {
    /// The tenant, when it is loaded.
    ///
    /// # Errors
    /// If it does not exist, or its load fails.
    pub(super) async fn load(self) -> Result<(TenantKey, OmneoId<()>), Rejection> {
        match self.load.outcome().await {
            Ok(Some(tenant)) => Ok((self.key, tenant)),
            Ok(None) => Err(RejectionKind::NotFound.into()),
            Err(error) => Err(not_loaded(error)),
        }
    }
}

fn not_loaded(error: TenantLoadError) -> Rejection {
    Rejection::new(RejectionKind::TenantNotLoaded)
        .with_retry_after(RETRY_AFTER)
        .because(error)
}

impl Clone for Tenants {
    fn clone(&self) -> Self {
        match self {
            Self::Set(set) => Self::Set(Arc::clone(set)),
            Self::Cache(cache) => Self::Cache(cache.clone()),
        }
    }
}
