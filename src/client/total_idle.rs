use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// Counts the idle HTTP/1.1 connections of all origins.
#[derive(Debug)]
pub(super) struct TotalIdle {
    count: AtomicUsize,
    max: usize,
}

impl TotalIdle {
    pub(super) fn new(max: usize) -> Self {
        Self {
            count: AtomicUsize::new(0),
            max,
        }
    }

    /// Counts a connection. Returns `false` if the limit is reached. `is_first`, the only idle
    /// connection of an origin, is counted in any case.
    pub(super) fn add(&self, is_first: bool) -> bool {
        let is_added = self.count.fetch_add(1, Relaxed) < self.max || is_first;
        if !is_added {
            self.remove(1);
        }
        is_added
    }

    pub(super) fn remove(&self, count: usize) {
        self.count.fetch_sub(count, Relaxed);
    }
}
