//! The text of `/metrics`, in the Prometheus format. The `HELP` line of each metric describes it.
//!
//! The values of labels are fixed sets of this program: requests cannot add one.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use omneo_id::auth::AuthFailure;
use omneo_id::client::ClientStats;
use omneo_id::{OmneoIdStats, RejectionKind, Revocations};

use super::request_counts::{BOUNDS, Histogram, OUTCOMES, RequestCounts, STATUSES, routes};
use crate::log_writer::LogWriter;

pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The sources of all metrics.
pub(crate) struct Metrics {
    pub(crate) counts: Vec<Arc<RequestCounts>>,
    /// Per thread. The strong count is one more than the connections.
    pub(crate) connections: Vec<Weak<()>>,
    pub(crate) stats: Box<dyn Fn() -> OmneoIdStats + Send + Sync>,
    /// `None` if the tenant is not called over the network.
    pub(crate) client: Box<dyn Fn() -> Option<ClientStats> + Send + Sync>,
    pub(crate) revocations: Revocations,
    pub(crate) log: LogWriter,
}

impl Metrics {
    /// All metrics with their current values.
    pub(crate) fn text(&self) -> String {
        let mut text = Text(String::with_capacity(16 * 1024));
        self.requests(&mut text);
        self.tenant(&mut text);
        self.revocations(&mut text);
        self.process(&mut text);
        text.0
    }

    /// Adds up a counter of all threads.
    fn sum(&self, counter: impl Fn(&RequestCounts) -> Option<&AtomicU64>) -> u64 {
        let each = self.counts.iter().filter_map(|count| counter(count));
        let each = each.map(|count| count.load(Ordering::Relaxed));
        each.fold(0, u64::wrapping_add)
    }

    fn requests(&self, text: &mut Text) {
        let name = "omneo_id_requests_total";
        text.head(name, "counter", "Responses, by route and status.");
        for (route, route_name) in routes().enumerate() {
            for status in 0..STATUSES {
                let number = self.sum(|count| count.requests.get(route)?.get(status));
                if number > 0 {
                    let labels = format!("{{route=\"{route_name}\",status=\"{}\"}}", status + 100);
                    text.line(name, &labels, number);
                }
            }
        }
        let name = "omneo_id_request_duration_seconds";
        let help = "Time until the response head, by route.";
        text.head(name, "histogram", help);
        for (route, route_name) in routes().enumerate() {
            let label = format!("route=\"{route_name}\",");
            self.histogram(text, name, &label, |count| count.durations.get(route));
        }
        let name = "omneo_id_requests_in_flight";
        text.head(name, "gauge", "Requests that wait for their response head.");
        text.line(name, "", self.sum(|count| Some(&count.in_flight)));
        let name = "omneo_id_refusals_total";
        let help = "Rejected and failed requests, by kind; failed authentications also by cause.";
        text.head(name, "counter", help);
        for (index, failure) in AuthFailure::all().enumerate() {
            let (kind, cause) = (failure.rejection_kind().code(), failure.code());
            let labels = format!("{{kind=\"{kind}\",cause=\"{cause}\"}}");
            text.line(name, &labels, self.sum(|count| count.failures.get(index)));
        }
        for (index, kind) in RejectionKind::ALL.iter().enumerate() {
            if AuthFailure::all().any(|failure| failure.rejection_kind() == *kind) {
                continue;
            }
            let labels = format!("{{kind=\"{}\",cause=\"none\"}}", kind.code());
            text.line(name, &labels, self.sum(|count| count.rejections.get(index)));
        }
    }

    fn tenant(&self, text: &mut Text) {
        let name = "omneo_id_tenant_requests_total";
        let help = "Requests that led to calls of the tenant, by the class of its last response.";
        text.head(name, "counter", help);
        for (index, outcome) in OUTCOMES.iter().enumerate() {
            let labels = format!("{{outcome=\"{outcome}\"}}");
            text.line(name, &labels, self.sum(|count| count.tenant.get(index)));
        }
        let name = "omneo_id_tenant_calls_total";
        let help = "Calls of the tenant. A sign-up makes several.";
        text.head(name, "counter", help);
        text.line(name, "", self.sum(|count| Some(&count.tenant_calls)));
        let name = "omneo_id_tenant_duration_seconds";
        let help = "Time that a request waited for the response heads of the tenant.";
        text.head(name, "histogram", help);
        self.histogram(text, name, "", |count| Some(&count.tenant_durations));
    }

