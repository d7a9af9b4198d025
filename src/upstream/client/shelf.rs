use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::HeaderValue;
use hyper::client::conn::http2;
use tokio::runtime::Handle;
use tokio::sync;
use tokio::task::unconstrained;
use tokio::time::{Instant, sleep, timeout};

use super::line::Line;
use crate::upstream::RequestBody;

/// How often idle connections are looked at.
const ROUND: Duration = Duration::from_secs(1);

/// The open connections to one origin: the idle ones of HTTP/1.1, and the one that all requests
/// share over HTTP/2.
pub(super) struct Shelf {
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
    Http2(Trunk),
}

/// A connection of HTTP/2, for all requests.
#[derive(Clone)]
pub(super) struct Trunk {
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
    lines: Vec<Box<Line>>,
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
    trunk: Trunk,
    used: Instant,
}

impl Shelf {
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
    pub(super) fn way(&self, reuse: Reuse) -> Option<Way> {
        if let Some(trunk) = self.shared() {
            return Some(Way::Http2(trunk));
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

    /// The open connection of HTTP/2.
    pub(super) fn shared(&self) -> Option<Trunk> {
        let mut content = self.content();
        let is_closed = |shared: &mut Shared| shared.trunk.send.is_closed();
        let gone = content.shared.take_if(is_closed);
        let open = content.shared.as_mut().map(|shared| {
            shared.used = Instant::now();
            shared.trunk.clone()
        });
        drop(content);
        drop(gone);
        open
    }

    /// Takes no more requests to a connection of HTTP/2 that is ending: it may not know yet itself.
    pub(super) fn unshare(&self, trunk: &Trunk) {
        let mut content = self.content();
        let shared = &mut content.shared;
        let gone = shared.take_if(|shared| shared.trunk.number == trunk.number);
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
    pub(super) fn put(self: &Arc<Self>, line: Box<Line>) {
        let mut content = self.content();
        if content.lines.len() < self.limits.max_idle {
            content.lines.push(line);
            self.watch(content);
        }
    }

    /// Shares a new connection of HTTP/2 from now on.
    pub(super) fn share(self: &Arc<Self>, send: http2::SendRequest<RequestBody>) -> Trunk {
        let mut content = self.content();
        content.shares = content.shares.wrapping_add(1);
        let number = content.shares;
        let trunk = Trunk { send, number };
        let gone = content.shared.replace(Shared {
            trunk: trunk.clone(),
            used: Instant::now(),
        });
        self.watch(content);
        drop(gone);
        trunk
    }

    pub(super) fn idle(&self) -> usize {
        self.content().lines.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        let content = self.content();
        content.lines.is_empty() && content.shared.is_none()
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
        let mut content = self.content();
        let old = |since: Instant| since.elapsed() >= self.limits.idle_timeout;
        let is_gone = |line: &mut Box<Line>| old(line.idle_since()) || !line.is_usable();
        let lines: Vec<_> = content.lines.extract_if(.., is_gone).collect();
        let is_gone = |shared: &mut Shared| shared.trunk.send.is_closed() || old(shared.used);
        let shared = content.shared.take_if(is_gone);
        // Told under the same lock under which the next one to put something here asks.
        let is_watched = !content.lines.is_empty() || content.shared.is_some();
        content.is_watched = is_watched;
        drop(content);
        // What a connector does when its connection goes is its own business, and not under our lock.
        drop((lines, shared));
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
            let gone = (mem::take(&mut content.lines), content.shared.take());
            drop(content);
            drop(gone);
        }
    }
}
