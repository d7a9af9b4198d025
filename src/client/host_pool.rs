use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::HeaderValue;
use tokio::runtime::Handle;
use tokio::task::unconstrained;
use tokio::time::{Instant, sleep};

use super::http1_connection::Http1Connection;
use super::http2_connection::Http2Connection;
use super::http2_pool::Http2Pool;

/// How often idle connections are looked at.
const REAP_INTERVAL: Duration = Duration::from_secs(1);

/// The open connections to one origin: the idle ones of HTTP/1.1, and those of HTTP/2.
pub(super) struct HostPool {
    host: HeaderValue,
    limits: Limits,
    content: Mutex<Content>,
    http2: Arc<Http2Pool>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) max_idle: usize,
    pub(super) idle_timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) max_http2_connections: usize,
}

/// Which idle connections of HTTP/1.1 a request may be sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reuse {
    /// All: the request is sent again if its connection turns out to be closed.
    Any,
    /// Those that their tenant does not close yet.
    Recent,
}

/// A connection for one request.
pub(super) enum PooledConnection {
    Http1(Box<Http1Connection>),
    Http2(Http2Connection),
}

#[derive(Default)]
struct Content {
    // The last one used comes first: its peer is the least likely to have closed it.
    #[expect(
        clippy::vec_box,
        reason = "an answer's body takes them over as they are"
    )]
    idle: Vec<Box<Http1Connection>>,
    is_watched: bool,
}

impl HostPool {
    pub(super) fn new(host: HeaderValue, limits: Limits, speaks_http2: bool) -> Self {
        Self {
            host,
            limits,
            content: Mutex::default(),
            http2: Arc::new(Http2Pool::new(limits, speaks_http2)),
        }
    }

    /// What requests to this origin call it.
    pub(super) fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// A connection that is open already.
    pub(super) fn pooled(&self, reuse: Reuse) -> Option<PooledConnection> {
        if let Some(connection) = self.http2.try_stream() {
            return Some(PooledConnection::Http2(connection));
        }
        loop {
            // The last one is the most recent.
            let is_wanted = |connection: &mut Box<Http1Connection>| {
                reuse == Reuse::Any || connection.is_recent()
            };
            let mut connection = self.content().idle.pop_if(is_wanted)?;
            if connection.is_usable() {
                return Some(PooledConnection::Http1(connection));
            }
        }
    }

    pub(super) fn http2(&self) -> &Arc<Http2Pool> {
        &self.http2
    }

    /// Starts the task that closes idle connections, after one of HTTP/2 was added.
    pub(super) fn watch_http2(self: &Arc<Self>) {
        self.watch(self.content());
    }

    /// Keeps a connection that has become idle, unless there are enough.
    pub(super) fn put(self: &Arc<Self>, connection: Box<Http1Connection>) {
        let mut content = self.content();
        if content.idle.len() < self.limits.max_idle {
            content.idle.push(connection);
            self.watch(content);
        }
    }

    pub(super) fn idle(&self) -> usize {
        self.content().idle.len() + self.http2.idle()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.content().idle.is_empty() && self.http2.is_empty()
    }

    /// Has a task look after what stands here.
    fn watch(self: &Arc<Self>, mut content: MutexGuard<'_, Content>) {
        if mem::replace(&mut content.is_watched, true) {
            return;
        }
        // A runtime that is ending drops what it is given at once, and that takes the lock.
        drop(content);
        let watched = Watched(Arc::downgrade(self));
        if let Ok(runtime) = Handle::try_current() {
            // Under no budget: what a look costs would be taken for "nothing has happened".
            runtime.spawn(unconstrained(reap_idle(watched)));
        }
    }

    /// Lets go of what has been idle for too long or was closed. True while anything is left.
    fn clear(&self) -> bool {
        self.http2.reap();
        let mut content = self.content();
        let old = |since: Instant| since.elapsed() >= self.limits.idle_timeout;
        let is_gone = |connection: &mut Box<Http1Connection>| {
            old(connection.idle_since()) || !connection.is_usable()
        };
        let idle: Vec<_> = content.idle.extract_if(.., is_gone).collect();
        // Under the lock that is taken after each connection that is added.
        let is_watched = !content.idle.is_empty() || !self.http2.is_empty();
        content.is_watched = is_watched;
        drop(content);
        // What a connector does when its connection goes is its own business, and not under our
        // lock.
        drop(idle);
        is_watched
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn reap_idle(mut watched: Watched) {
    while let Some(host_pool) = watched.0.upgrade() {
        let round = host_pool.limits.idle_timeout.min(REAP_INTERVAL);
        // Not kept alive by being looked after.
        drop(host_pool);
        sleep(round).await;
        if !watched
            .0
            .upgrade()
            .is_some_and(|host_pool| host_pool.clear())
        {
            // It knows already.
            watched.0 = Weak::new();
        }
    }
}

/// A host_pool whose watch ends with this. If that is because its runtime goes away, so does what
/// stands there: nobody would look after it, and most of it lives on that runtime's sockets.
struct Watched(Weak<HostPool>);

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(host_pool) = self.0.upgrade() {
            let mut content = host_pool.content();
            content.is_watched = false;
            let idle = mem::take(&mut content.idle);
            drop(content);
            drop(idle);
            host_pool.http2.clear();
        }
    }
}
