use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::HeaderValue;
use hyper::client::conn::http2;
use tokio::runtime::Handle;
use tokio::sync;
use tokio::task::unconstrained;
use tokio::time::{Instant, sleep, timeout};

use super::http1_connection::Http1Connection;
use crate::request_body::RequestBody;

/// How often idle connections are looked at.
const REAP_INTERVAL: Duration = Duration::from_secs(1);

/// The open connections to one origin: the idle ones of HTTP/1.1, and the one that all requests
/// share over HTTP/2.
pub(super) struct HostPool {
    host: HeaderValue,
    limits: Limits,
    content: Mutex<Content>,
    // Held by whoever makes the connection of HTTP/2, for all who wait for it.
    turn: sync::Mutex<()>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) max_idle: usize,
    pub(super) idle_timeout: Duration,
    pub(super) connect_timeout: Duration,
}

/// A connection for one request.
pub(super) enum PooledConnection {
    Http1(Box<Http1Connection>),
    Http2(Http2Connection),
}

/// A connection of HTTP/2, for all requests.
#[derive(Clone)]
pub(super) struct Http2Connection {
    pub(super) send: http2::SendRequest<RequestBody>,
    // Which one: handles cannot be compared.
    number: u64,
}

#[derive(Default)]
struct Content {
    // The last one used comes first: its peer is the least likely to have closed it.
    #[expect(
        clippy::vec_box,
        reason = "an answer's body takes them over as they are"
    )]
    idle: Vec<Box<Http1Connection>>,
    shared: Option<Shared>,
    /// How many have been shared so far.
    shares: u64,
    /// What the origin spoke when it was last asked.
    speaks_http2: bool,
    /// How many attempts at a connection of HTTP/2 have failed.
    failures: u64,
    is_watched: bool,
}

struct Shared {
    connection: Http2Connection,
    used: Instant,
}

impl HostPool {
    pub(super) fn new(host: HeaderValue, limits: Limits, speaks_http2: bool) -> Self {
        Self {
            host,
            limits,
            content: Mutex::new(Content {
                speaks_http2,
                ..Content::default()
            }),
            turn: sync::Mutex::new(()),
        }
    }

    /// What requests to this origin call it.
    pub(super) fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// A connection that is open already.
    pub(super) fn pooled(&self) -> Option<PooledConnection> {
        if let Some(connection) = self.shared() {
            return Some(PooledConnection::Http2(connection));
        }
        loop {
            let mut connection = self.content().idle.pop()?;
            if connection.is_usable() {
                return Some(PooledConnection::Http1(connection));
            }
        }
    }

    /// The open connection of HTTP/2.
    pub(super) fn shared(&self) -> Option<Http2Connection> {
        let mut content = self.content();
        let is_closed = |shared: &mut Shared| shared.connection.send.is_closed();
        let gone = content.shared.take_if(is_closed);
        let open = content.shared.as_mut().map(|shared| {
            shared.used = Instant::now();
            shared.connection.clone()
        });
        drop(content);
        drop(gone);
        open
    }

    /// Takes no more requests to a connection of HTTP/2 that is ending: it may not know yet itself.
    pub(super) fn unshare(&self, connection: &Http2Connection) {
        let mut content = self.content();
        let shared = &mut content.shared;
        let gone = shared.take_if(|shared| shared.connection.number == connection.number);
        drop(content);
        drop(gone);
    }

    /// The right to make the connection of HTTP/2 for all, as soon as nobody else has it. `None` if
    /// this origin speaks something else, if those who had it failed meanwhile, or if it has not come
    /// round in the time of one attempt: whoever waited then tries alone, so that an origin which is
    /// down keeps nobody waiting for more than two.
    pub(super) async fn turn(&self) -> Option<sync::MutexGuard<'_, ()>> {
        let failures = {
            let content = self.content();
            content.speaks_http2.then_some(content.failures)?
        };
        let turn = timeout(self.limits.connect_timeout, self.turn.lock());
        let turn = turn.await.ok()?;
        let content = self.content();
        (content.speaks_http2 && content.failures == failures).then_some(turn)
    }

    pub(super) fn failed(&self) {
        let mut content = self.content();
        content.failures = content.failures.wrapping_add(1);
    }

    pub(super) fn speaks(&self, http2: bool) {
        self.content().speaks_http2 = http2;
    }

    /// Keeps a connection that has become idle, unless there are enough.
    pub(super) fn put(self: &Arc<Self>, connection: Box<Http1Connection>) {
        let mut content = self.content();
        if content.idle.len() < self.limits.max_idle {
            content.idle.push(connection);
            self.watch(content);
        }
    }

    /// Shares a new connection of HTTP/2 from now on.
    pub(super) fn share(
        self: &Arc<Self>,
        send: http2::SendRequest<RequestBody>,
    ) -> Http2Connection {
        let mut content = self.content();
        content.shares = content.shares.wrapping_add(1);
        let number = content.shares;
        let connection = Http2Connection { send, number };
        let gone = content.shared.replace(Shared {
            connection: connection.clone(),
            used: Instant::now(),
        });
        self.watch(content);
        drop(gone);
        connection
    }

    pub(super) fn idle(&self) -> usize {
        self.content().idle.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        let content = self.content();
        content.idle.is_empty() && content.shared.is_none()
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
        let mut content = self.content();
        let old = |since: Instant| since.elapsed() >= self.limits.idle_timeout;
        let is_gone = |connection: &mut Box<Http1Connection>| {
            old(connection.idle_since()) || !connection.is_usable()
        };
        let idle: Vec<_> = content.idle.extract_if(.., is_gone).collect();
        let is_gone = |shared: &mut Shared| shared.connection.send.is_closed() || old(shared.used);
        let shared = content.shared.take_if(is_gone);
        // Told under the same lock under which the next one to put something here asks.
        let is_watched = !content.idle.is_empty() || content.shared.is_some();
        content.is_watched = is_watched;
        drop(content);
        // What a connector does when its connection goes is its own business, and not under our lock.
        drop((idle, shared));
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

/// A host_pool whose watch ends with this. If that is because its runtime goes away, so does what stands
/// there: nobody would look after it, and most of it lives on that runtime's sockets.
struct Watched(Weak<HostPool>);

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(host_pool) = self.0.upgrade() {
            let mut content = host_pool.content();
            content.is_watched = false;
            let gone = (mem::take(&mut content.idle), content.shared.take());
            drop(content);
            drop(gone);
        }
    }
}
