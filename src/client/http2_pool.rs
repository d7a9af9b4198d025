use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::client::conn::http2::SendRequest;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::host_pool::Limits;
use super::http2_connection::{Driven, Http2Connection, INITIAL_STREAMS, MAX_STREAMS};
use super::{ClientError, ConnectTimeout};
use crate::request_body::RequestBody;

/// How long no further connection is tried after one has failed, while others are open.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The HTTP/2 connections to one origin, and the requests that wait for a stream.
///
/// A stream is counted from the moment a request gets its connection until its answer has been read
/// or dropped, so that no request waits inside of hyper while another connection has room. The
/// requests that wait are served in order, as streams become free and connections are opened.
pub(super) struct Http2Pool {
    limits: Limits,
    /// The number of connections, read without the lock.
    open: AtomicUsize,
    state: Mutex<State>,
}

struct State {
    /// The oldest comes first. It is used first, so that the others become idle and are closed.
    connections: Vec<Entry>,
    waiters: VecDeque<Waiter>,
    /// How many connections are being opened.
    connecting: usize,
    /// How many streams the tenant allows on a connection, by its latest SETTINGS.
    stream_limit: usize,
    /// No further connection is opened before.
    retry_at: Option<Instant>,
    /// Whether the origin has negotiated HTTP/2 last.
    speaks_http2: bool,
    next_id: u64,
}

struct Entry {
    id: u64,
    sender: SendRequest<RequestBody>,
    in_flight: usize,
    stream_limit: usize,
    /// When a request last got a stream.
    used: Instant,
}

type Waiter = oneshot::Sender<Result<Checkout, ClientError>>;

/// The pooled of a waiting request to its connection.
pub(super) enum Checkout {
    Stream(Http2Connection),
    /// By opening one.
    Connect(Connecting),
}

impl Http2Pool {
    pub(super) fn new(limits: Limits, speaks_http2: bool) -> Self {
        Self {
            limits,
            open: AtomicUsize::new(0),
            state: Mutex::new(State {
                connections: Vec::new(),
                waiters: VecDeque::new(),
                connecting: 0,
                stream_limit: INITIAL_STREAMS,
                retry_at: None,
                speaks_http2,
                next_id: 0,
            }),
        }
    }

    /// A stream on an open connection, unless there is none or other requests wait for it.
    pub(super) fn try_stream(self: &Arc<Self>) -> Option<Http2Connection> {
        if self.open.load(Relaxed) == 0 {
            return None;
        }
        let mut state = self.lock();
        if !state.waiters.is_empty() {
            return None;
        }
        state.reserve(self)
    }

    /// Waits for a stream, or for the turn to open a connection. An origin that has not negotiated
    /// HTTP/2 is connected to at once.
    ///
    /// # Errors
    /// If the attempt to connect that this request waited for has failed, or if there was neither a
    /// connection nor a turn in the time of two attempts.
    pub(super) async fn checkout(self: &Arc<Self>) -> Result<Checkout, ClientError> {
        let (waiter, mut served) = oneshot::channel();
        self.update(|state| state.waiters.push_back(waiter));
        let mut attempts = 0;
        while attempts < 2 {
            match timeout(self.limits.connect_timeout, &mut served).await {
                Ok(Ok(checkout)) => return checkout,
                // Unreachable: a waiter is removed only to be served.
                Ok(Err(_)) => break,
                // A stream will become free: the deadline is that of the request.
                Err(_) if self.open.load(Relaxed) > 0 => attempts = 0,
                Err(_) => attempts += 1,
            }
        }
        Err(ClientError::connect(ConnectTimeout(
            self.limits.connect_timeout.saturating_mul(2),
        )))
    }

    /// Notes which protocol the origin has negotiated.
    pub(super) fn speaks(self: &Arc<Self>, http2: bool) {
        self.update(|state| state.speaks_http2 = http2);
    }

    /// One stream of a connection was closed.
    pub(super) fn release(self: &Arc<Self>, id: u64) {
        self.update(|state| {
            if let Some(entry) = state.entry(id) {
                entry.in_flight = entry.in_flight.saturating_sub(1);
            }
        });
    }

