//! What is counted of each request: fixed sets of labels, each an atomic, so that counting takes no
//! lock and puts nothing into words. Each thread counts for itself; a scrape adds them up.

use std::array::from_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Response, StatusCode};
use omneo_id::auth::AuthFailure;
use omneo_id::report::{Report, Route, TenantCalls};
use omneo_id::{Rejection, RejectionKind};

/// The label `route` of requests that Omneo ID has no route for, and of requests that the server
/// answers itself: probes, preflights.
const WITHOUT: [&str; 2] = ["none", "other"];
/// The values of the label `route`, in the order of the counts.
pub(crate) fn routes() -> impl Iterator<Item = &'static str> {
    Route::all().map(Route::name).chain(WITHOUT)
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

/// 100 and above; what does not fit counts as the last.
pub(crate) const STATUSES: usize = 500;

pub(crate) const KINDS: usize = RejectionKind::ALL.len();

/// What came of asking the tenant: the class of its last answer, or that it gave none.
pub(crate) const OUTCOMES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Upper bounds of a histogram's buckets, in milliseconds; the last bucket has none.
pub(crate) const BOUNDS: [u64; 14] = [
    1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000,
];

/// What one thread has counted.
pub(crate) struct Count {
    /// Apart from what other threads write.
    _front: Pad,
    /// For each of [`routes`].
    pub(crate) requests: Box<[[AtomicU64; STATUSES]]>,
    pub(crate) durations: Box<[Histogram]>,
    pub(crate) refusals: [AtomicU64; KINDS],
    /// Those that are about authentication, by cause.
    pub(crate) failures: [AtomicU64; AuthFailure::COUNT],
    pub(crate) tenant: [AtomicU64; OUTCOMES.len()],
    pub(crate) tenant_calls: AtomicU64,
    pub(crate) tenant_durations: Histogram,
    pub(crate) in_flight: AtomicU64,
}

#[derive(Default)]
#[repr(align(128))]
struct Pad;

impl Default for Count {
    fn default() -> Self {
        Self {
            _front: Pad,
            requests: routes().map(|_| zeros()).collect(),
            durations: routes().map(|_| Histogram::default()).collect(),
            refusals: zeros(),
            failures: zeros(),
            tenant: zeros(),
            tenant_calls: AtomicU64::new(0),
            tenant_durations: Histogram::default(),
            in_flight: AtomicU64::new(0),
        }
    }
}

fn zeros<const N: usize>() -> [AtomicU64; N] {
    from_fn(|_| AtomicU64::new(0))
}

impl Count {
    /// A request that is under way until what is returned is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> UnderWay {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// A request has its answer, after so long.
    pub(crate) fn answered<B>(&self, response: &Response<B>, took: Duration) {
        let report = response.extensions().get::<Report>();
        let route = route_index(report);
        if let Some(statuses) = self.requests.get(route) {
            add(statuses, status_index(response.status()), 1);
        }
        if let Some(durations) = self.durations.get(route) {
            durations.add(took);
        }
        if let Some(rejection) = response.extensions().get::<Rejection>() {
            let failure = AuthFailure::of(rejection);
            match AuthFailure::all().position(|other| Some(other) == failure) {
                Some(index) => add(&self.failures, index, 1),
                None => add(&self.refusals, rejection.kind() as usize, 1),
            }
        }
        if let Some(calls) = report.and_then(Report::tenant) {
            add(&self.tenant, outcome_index(&calls), 1);
            self.tenant_calls
                .fetch_add(calls.calls().into(), Ordering::Relaxed);
            self.tenant_durations.add(calls.latency());
        }
    }
}

fn add(counts: &[AtomicU64], index: usize, more: u64) {
    if let Some(count) = counts.get(index) {
        count.fetch_add(more, Ordering::Relaxed);
    }
}

fn status_index(status: StatusCode) -> usize {
    usize::from(status.as_u16().saturating_sub(100)).min(STATUSES - 1)
}

fn outcome_index(calls: &TenantCalls) -> usize {
    let class = calls.status().map_or(0, |status| status.as_u16() / 100);
    usize::from(class).min(OUTCOMES.len() - 1)
}

/// A request under way.
pub(crate) struct UnderWay(Arc<Count>);

impl UnderWay {
    pub(crate) fn count(&self) -> &Count {
        &self.0
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many took how long.
pub(crate) struct Histogram {
    /// Of each bucket alone, not of those below.
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
    fn add(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS
            .iter()
            .take_while(|bound| **bound * 1_000_000 < nanos);
        add(&self.buckets, bucket.count(), 1);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }
}
