use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::HeaderValue;
use tokio::runtime::Handle;
use tokio::task::unconstrained;
use tokio::time::{Instant, sleep};

use super::http2_connection::Http2Connection;
use super::http2_pool::Http2Pool;
use super::line::Line;

/// How often idle connections are looked at.
const ROUND: Duration = Duration::from_secs(1);

/// The open connections to one origin: the idle ones of HTTP/1.1, and those of HTTP/2.
pub(super) struct Shelf {
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
pub(super) enum Way {
    Http1(Box<Line>),
    Http2(Http2Connection),
}

#[derive(Default)]
struct Content {
    // The last one used comes first: its peer is the least likely to have closed it.
    #[expect(
        clippy::vec_box,
        reason = "an answer's body takes them over as they are"
    )]
    lines: Vec<Box<Line>>,
    is_watched: bool,
}

impl Shelf {
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
    pub(super) fn way(&self, reuse: Reuse) -> Option<Way> {
        if let Some(connection) = self.http2.try_stream() {
            return Some(Way::Http2(connection));
        }
        loop {
            // The last one is the most recent.
            let is_wanted = |line: &mut Box<Line>| reuse == Reuse::Any || line.is_recent();
            let mut line = self.content().lines.pop_if(is_wanted)?;
            if line.is_usable() {
                return Some(Way::Http1(line));
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
    pub(super) fn put(self: &Arc<Self>, line: Box<Line>) {
        let mut content = self.content();
        if content.lines.len() < self.limits.max_idle {
            content.lines.push(line);
            self.watch(content);
        }
    }

    pub(super) fn idle(&self) -> usize {
        self.content().lines.len() + self.http2.idle()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.content().lines.is_empty() && self.http2.is_empty()
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
            runtime.spawn(unconstrained(look_after(watched)));
        }
    }

    /// Lets go of what has been idle for too long or was closed. True while anything is left.
    fn clear(&self) -> bool {
        self.http2.reap();
        let mut content = self.content();
        let old = |since: Instant| since.elapsed() >= self.limits.idle_timeout;
        let is_gone = |line: &mut Box<Line>| old(line.idle_since()) || !line.is_usable();
        let lines: Vec<_> = content.lines.extract_if(.., is_gone).collect();
        // Under the lock that is taken after each connection that is added.
        let is_watched = !content.lines.is_empty() || !self.http2.is_empty();
        content.is_watched = is_watched;
        drop(content);
        // What a connector does when its connection goes is its own business, and not under our lock.
        drop(lines);
        is_watched
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn look_after(mut watched: Watched) {
    while let Some(shelf) = watched.0.upgrade() {
        let round = shelf.limits.idle_timeout.min(ROUND);
        // Not kept alive by being looked after.
        drop(shelf);
        sleep(round).await;
        if !watched.0.upgrade().is_some_and(|shelf| shelf.clear()) {
            // It knows already.
            watched.0 = Weak::new();
        }
    }
}

/// A shelf whose watch ends with this. If that is because its runtime goes away, so does what stands
/// there: nobody would look after it, and most of it lives on that runtime's sockets.
struct Watched(Weak<Shelf>);

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(shelf) = self.0.upgrade() {
            let mut content = shelf.content();
            content.is_watched = false;
            let lines = mem::take(&mut content.lines);
            drop(content);
            drop(lines);
            shelf.http2.clear();
        }
    }
}
