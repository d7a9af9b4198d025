//! The counters of one worker thread: of each tenant, and of requests without a tenant.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::Response;
use omneo_id::tenants::TenantKey;

use super::request_counts::RequestCounts;

type CountsByTenant = BTreeMap<TenantKey, Arc<RequestCounts>>;

/// The counters of one thread.
#[derive(Default)]
pub(crate) struct ThreadCounts {
    pub(crate) in_flight: AtomicU64,
    /// Requests without a tenant, and those of the tenant of flags.
    pub(crate) without_tenant: RequestCounts,
    by_tenant: ArcSwap<CountsByTenant>,
}

impl ThreadCounts {
    /// Replaces the tenants whose requests have counters of their own. The counters of those that
    /// stay are kept.
    pub(crate) fn set_tenants(&self, keys: &[TenantKey]) {
        let before = self.by_tenant.load();
        let counts = keys.iter().map(|key| {
            let counts = before.get(key).cloned().unwrap_or_default();
            (*key, counts)
        });
        self.by_tenant.store(Arc::new(counts.collect()));
    }

    /// The counters of a tenant, if it has its own.
    pub(crate) fn of_tenant(&self, key: &TenantKey) -> Option<Arc<RequestCounts>> {
        self.by_tenant.load().get(key).cloned()
    }

    /// Counts a request as in flight until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> InFlightGuard {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlightGuard(Arc::clone(self))
    }

    /// Counts a response and its duration. The set of tenants is configured, so a request cannot
    /// add a label.
    pub(crate) fn record<B>(&self, response: &Response<B>, duration: Duration) {
        let by_tenant = self.by_tenant.load();
        let key = response.extensions().get::<TenantKey>();
        let counts = key.and_then(|key| by_tenant.get(key));
        let counts = counts.map_or(&self.without_tenant, |counts| counts);
        counts.record(response, duration);
    }
}

/// Counts a request as in flight.
pub(crate) struct InFlightGuard(Arc<ThreadCounts>);

impl InFlightGuard {
    pub(crate) fn counts(&self) -> &ThreadCounts {
        &self.0
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
