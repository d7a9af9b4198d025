//! Counters of requests. Each combination of labels is an atomic in a fixed table, so counting
//! needs no lock and no formatting. Each thread has its own tables; a scrape adds them up.

use std::array::from_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Response, StatusCode};
use omneo_id::auth::AuthFailure;
use omneo_id::report::{Report, Route, TenantCalls};
use omneo_id::{Rejection, RejectionKind};

/// Further values of the label `route`: `none` for requests without a route in Omneo ID, `other`
/// for requests that other layers handle, such as probes and preflights.
const FURTHER_ROUTES: [&str; 2] = ["none", "other"];

/// The values of the label `route`, in the order of the tables.
pub(crate) fn routes() -> impl Iterator<Item = &'static str> {
    Route::all().map(Route::name).chain(FURTHER_ROUTES)
}

/// The index of the label of a response in [`routes`].
fn route_index(report: Option<&Report>) -> usize {
    match report.map(Report::route) {
        Some(Some(route)) => Route::all()
            .position(|other| other == route)
            .unwrap_or(Route::all().len()),
        Some(None) => Route::all().len(),
        None => Route::all().len() + 1,
    }
}

/// The statuses that are counted one by one: those of this server, and the usual ones of a tenant.
const STATUSES: [u16; 38] = [
    200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 406, 408, 409,
    410, 411, 412, 413, 414, 415, 416, 422, 425, 426, 428, 429, 431, 451, 500, 501, 502, 503, 504,
];

/// Other statuses are counted by class. A status above 599 counts as `5xx`.
const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Length of the table of statuses. It is small, because each tenant has one per route and thread.
const STATUS_COUNT: usize = STATUSES.len() + STATUS_CLASSES.len();

/// The values of the label `status`, in the order of the tables.
pub(crate) fn statuses() -> impl Iterator<Item = String> {
    let classes = STATUS_CLASSES.iter().map(ToString::to_string);
    STATUSES.iter().map(ToString::to_string).chain(classes)
}

/// The index of the label of a status in [`statuses`].
fn status_index(status: StatusCode) -> usize {
    let status = status.as_u16();
    let known = STATUSES.iter().position(|known| *known == status);
    known.unwrap_or_else(|| {
        let class = usize::from(status / 100).clamp(1, STATUS_CLASSES.len());
        STATUSES.len() + class - 1
    })
}

/// Number of values of the label `kind`.
pub(crate) const KINDS: usize = RejectionKind::ALL.len();

/// The values of the label `outcome`: the class of the tenant's last response, or `none`.
pub(crate) const OUTCOMES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Upper bounds of the histogram buckets in milliseconds; the last bucket is unbounded. The bounds
/// of the Prometheus client libraries, with further ones below 5 ms and above 10 s.
pub(crate) const BOUNDS: [u64; 14] = [
    1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000,
];

/// Counters of one thread, of one tenant or of requests without a tenant.
pub(crate) struct RequestCounts {
    /// Prevents false sharing of a cache line with other threads.
    _front: Pad,
    /// For each of [`routes`].
    pub(crate) requests: Box<[[AtomicU64; STATUS_COUNT]]>,
    pub(crate) durations: Box<[Histogram]>,
    /// Rejections that do not concern authentication, by kind.
    pub(crate) rejections: [AtomicU64; KINDS],
    /// Failed authentications, by cause.
    pub(crate) failures: [AtomicU64; AuthFailure::COUNT],
    pub(crate) tenant: [AtomicU64; OUTCOMES.len()],
    pub(crate) tenant_calls: AtomicU64,
    pub(crate) tenant_durations: Histogram,
}

/// Two cache lines: some processors prefetch lines in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Pad;

impl Default for RequestCounts {
    fn default() -> Self {
        Self {
            _front: Pad,
            requests: routes().map(|_| zeros()).collect(),
            durations: routes().map(|_| Histogram::default()).collect(),
            rejections: zeros(),
            failures: zeros(),
            tenant: zeros(),
            tenant_calls: AtomicU64::new(0),
            tenant_durations: Histogram::default(),
        }
    }
}

fn zeros<const N: usize>() -> [AtomicU64; N] {
    from_fn(|_| AtomicU64::new(0))
}

impl RequestCounts {
    /// Counts a response and its duration.
    pub(crate) fn record<B>(&self, response: &Response<B>, duration: Duration) {
        let report = response.extensions().get::<Report>();
        let route = route_index(report);
        if let Some(statuses) = self.requests.get(route) {
            add(statuses, status_index(response.status()), 1);
        }
        if let Some(durations) = self.durations.get(route) {
            durations.record(duration);
        }
        if let Some(rejection) = response.extensions().get::<Rejection>() {
            let failure = AuthFailure::from_rejection(rejection);
            match AuthFailure::all().position(|other| Some(other) == failure) {
                Some(index) => add(&self.failures, index, 1),
                None => add(&self.rejections, rejection.kind() as usize, 1),
            }
        }
        if let Some(calls) = report.and_then(Report::tenant) {
            add(&self.tenant, outcome_index(&calls), 1);
            self.tenant_calls
                .fetch_add(calls.calls().into(), Ordering::Relaxed);
            self.tenant_durations.record(calls.latency());
        }
    }
}

fn add(counts: &[AtomicU64], index: usize, more: u64) {
    if let Some(count) = counts.get(index) {
        count.fetch_add(more, Ordering::Relaxed);
    }
}

fn outcome_index(calls: &TenantCalls) -> usize {
    let class = calls.status().map_or(0, |status| status.as_u16() / 100);
    usize::from(class).min(OUTCOMES.len() - 1)
}

/// A histogram of durations.
pub(crate) struct Histogram {
    /// Not cumulative: each bucket excludes the lower ones.
    pub(crate) buckets: [AtomicU64; BOUNDS.len() + 1],
    pub(crate) nanos: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: zeros(),
            nanos: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    fn record(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS
            .iter()
            .take_while(|bound| **bound * 1_000_000 < nanos);
        add(&self.buckets, bucket.count(), 1);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }
}