    pub(super) fn set_stream_limit(self: &Arc<Self>, id: u64, limit: usize) {
        self.update(|state| {
            // A limit of 0 concerns this connection alone: a tenant sends it before a shutdown.
            if limit > 0 {
                state.stream_limit = limit;
            }
            if let Some(entry) = state.entry(id) {
                entry.stream_limit = limit;
            }
        });
    }

    /// A connection takes no more requests: it is closed, or about to be.
    pub(super) fn remove(self: &Arc<Self>, id: u64) {
        self.remove_if(|entry| entry.id == id);
    }

    /// Removes the connections that are closed or have been idle for too long.
    pub(super) fn reap(self: &Arc<Self>) {
        self.remove_if(|entry| entry.is_over(self.limits.idle_timeout));
    }

    /// Removes all connections.
    pub(super) fn clear(self: &Arc<Self>) {
        self.remove_if(|_| true);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.load(Relaxed) == 0
    }

    /// How many connections have no open stream.
    pub(super) fn idle(&self) -> usize {
        let state = self.lock();
        let idle = state
            .connections
            .iter()
            .filter(|entry| entry.in_flight == 0);
        idle.count()
    }

    fn remove_if(self: &Arc<Self>, mut is_removed: impl FnMut(&Entry) -> bool) {
        let removed: Vec<_> = self.update(|state| {
            let removed = state.connections.extract_if(.., |entry| is_removed(entry));
            let removed = removed.collect();
            self.open.store(state.connections.len(), Relaxed);
            removed
        });
        // Not under the lock: dropping a sender may end its connection and run the connector's
        // code.
        drop(removed);
    }

