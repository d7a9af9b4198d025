//! The text of `/metrics`, in the Prometheus format. The `HELP` line of each metric describes it.
//!
//! The values of labels are fixed sets: tables of this program, and the keys of the configured
//! tenants. Requests cannot add one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use omneo_id::auth::AuthFailure;
use omneo_id::client::ClientStats;
use omneo_id::revocation::RevocationStats;
use omneo_id::tenants::TenantKey;
use omneo_id::{OmneoIdStats, RejectionKind};

use super::prometheus_text::{Labels, Text};
use super::request_counts::{BOUNDS, Histogram, OUTCOMES, RequestCounts, routes, statuses};
use super::thread_counts::ThreadCounts;
use crate::log_writer::LogWriter;

pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The value of the label `tenant` for requests of no tenant.
const NO_TENANT: &str = "none";

/// The sources of all metrics.
pub(crate) struct Metrics {
    /// Per thread.
    pub(crate) counts: Vec<Arc<ThreadCounts>>,
    /// Per thread. The strong count is one more than the connections.
    pub(crate) connections: Vec<Weak<()>>,
    /// `None` if the tenants are not called over the network.
    pub(crate) client: Box<dyn Fn() -> Option<ClientStats> + Send + Sync>,
    pub(crate) log: LogWriter,
}

/// The values of a tenant at the time of a scrape.
pub(crate) struct TenantMetrics {
    /// The value of the label `tenant`. `None` with a single tenant: its metrics have no such
    /// label.
    pub(crate) key: Option<TenantKey>,
    /// `None` if the readiness is not known.
    pub(crate) is_ready: Option<bool>,
    pub(crate) stats: OmneoIdStats,
    pub(crate) revocations: RevocationStats,
}

/// The counters of a tenant, or of requests without one, with their labels.
struct Counts {
    labels: Labels,
    of_threads: Vec<CountsOfThread>,
}

enum CountsOfThread {
    WithoutTenant(Arc<ThreadCounts>),
    Tenant(Arc<RequestCounts>),
}

impl CountsOfThread {
    fn get(&self) -> &RequestCounts {
        match self {
            Self::WithoutTenant(counts) => &counts.without_tenant,
            Self::Tenant(counts) => counts,
        }
    }
}

impl Counts {
    /// Adds up a counter of all threads.
    fn sum(&self, counter: impl Fn(&RequestCounts) -> Option<&AtomicU64>) -> u64 {
        let each = self.of_threads.iter();
        let each = each.filter_map(|counts| counter(counts.get()));
        let each = each.map(|count| count.load(Ordering::Relaxed));
        each.fold(0, u64::wrapping_add)
    }
}

impl TenantMetrics {
    fn labels(&self) -> Labels {
        let key = self.key.as_ref();
        key.map_or_else(Labels::default, |key| Labels::default().with("tenant", key))
    }
}

impl Metrics {
    /// All metrics with their current values.
    pub(crate) fn text(&self, tenants: &[TenantMetrics]) -> String {
        let mut text = Text::with_capacity(16 * 1024 * tenants.len().max(1));
        let counts = self.counts(tenants);
        requests(&mut text, &counts);
        tenant_calls(&mut text, &counts);
        tenant_metrics(&mut text, tenants);
        self.process(&mut text);
        text.into_string()
    }

    /// The counters of each set of labels. With a single tenant there is one set, without labels.
    fn counts(&self, tenants: &[TenantMetrics]) -> Vec<Counts> {
        let keys = tenants.iter().filter_map(|tenant| tenant.key.as_ref());
        let mut counts: Vec<Counts> = keys
            .map(|key| Counts {
                labels: Labels::default().with("tenant", key),
                of_threads: self
                    .counts
                    .iter()
                    .filter_map(|thread| thread.of_tenant(key).map(CountsOfThread::Tenant))
                    .collect(),
            })
            .collect();
        let labels = match counts.is_empty() {
            true => Labels::default(),
            false => Labels::default().with("tenant", NO_TENANT),
        };
        let threads = self.counts.iter().map(Arc::clone);
        counts.push(Counts {
            labels,
            of_threads: threads.map(CountsOfThread::WithoutTenant).collect(),
        });
        counts
    }

