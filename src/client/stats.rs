use std::iter::Sum;
use std::ops::Add;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The connections of an [`HttpClient`](super::HttpClient) and its clones.
///
/// Those of several clients add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStats {
    /// How many connections were made.
    pub opened: u64,
    /// How many are open.
    pub open: usize,
    /// How many of these wait for a request: over HTTP/2, those without an open stream.
    pub idle: usize,
}

impl Add for ClientStats {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            opened: self.opened.saturating_add(other.opened),
            open: self.open.saturating_add(other.open),
            idle: self.idle.saturating_add(other.idle),
        }
    }
}

impl Sum for ClientStats {
    fn sum<I: Iterator<Item = Self>>(stats: I) -> Self {
        stats.fold(Self::default(), Add::add)
    }
}

/// Counts connections as they come and go, which is seldom.
#[derive(Debug, Default)]
pub(super) struct Connections {
    opened: AtomicU64,
    open: AtomicUsize,
}

impl Connections {
    /// A connection was made; it is open until what is returned is dropped.
    pub(super) fn open(self: &Arc<Self>) -> ConnectionGuard {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        ConnectionGuard(Arc::clone(self))
    }

    pub(super) fn stats(&self, idle: usize) -> ClientStats {
        ClientStats {
            opened: self.opened.load(Ordering::Relaxed),
            open: self.open.load(Ordering::Relaxed),
            idle,
        }
    }
}

/// An open connection.
#[derive(Debug)]
pub(super) struct ConnectionGuard(Arc<Connections>);

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
