//! File descriptors: raises the limit of the process, and derives the limits of connections from
//! it.

use std::num::NonZeroUsize;

/// Descriptors of the process: standard streams, listeners, 16 connections to `/metrics`, and DNS.
const PROCESS: usize = 48;
/// Descriptors of one runtime: epoll, eventfd, and the signal pipe, rounded up.
const THREAD: usize = 8;

/// Limits of concurrent connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connections {
    /// Connections of clients.
    pub(crate) clients: usize,
    /// Connections to the tenant with a request in flight.
    pub(crate) tenant_calls: usize,
    /// Idle connections to the tenant, per thread.
    pub(crate) tenant_idle: usize,
}

impl Connections {
    /// Lowers the limits to the number of descriptors, to at least one client and one call.
    ///
    /// Idle connections to the tenant get at most a fifth of the descriptors. If both clients and
    /// calls have to be lowered, they get the same number: an HTTP/1.1 client makes one call at a
    /// time.
    #[must_use]
    pub(crate) fn fit(self, descriptors: usize, threads: NonZeroUsize) -> Self {
        let own = PROCESS + threads.get() * THREAD;
        let free = descriptors.saturating_sub(own);
        let idle = self.tenant_idle.min(free / 5 / threads);
        let free = free.saturating_sub(idle * threads.get());
        let calls = self.tenant_calls.min(free / 2);
        Self {
            clients: self.clients.min((free - calls).max(1)),
            tenant_calls: self.tenant_calls.min(calls.max(1)),
            tenant_idle: idle,
        }
    }
}

/// Raises the soft limit of descriptors to the hard one and returns it. `None` if the system has no
/// such limit.
pub(crate) fn raise_limit() -> Option<usize> {
    let limit = rlimit::increase_nofile_limit(u64::MAX).ok()?;
    Some(usize::try_from(limit).unwrap_or(usize::MAX))
}
