//! File descriptors: how many there are, and how they are shared out.

use std::num::NonZeroUsize;

/// Of the process itself: standard streams, listeners, `/metrics`, look-ups of names.
const PROCESS: usize = 48;
/// Of a thread's runtime.
const THREAD: usize = 8;

/// Connections that may be open at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connections {
    /// Of clients.
    pub(crate) clients: usize,
    /// To the tenant, with a call.
    pub(crate) tenant_calls: usize,
    /// To the tenant, idle, of each thread.
    pub(crate) tenant_idle: usize,
}

impl Connections {
    /// As many of these as there are descriptors for, and at least one of each kind that is wanted.
    ///
    /// Idle connections to the tenant get a fifth of the descriptors at most. Calls and clients get
    /// the same number where both have to be lowered: a client of HTTP/1.1 makes one call at a
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

/// Raises the soft limit to the hard one, and returns it. `None`: the system does not say.
pub(crate) fn raise_limit() -> Option<usize> {
    let limit = rlimit::increase_nofile_limit(u64::MAX).ok()?;
    Some(usize::try_from(limit).unwrap_or(usize::MAX))
}