    /// Changes the state, and serves the requests that can be served thereafter.
    fn update<R>(self: &Arc<Self>, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let result = change(&mut state);
        let served = state.serve(self);
        drop(state);
        // Not under the lock: a stream that its request no longer waits for is dropped, which
        // locks.
        for (waiter, checkout) in served {
            drop(waiter.send(Ok(checkout)));
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn entry(&mut self, id: u64) -> Option<&mut Entry> {
        self.connections.iter_mut().find(|entry| entry.id == id)
    }

    /// Counts a stream on the first connection that has room.
    fn reserve(&mut self, pool: &Arc<Http2Pool>) -> Option<Http2Connection> {
        let mut entries = self.connections.iter_mut();
        let entry = entries.find(|entry| entry.has_room(pool.limits.idle_timeout))?;
        entry.in_flight += 1;
        entry.used = Instant::now();
        Some(Http2Connection::new(entry.sender.clone(), pool, entry.id))
    }

    /// Pairs waiting requests with the streams and turns that are available.
    fn serve(&mut self, pool: &Arc<Http2Pool>) -> Vec<(Waiter, Checkout)> {
        let mut served = Vec::new();
        while let Some(waiter) = self.waiters.front() {
            if waiter.is_closed() {
                self.waiters.pop_front();
                continue;
            }
            let checkout = if let Some(connection) = self.reserve(pool) {
                Checkout::Stream(connection)
            } else if !self.speaks_http2 {
                Checkout::Connect(Connecting::uncounted(pool))
            } else if self.needs_connection(&pool.limits) {
                self.connecting += 1;
                Checkout::Connect(Connecting::counted(pool))
            } else {
                break;
            };
            served.extend(self.waiters.pop_front().zip(Some(checkout)));
        }
        served
    }

    /// Whether more requests wait than the connections that are being opened will have streams for.
    fn needs_connection(&self, limits: &Limits) -> bool {
        let is_open = |entry: &&Entry| !entry.is_over(limits.idle_timeout);
        let open = self.connections.iter().filter(is_open).count();
        let has_others = self.connecting > 0 || open > 0;
        let is_delayed = || self.retry_at.is_some_and(|at| at > Instant::now());
        // The first stream of each is for the request that opens it.
        let streams = self.stream_limit.min(MAX_STREAMS).saturating_sub(1);
        let expected = self.connecting * streams;
        open + self.connecting < limits.max_http2_connections
            && expected < self.waiters.len()
            && expected < self.waiters.iter().filter(|w| !w.is_closed()).count()
            && !(has_others && is_delayed())
    }
}

impl Entry {
    fn has_room(&self, idle_timeout: Duration) -> bool {
        self.in_flight < self.stream_limit.min(MAX_STREAMS) && !self.is_over(idle_timeout)
    }

    /// Whether it is closed, or idle and was not used for this long.
    fn is_over(&self, idle_timeout: Duration) -> bool {
        let is_old = self.in_flight == 0 && self.used.elapsed() >= idle_timeout;
        is_old || self.sender.is_closed()
    }
}

/// The turn to open a connection. When it is dropped without one, another request gets the turn.
pub(super) struct Connecting {
    pool: Arc<Http2Pool>,
    /// Whether `State::connecting` includes it.
    is_counted: bool,
}

impl Connecting {
    fn counted(pool: &Arc<Http2Pool>) -> Self {
        Self {
            pool: Arc::clone(pool),
            is_counted: true,
        }
    }

    fn uncounted(pool: &Arc<Http2Pool>) -> Self {
        Self {
            pool: Arc::clone(pool),
            is_counted: false,
        }
    }

    /// Whether the transport that was opened, and negotiated HTTP/2, is needed and may be added to
    /// the others.
    ///
    /// # Errors
    /// A stream of a connection that other requests have opened meanwhile, or else nothing.
    pub(super) fn admit(&mut self) -> Result<(), Option<Http2Connection>> {
        if self.is_counted {
            return Ok(());
        }
        if let Some(connection) = self.pool.try_stream() {
            return Err(Some(connection));
        }
        let mut state = self.pool.lock();
        if state.connections.len() + state.connecting >= self.pool.limits.max_http2_connections {
            return Err(None);
        }
        state.connecting += 1;
        self.is_counted = true;
        Ok(())
    }

    /// How many streams to use until the SETTINGS of the new connection arrive: as many as the
    /// tenant has allowed on others.
    pub(super) fn initial_streams(&self) -> usize {
        self.pool.lock().stream_limit.min(MAX_STREAMS)
    }

    /// Adds a new connection, with a stream for the request that has opened it.
    pub(super) fn connected(
        mut self,
        sender: SendRequest<RequestBody>,
        stream_limit: usize,
    ) -> (Http2Connection, Driven) {
        let is_counted = mem::take(&mut self.is_counted);
        let pool = &self.pool;
        let id = pool.update(|state| {
            state.connecting -= usize::from(is_counted);
            let id = state.next_id;
            state.next_id += 1;
            state.connections.push(Entry {
                id,
                sender: sender.clone(),
                in_flight: 1,
                stream_limit,
                used: Instant::now(),
            });
            pool.open.store(state.connections.len(), Relaxed);
            id
        });
        let driven = Driven::new(pool, id, stream_limit);
        (Http2Connection::new(sender, pool, id), driven)
    }

    /// No connection could be opened. While there are others, the request waits for a stream of
    /// theirs.
    ///
    /// # Errors
    /// If there are no others: then all requests that wait fail.
    pub(super) fn failed(mut self, error: ClientError) -> Result<(), ClientError> {
        let is_counted = mem::take(&mut self.is_counted);
        let failed = self.pool.update(|state| {
            state.connecting -= usize::from(is_counted);
            let has_others = state.connecting > 0 || !state.connections.is_empty();
            if state.speaks_http2 && has_others {
                state.retry_at = Some(Instant::now() + RETRY_DELAY);
                return None;
            }
            Some(mem::take(&mut state.waiters))
        });
        let Some(waiters) = failed else {
            return Ok(());
        };
        for waiter in waiters {
            drop(waiter.send(Err(error.duplicate())));
        }
        Err(error)
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        if self.is_counted {
            self.pool.update(|state| state.connecting -= 1);
        }
    }
}
