//! `/metrics`, in the text format of Prometheus. What each one means stands in its `HELP`.
//!
//! Labels take their values from closed tables of this program, so that nobody outside can add one.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use omneo_id::OmneoIdStats;
use omneo_id::RejectionKind;
use omneo_id::auth::AuthFailure;
use omneo_id::client::ClientStats;

use crate::count::{BOUNDS, Count, Histogram, OUTCOMES, STATUSES, routes};
use crate::log_writer::LogWriter;

pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Where a scrape looks.
pub(crate) struct Metrics {
    pub(crate) counts: Vec<Arc<Count>>,
    /// Of each thread: one for itself and one for each connection.
    pub(crate) busy: Vec<Weak<()>>,
    pub(crate) stats: Box<dyn Fn() -> OmneoIdStats + Send + Sync>,
    /// `None`: the tenant is not called over the network.
    pub(crate) client: Box<dyn Fn() -> Option<ClientStats> + Send + Sync>,
    pub(crate) log: LogWriter,
}

impl Metrics {
    /// Everything, as it is now.
    pub(crate) fn text(&self) -> String {
        let mut text = Text(String::with_capacity(16 * 1024));
        self.requests(&mut text);
        self.tenant(&mut text);
        self.standing(&mut text);
        text.0
    }

    /// Over all threads.
    fn sum(&self, of: impl Fn(&Count) -> Option<&AtomicU64>) -> u64 {
        let each = self.counts.iter().filter_map(|count| of(count));
        let each = each.map(|count| count.load(Ordering::Relaxed));
        each.fold(0, u64::wrapping_add)
    }

    fn requests(&self, text: &mut Text) {
        let name = "omneo_id_requests_total";
        text.head(name, "counter", "Requests answered, by route and status.");
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
        let help = "Time until the head of the answer, by route.";
        text.head(name, "histogram", help);
        for (route, route_name) in routes().enumerate() {
            let label = format!("route=\"{route_name}\",");
            self.histogram(text, name, &label, |count| count.durations.get(route));
        }
        let name = "omneo_id_requests_in_flight";
        text.head(
            name,
            "gauge",
            "Requests that wait for the head of their answer.",
        );
        text.line(name, "", self.sum(|count| Some(&count.in_flight)));
        let name = "omneo_id_refusals_total";
        let help =
            "Requests that were refused or failed, by kind, and failed authentication by cause.";
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
            text.line(name, &labels, self.sum(|count| count.refusals.get(index)));
        }
    }

    fn tenant(&self, text: &mut Text) {
        let name = "omneo_id_tenant_requests_total";
        let help = "Requests for which the tenant was asked, by the class of its last answer.";
        text.head(name, "counter", help);
        for (index, outcome) in OUTCOMES.iter().enumerate() {
            let labels = format!("{{outcome=\"{outcome}\"}}");
            text.line(name, &labels, self.sum(|count| count.tenant.get(index)));
        }
        let name = "omneo_id_tenant_calls_total";
        let help = "Calls of the tenant that requests led to; a sign-up makes several.";
        text.head(name, "counter", help);
        text.line(name, "", self.sum(|count| Some(&count.tenant_calls)));
        let name = "omneo_id_tenant_duration_seconds";
        let help = "Time that a request waited for the heads of the tenant's answers.";
        text.head(name, "histogram", help);
        self.histogram(text, name, "", |count| Some(&count.tenant_durations));
    }

    fn standing(&self, text: &mut Text) {
        let busy = self.busy.iter().map(Weak::strong_count);
        let connections: usize = busy.map(|count| count.saturating_sub(1)).sum();
        let name = "omneo_id_connections";
        text.one(name, "gauge", "Connections of clients.", connections as u64);
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
                "Tokens that had been verified before.",
                cache.hits,
            ),
            (
                "omneo_id_token_cache_misses_total",
                "counter",
                "Good tokens that had to be verified.",
                cache.misses,
            ),
            (
                "omneo_id_token_cache_entries",
                "gauge",
                "Tokens that are remembered.",
                cache.len as u64,
            ),
            (
                "omneo_id_token_cache_capacity",
                "gauge",
                "Tokens that there is room for, at least.",
                cache.capacity as u64,
            ),
            (
                "omneo_id_tenant_calls_in_flight",
                "gauge",
                "Calls of the tenant whose answer has not ended.",
                in_flight as u64,
            ),
            (
                "omneo_id_tenant_calls_max",
                "gauge",
                "Calls of the tenant that may be in flight.",
                max_in_flight as u64,
            ),
        ] {
            text.one(name, kind, help, value);
        }
        let name = "omneo_id_log_lines_lost_total";
        let help = "Lines of the log that could not be written.";
        text.one(name, "counter", help, self.log.lost());
        let Some(client) = (self.client)() else {
            return;
        };
        let name = "omneo_id_tenant_connections_opened_total";
        let help = "Connections that were made to the tenant.";
        text.one(name, "counter", help, client.opened);
        let name = "omneo_id_tenant_connections";
        let help = "Connections to the tenant that are open, by what they do.";
        text.head(name, "gauge", help);
        text.line(name, "{state=\"idle\"}", client.idle as u64);
        let used = client.open.saturating_sub(client.idle);
        text.line(name, "{state=\"used\"}", used as u64);
    }

    /// `label` ends in a comma, or is empty.
    fn histogram(
        &self,
        text: &mut Text,
        name: &str,
        label: &str,
        of: impl Fn(&Count) -> Option<&Histogram>,
    ) {
        let mut below = 0;
        let bucket = format!("{name}_bucket");
        for index in 0..=BOUNDS.len() {
            below += self.sum(|count| of(count)?.buckets.get(index));
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
        let nanos = self.sum(|count| Some(&of(count)?.nanos));
        let seconds = format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
        text.line(&format!("{name}_sum"), &labels, seconds);
        text.line(&format!("{name}_count"), &labels, below);
    }
}

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