    fn process(&self, text: &mut Text) {
        let in_flight = self.counts.iter();
        let in_flight = in_flight.map(|thread| thread.in_flight.load(Ordering::Relaxed));
        let name = "omneo_id_requests_in_flight";
        let help = "Requests that wait for their response head.";
        text.one(name, "gauge", help, in_flight.fold(0, u64::wrapping_add));
        let counters = self.connections.iter().map(Weak::strong_count);
        let connections: usize = counters.map(|count| count.saturating_sub(1)).sum();
        let name = "omneo_id_connections";
        let help = "Open connections of clients.";
        text.one(name, "gauge", help, connections as u64);
        let name = "omneo_id_log_lines_lost_total";
        let help = "Log lines that were lost.";
        text.one(name, "counter", help, self.log.lost());
        let Some(client) = (self.client)() else {
            return;
        };
        let name = "omneo_id_tenant_connections_opened_total";
        let help = "Connections that were opened to the tenant.";
        text.one(name, "counter", help, client.opened);
        let name = "omneo_id_tenant_connections";
        let help = "Open connections to the tenant, by state.";
        text.head(name, "gauge", help);
        let in_use = client.open.saturating_sub(client.idle);
        for (state, number) in [("idle", client.idle), ("in_use", in_use)] {
            text.line(name, &Labels::default().with("state", state), number);
        }
    }
}

fn requests(text: &mut Text, counts: &[Counts]) {
    let name = "omneo_id_requests_total";
    text.head(name, "counter", "Responses, by route and status.");
    let statuses: Vec<String> = statuses().collect();
    for counts in counts {
        for (route, route_name) in routes().enumerate() {
            let labels = counts.labels.with("route", route_name);
            for (index, status) in statuses.iter().enumerate() {
                let number = counts.sum(|count| count.requests.get(route)?.get(index));
                if number > 0 {
                    text.line(name, &labels.with("status", status), number);
                }
            }
        }
    }
    let name = "omneo_id_request_duration_seconds";
    let help = "Time until the response head, by route.";
    text.head(name, "histogram", help);
    for counts in counts {
        for (route, route_name) in routes().enumerate() {
            let labels = counts.labels.with("route", route_name);
            histogram(text, name, &labels, counts, |count| {
                count.durations.get(route)
            });
        }
    }
    let name = "omneo_id_refusals_total";
    let help = "Rejected and failed requests, by kind; failed authentications also by cause.";
    text.head(name, "counter", help);
    for counts in counts {
        for (index, failure) in AuthFailure::all().enumerate() {
            let labels = counts.labels.with("kind", failure.rejection_kind().code());
            let number = counts.sum(|count| count.failures.get(index));
            text.line(name, &labels.with("cause", failure.code()), number);
        }
        for (index, kind) in RejectionKind::ALL.iter().enumerate() {
            if AuthFailure::all().any(|failure| failure.rejection_kind() == *kind) {
                continue;
            }
            let labels = counts.labels.with("kind", kind.code());
            let number = counts.sum(|count| count.rejections.get(index));
            text.line(name, &labels.with("cause", "none"), number);
        }
    }
}

fn tenant_calls(text: &mut Text, counts: &[Counts]) {
    let name = "omneo_id_tenant_requests_total";
    let help = "Requests that led to calls of the tenant, by the class of its last response.";
    text.head(name, "counter", help);
    for counts in counts {
        for (index, outcome) in OUTCOMES.iter().enumerate() {
            let number = counts.sum(|count| count.tenant.get(index));
            text.line(name, &counts.labels.with("outcome", outcome), number);
        }
    }
    let name = "omneo_id_tenant_calls_total";
    let help = "Calls of the tenant. A sign-up makes several.";
    text.head(name, "counter", help);
    for counts in counts {
        let number = counts.sum(|count| Some(&count.tenant_calls));
        text.line(name, &counts.labels, number);
    }
    let name = "omneo_id_tenant_duration_seconds";
    let help = "Time that a request waited for the response heads of the tenant.";
    text.head(name, "histogram", help);
    for counts in counts {
        histogram(text, name, &counts.labels, counts, |count| {
            Some(&count.tenant_durations)
        });
    }
}

