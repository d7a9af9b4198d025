//! Counts requests in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of requests in flight.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flights(Arc<AtomicUsize>);

/// Counts as one request in flight until it is dropped.
#[derive(Debug)]
pub(crate) struct Flight(Flights);

impl Flights {
    pub(crate) fn begin(&self) -> Flight {
        self.0.fetch_add(1, Ordering::AcqRel);
        Flight(self.clone())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}
