use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The limit of requests in flight to a tenant, and their current number.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    max: usize,
    now: Arc<AtomicUsize>,
}

impl InFlight {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            now: Arc::default(),
        }
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// The current number. It may include requests that are about to be rejected.
    pub(crate) fn count(&self) -> usize {
        self.now.load(Ordering::Relaxed)
    }

    /// Counts a request as in flight until the guard is dropped. Returns `None` above the limit.
    pub(crate) fn try_acquire(&self) -> Option<InFlightGuard> {
        // Counted before the check: above the limit, the drop of the guard reverts it.
        let before = self.now.fetch_add(1, Ordering::Relaxed);
        let guard = InFlightGuard(Arc::clone(&self.now));
        (before < self.max).then_some(guard)
    }
}

/// Held while a request is in flight.
#[derive(Debug)]
pub(crate) struct InFlightGuard(Arc<AtomicUsize>);

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
