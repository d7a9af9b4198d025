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
    /// Connections to the tenants with a request in flight.
    pub(crate) tenant_calls: usize,
    /// Idle connections to the tenants, of all threads together.
    pub(crate) tenant_idle: usize,
}

impl Connections {
    /// Lowers the limits to the number of descriptors, to at least one client and one call.
    /// `reserved` descriptors are for other connections, such as those to Redis.
    ///
    /// Idle connections to the tenants get at most a fifth of the descriptors, in equal numbers per
    /// thread. If both clients and calls have to be lowered, they get the same number: an HTTP/1.1
    /// client makes one call at a time.
    #[must_use]
    pub(crate) fn fit(self, descriptors: usize, reserved: usize, threads: NonZeroUsize) -> Self {
        let threads = threads.get();
        let own = PROCESS + threads * THREAD;
        let free = descriptors.saturating_sub(own).saturating_sub(reserved);
        let idle = self.tenant_idle.min(free / 5 / threads * threads);
        let free = free.saturating_sub(idle.next_multiple_of(threads));
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