/// A metric of each tenant: its name, type and help, and its value, if the tenant has one.
type TenantMetric = (
    &'static str,
    &'static str,
    &'static str,
    fn(&TenantMetrics) -> Option<u64>,
);

const TENANT_METRICS: [TenantMetric; 13] = [
    (
        "omneo_id_tenant_ready",
        "gauge",
        "Whether the last probe of the tenant has succeeded.",
        |tenant| tenant.is_ready.map(u64::from),
    ),
    (
        "omneo_id_revocations_entries",
        "gauge",
        "Entries in the set of ended sessions.",
        |tenant| Some(tenant.revocations.entries as u64),
    ),
    (
        "omneo_id_revocations_capacity",
        "gauge",
        "Capacity of the set of ended sessions.",
        |tenant| Some(tenant.revocations.capacity as u64),
    ),
    (
        "omneo_id_revocations_rejected_total",
        "counter",
        "Revocations that were rejected because the set was full.",
        |tenant| Some(tenant.revocations.rejected),
    ),
    (
        "omneo_id_revocations_store_up",
        "gauge",
        "Whether the last read of the store of ended sessions has succeeded.",
        |tenant| Some(tenant.revocations.store.as_ref()?.is_up.into()),
    ),
    (
        "omneo_id_revocations_unwritten",
        "gauge",
        "Revocations that the store has not confirmed.",
        |tenant| Some(tenant.revocations.store.as_ref()?.unwritten as u64),
    ),
    (
        "omneo_id_revocations_store_age_seconds",
        "gauge",
        "Time since the last successful read of the store.",
        |tenant| Some(tenant.revocations.store.as_ref()?.last_read?.as_secs()),
    ),
    (
        "omneo_id_token_cache_hits_total",
        "counter",
        "Tokens that were found in the cache.",
        |tenant| Some(tenant.stats.token_cache.hits),
    ),
    (
        "omneo_id_token_cache_misses_total",
        "counter",
        "Valid tokens that were not in the cache.",
        |tenant| Some(tenant.stats.token_cache.misses),
    ),
    (
        "omneo_id_token_cache_entries",
        "gauge",
        "Tokens in the cache.",
        |tenant| Some(tenant.stats.token_cache.len as u64),
    ),
    (
        "omneo_id_token_cache_capacity",
        "gauge",
        "Capacity of the token cache.",
        |tenant| Some(tenant.stats.token_cache.capacity as u64),
    ),
    (
        "omneo_id_tenant_calls_in_flight",
        "gauge",
        "Calls of the tenant whose response has not ended.",
        |tenant| Some(tenant.stats.in_flight as u64),
    ),
    (
        "omneo_id_tenant_calls_max",
        "gauge",
        "Limit of concurrent calls of the tenant.",
        |tenant| Some(tenant.stats.max_in_flight as u64),
    ),
];

/// Writes [`TENANT_METRICS`]. A metric without a value is omitted.
fn tenant_metrics(text: &mut Text, tenants: &[TenantMetrics]) {
    for (name, kind, help, value) in TENANT_METRICS {
        let values = tenants.iter();
        let mut values = values
            .filter_map(|tenant| Some((tenant.labels(), value(tenant)?)))
            .peekable();
        if values.peek().is_some() {
            text.head(name, kind, help);
        }
        for (labels, value) in values {
            text.line(name, &labels, value);
        }
    }
}

/// Writes a histogram of all threads.
fn histogram(
    text: &mut Text,
    name: &str,
    labels: &Labels,
    counts: &Counts,
    histogram: impl Fn(&RequestCounts) -> Option<&Histogram>,
) {
    let mut below = 0;
    let bucket = format!("{name}_bucket");
    for index in 0..=BOUNDS.len() {
        below += counts.sum(|count| histogram(count)?.buckets.get(index));
        let bound = match BOUNDS.get(index) {
            Some(ms) => (*ms as f64 / 1e3).to_string(),
            None => "+Inf".to_owned(),
        };
        text.line(&bucket, &labels.with("le", bound), below);
    }
    let nanos = counts.sum(|count| Some(&histogram(count)?.nanos));
    let seconds = format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
    text.line(&format!("{name}_sum"), labels, seconds);
    text.line(&format!("{name}_count"), labels, below);
}
