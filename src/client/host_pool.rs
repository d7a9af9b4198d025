use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::HeaderValue;
use tokio::runtime::Handle;
use tokio::task::unconstrained;
use tokio::time::{Instant, sleep};

use super::http1_connection::{Http1Connection, IdlePool};
use super::http2_connection::Http2Connection;
use super::http2_pool::Http2Pool;
use super::limits::Limits;
use super::total_idle::{IdleEntry, IdleOwner, TotalIdle};

/// How often idle connections are checked: an idle timeout is late by at most this, and a
/// connection that its server has closed counts as idle for at most this long.
const REAP_INTERVAL: Duration = Duration::from_secs(1);

/// The open connections to one origin: the idle ones of HTTP/1.1, and all of HTTP/2.
pub(super) struct HostPool {
    host: HeaderValue,
    limits: Limits,
    total_idle: Option<Arc<TotalIdle>>,
    http1: Mutex<IdleConnections>,
    http2: Arc<Http2Pool>,
}

/// Which idle HTTP/1.1 connections a request may be sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reuse {
    /// All: the request is sent again if the server has closed its connection.
    Any,
    /// Those that the server keeps open until the request has arrived.
    Recent,
}

/// A connection for one request.
pub(super) enum PooledConnection {
    Http1(Box<Http1Connection>),
    Http2(Http2Connection),
}

#[derive(Default)]
struct IdleConnections {
    // A stack: the connection that was used last is the least likely to be closed by its server.
    stack: Vec<IdleConnection>,
    /// Whether the task [`reap_idle`] runs.
    is_reaped: bool,
}

struct IdleConnection {
    // The box moves into the response body, without a new allocation.
    connection: Box<Http1Connection>,
    /// The entry in the idle connections of all origins, if they are limited.
    entry: Option<IdleEntry>,
}

impl HostPool {
    pub(super) fn new(
        host: HeaderValue,
        limits: Limits,
        total_idle: Option<Arc<TotalIdle>>,
        speaks_http2: bool,
    ) -> Self {
        Self {
            host,
            limits,
            http1: Mutex::default(),
            http2: Arc::new(Http2Pool::new(limits, total_idle.clone(), speaks_http2)),
            total_idle,
        }
    }

    /// The value of the `Host` header.
    pub(super) fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// Takes an open connection, or a stream of one, out of the pool.
    pub(super) fn try_checkout(&self, reuse: Reuse) -> Option<PooledConnection> {
        if let Some(connection) = self.http2.try_stream() {
            return Some(PooledConnection::Http2(connection));
        }
        loop {
            // If the last connection is not recent, no other one is: each was used before it.
            let idle = self
                .http1()
                .stack
                .pop_if(|idle| reuse == Reuse::Any || idle.connection.is_recent())?;
            let IdleConnection {
                mut connection,
                entry,
            } = idle;
            drop(entry);
            if connection.is_usable() {
                return Some(PooledConnection::Http1(connection));
            }
        }
    }

    pub(super) fn http2(&self) -> &Arc<Http2Pool> {
        &self.http2
    }

    /// Starts reaping after an HTTP/2 connection was opened.
    pub(super) fn reap_http2(self: &Arc<Self>) {
        self.start_reaping(self.http1());
    }

    /// How many connections are idle.
    pub(super) fn idle(&self) -> usize {
        self.http1().stack.len() + self.http2.idle()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.http1().stack.is_empty() && self.http2.is_empty()
    }

    /// Spawns [`reap_idle`] if it does not run.
    fn start_reaping(self: &Arc<Self>, mut http1: MutexGuard<'_, IdleConnections>) {
        if mem::replace(&mut http1.is_reaped, true) {
            return;
        }
        // A runtime that shuts down drops the task at once, and `ReapGuard` locks.
        drop(http1);
        let guard = ReapGuard(Arc::downgrade(self));
        if let Ok(runtime) = Handle::try_current() {
            // Opt out of tokio's coop budget: a `Pending` from an exhausted budget looks like a
            // live idle connection.
            runtime.spawn(unconstrained(reap_idle(guard)));
        }
    }

    /// Drops the connections that have been idle for too long, have reached their greatest age or
    /// are closed. Returns whether others are left.
    fn reap(&self) -> bool {
        self.http2.reap();
        let mut http1 = self.http1();
        let (idle_timeout, now) = (self.limits.idle_timeout, Instant::now());
        let reaped: Vec<_> = http1
            .stack
            .extract_if(.., |IdleConnection { connection, .. }| {
                now.duration_since(connection.idle_since()) >= idle_timeout
                    || connection.is_expired(now)
                    || !connection.is_usable()
            })
            .collect();
        // Updated under the lock that every added connection takes: none is missed.
        let has_more = !http1.stack.is_empty() || !self.http2.is_empty();
        http1.is_reaped = has_more;
        drop(http1);
        // Not under the lock: dropping a connection runs code of the connector.
        drop(reaped);
        has_more
    }

    fn http1(&self) -> MutexGuard<'_, IdleConnections> {
        self.http1.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IdlePool for HostPool {
    fn put(self: Arc<Self>, connection: Box<Http1Connection>) {
        let mut http1 = self.http1();
        if http1.stack.len() >= self.limits.max_idle {
            return;
        }
        let total_idle = self.total_idle.as_ref();
        let (entry, excess) = total_idle
            .map(|total_idle| total_idle.add(Arc::downgrade(&self) as _))
            .unzip();
        http1.stack.push(IdleConnection { connection, entry });
        self.start_reaping(http1);
        if let Some(excess) = excess.flatten() {
            excess.close();
        }
    }
}

impl IdleOwner for HostPool {
    fn close_idle(self: Arc<Self>, id: u64) {
        let has_id = |idle: &IdleConnection| idle.entry.as_ref().is_some_and(|e| e.id() == id);
        let mut http1 = self.http1();
        let position = http1.stack.iter().position(has_id);
        let closed = position.map(|position| http1.stack.remove(position));
        drop(http1);
        // Not under the lock: dropping a connection runs code of the connector.
        drop(closed);
    }
}

/// The task that reaps the idle connections of a pool until none is left or the pool is dropped.
async fn reap_idle(mut guard: ReapGuard) {
    while let Some(pool) = guard.0.upgrade() {
        let interval = pool.limits.idle_timeout.min(REAP_INTERVAL);
        // Only a weak reference during the sleep: this task does not keep the pool alive.
        drop(pool);
        sleep(interval).await;
        if !guard.0.upgrade().is_some_and(|pool| pool.reap()) {
            // `reap` has cleared `is_reaped` already: disarm the guard.
            guard.0 = Weak::new();
        }
    }
}

/// Clears the pool if [`reap_idle`] is dropped early, when its runtime shuts down: most connections
/// use sockets of that runtime, and no task would reap the others.
struct ReapGuard(Weak<HostPool>);

impl Drop for ReapGuard {
    fn drop(&mut self) {
        if let Some(pool) = self.0.upgrade() {
            let mut http1 = pool.http1();
            http1.is_reaped = false;
            let idle = mem::take(&mut http1.stack);
            drop(http1);
            drop(idle);
            pool.http2.clear();
        }
    }
}