    fn revocations(&self, text: &mut Text) {
        let stats = self.revocations.stats();
        for (name, kind, help, value) in [
            (
                "omneo_id_revocations_entries",
                "gauge",
                "Entries in the set of ended sessions.",
                stats.entries as u64,
            ),
            (
                "omneo_id_revocations_capacity",
                "gauge",
                "Capacity of the set of ended sessions.",
                stats.capacity as u64,
            ),
            (
                "omneo_id_revocations_rejected_total",
                "counter",
                "Revocations that were rejected because the set was full.",
                stats.rejected,
            ),
        ] {
            text.one(name, kind, help, value);
        }
        let Some(store) = stats.store else {
            return;
        };
        let name = "omneo_id_revocations_store_up";
        let help = "Whether the last read of the store of ended sessions has succeeded.";
        text.one(name, "gauge", help, store.is_up.into());
        let name = "omneo_id_revocations_unwritten";
        let help = "Revocations that the store has not confirmed.";
        text.one(name, "gauge", help, store.unwritten as u64);
        if let Some(age) = store.last_read {
            let name = "omneo_id_revocations_store_age_seconds";
            let help = "Time since the last successful read of the store.";
            text.one(name, "gauge", help, age.as_secs());
        }
    }

    fn process(&self, text: &mut Text) {
        let counters = self.connections.iter().map(Weak::strong_count);
        let connections: usize = counters.map(|count| count.saturating_sub(1)).sum();
        let name = "omneo_id_connections";
        text.one(
            name,
            "gauge",
            "Open connections of clients.",
            connections as u64,
        );
        let OmneoIdStats {
            token_cache: cache,
            in_flight,
            max_in_flight,
            ..
        } = (self.stats)();
        for (name, kind, help, value) in [
            (
                "omneo_id_token_cache_hits_total",
                "counter",
                "Tokens that were found in the cache.",
                cache.hits,
            ),
            (
                "omneo_id_token_cache_misses_total",
                "counter",
                "Valid tokens that were not in the cache.",
                cache.misses,
            ),
            (
                "omneo_id_token_cache_entries",
                "gauge",
                "Tokens in the cache.",
                cache.len as u64,
            ),
            (
                "omneo_id_token_cache_capacity",
                "gauge",
                "Capacity of the token cache.",
                cache.capacity as u64,
            ),
            (
                "omneo_id_tenant_calls_in_flight",
                "gauge",
                "Calls of the tenant whose response has not ended.",
                in_flight as u64,
            ),
            (
                "omneo_id_tenant_calls_max",
                "gauge",
                "Limit of concurrent calls of the tenant.",
                max_in_flight as u64,
            ),
        ] {
            text.one(name, kind, help, value);
        }
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
        text.line(name, "{state=\"idle\"}", client.idle as u64);
        let in_use = client.open.saturating_sub(client.idle);
        text.line(name, "{state=\"in_use\"}", in_use as u64);
    }

    /// Writes a histogram. `label` ends in a comma, or is empty.
    fn histogram(
        &self,
        text: &mut Text,
        name: &str,
        label: &str,
        histogram: impl Fn(&RequestCounts) -> Option<&Histogram>,
    ) {
        let mut below = 0;
        let bucket = format!("{name}_bucket");
        for index in 0..=BOUNDS.len() {
            below += self.sum(|count| histogram(count)?.buckets.get(index));
            let bound = match BOUNDS.get(index) {
                Some(ms) => (*ms as f64 / 1e3).to_string(),
                None => "+Inf".to_owned(),
            };
            text.line(&bucket, &format!("{{{label}le=\"{bound}\"}}"), below);
        }
        let labels = match label.trim_end_matches(',') {
            "" => String::new(),
            label => format!("{{{label}}}"),
        };
        let nanos = self.sum(|count| Some(&histogram(count)?.nanos));
        let seconds = format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
        text.line(&format!("{name}_sum"), &labels, seconds);
        text.line(&format!("{name}_count"), &labels, below);
    }
}

/// A text in the Prometheus format.
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string never fails.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.head(name, kind, help);
        self.line(name, "", value);
    }
}
