use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many calls of a tenant may be in flight at once, and how many are.
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

    /// How many there are. Those that are about to be refused may count, too.
    pub(crate) fn now(&self) -> usize {
        self.now.load(Ordering::Relaxed)
    }

    /// A place, kept until it is dropped; `None` if there is none.
    pub(crate) fn enter(&self) -> Option<InFlightGuard> {
        // The place is taken first, and given back by dropping it.
        let before = self.now.fetch_add(1, Ordering::Relaxed);
        let place = InFlightGuard(Arc::clone(&self.now));
        (before < self.max).then_some(place)
    }
}

#[derive(Debug)]
pub(crate) struct InFlightGuard(Arc<AtomicUsize>);

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_once_it_is_left() {
        let in_flight = InFlight::new(2);
        let first = in_flight.enter().unwrap();
        let _second = in_flight.clone().enter().unwrap();
        assert!(in_flight.enter().is_none());
        assert!(in_flight.enter().is_none());
        drop(first);
        assert!(in_flight.enter().is_some());
    }
}
