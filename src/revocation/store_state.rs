use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Revocation;

/// How current the revocations of this process are, for gauges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreStats {
    /// Whether the last read of the store has succeeded.
    pub is_up: bool,
    /// The time since the last successful read, in whole seconds; `None` before the first.
    pub last_read: Option<Duration>,
    /// How many revocations of this process the store has not confirmed yet.
    pub unwritten: usize,
}

/// The state of the synchronization with a store.
pub(super) struct StoreState {
    /// The second after the one of the last successful read; 0 before the first.
    last_read: AtomicU64,
    is_up: AtomicBool,
    /// Whether a revocation of another process was rejected because the set was full.
    has_overflowed: AtomicBool,
    /// Written again at the next synchronization, the oldest first.
    unwritten: Mutex<VecDeque<Revocation>>,
}

/// How many unconfirmed revocations are queued: about 1 MB. Each caller has received an error, so
/// that it can repeat a revocation that is not queued.
const MAX_UNWRITTEN: usize = 10_000;

impl StoreState {
    pub(super) const fn new() -> Self {
        Self {
            last_read: AtomicU64::new(0),
            is_up: AtomicBool::new(false),
            has_overflowed: AtomicBool::new(false),
            unwritten: Mutex::new(VecDeque::new()),
        }
    }

    /// The second of the last successful read.
    pub(super) fn last_read(&self) -> Option<u64> {
        self.last_read.load(Ordering::Acquire).checked_sub(1)
    }

    /// Whether the last successful read is more than `tolerance` seconds ago.
    pub(super) fn is_stale(&self, tolerance: u64, now: u64) -> bool {
        let tolerated = |last_read: u64| now <= last_read.saturating_add(tolerance);
        !self.last_read().is_some_and(tolerated)
    }

    pub(super) fn stats(&self, now: u64) -> StoreStats {
        let age = |last_read| Duration::from_secs(now.saturating_sub(last_read));
        StoreStats {
            is_up: self.is_up.load(Ordering::Relaxed),
            last_read: self.last_read().map(age),
            unwritten: self.unwritten().len(),
        }
    }

    /// Records a successful read.
    pub(super) fn succeed(&self, now: u64) {
        let last_read = now.saturating_add(1);
        self.last_read.store(last_read, Ordering::Release);
        self.is_up.store(true, Ordering::Relaxed);
    }

    pub(super) fn fail(&self) {
        self.is_up.store(false, Ordering::Relaxed);
    }

    #[cfg(feature = "client")]
    pub(super) fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }

    /// Records a rejected revocation of another process; returns whether it is the first.
    pub(super) fn overflow(&self) -> bool {
        !self.has_overflowed.swap(true, Ordering::Relaxed)
    }

    pub(super) fn unwritten(&self) -> MutexGuard<'_, VecDeque<Revocation>> {
        let mutex = &self.unwritten;
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A revocation that is being written. Unless the write succeeds, it is queued; also if the caller
/// stops waiting.
pub(super) struct PendingWrite<'a> {
    state: &'a StoreState,
    revocation: Option<Revocation>,
}

impl<'a> PendingWrite<'a> {
    pub(super) fn new(state: &'a StoreState, revocation: &Revocation) -> Self {
        Self {
            state,
            revocation: Some(revocation.clone()),
        }
    }

    pub(super) fn succeeded(mut self) {
        self.revocation = None;
    }
}

impl Drop for PendingWrite<'_> {
    fn drop(&mut self) {
        let Some(revocation) = self.revocation.take() else {
            return;
        };
        let mut unwritten = self.state.unwritten();
        if unwritten.len() < MAX_UNWRITTEN && !unwritten.contains(&revocation) {
            unwritten.push_back(revocation);
        }
    }
}
