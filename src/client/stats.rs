use std::iter::Sum;
use std::ops::Add;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The number of connections of an [`HttpClient`](super::HttpClient) and its clones.
///
/// The stats of several clients can be added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStats {
    /// How many connections were opened since the client was built.
    pub opened: u64,
    /// How many connections are open.
    pub open: usize,
    /// How many open connections are idle: not used by a request; over HTTP/2, without a stream in
    /// use.
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

/// Counts the opened and the open connections. Both change with a connection, not with a request.
#[derive(Debug, Default)]
pub(super) struct ConnectionCounters {
    opened: AtomicU64,
    open: AtomicUsize,
}

impl ConnectionCounters {
    /// Counts a new connection. It counts as open until the guard is dropped.
    pub(super) fn open(self: &Arc<Self>) -> ConnectionGuard {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        ConnectionGuard(Arc::clone(self))
    }

    /// How many connections were opened, modulo 2^32.
    pub(super) fn opened(&self) -> u32 {
        self.opened.load(Ordering::Relaxed) as u32
    }

    pub(super) fn stats(&self, idle: usize) -> ClientStats {
        ClientStats {
            opened: self.opened.load(Ordering::Relaxed),
            open: self.open.load(Ordering::Relaxed),
            idle,
        }
    }
}

/// Held as long as a connection is open.
#[derive(Debug)]
pub(super) struct ConnectionGuard(Arc<ConnectionCounters>);

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
