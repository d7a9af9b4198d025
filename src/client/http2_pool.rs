use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use hyper::client::conn::http2::SendRequest;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::http2_connection::{
    Http2Connection, INITIAL_STREAMS, MAX_STREAMS, PoolMembership, StreamPool,
};
use super::http2_entry::ConnectionEntry;
use super::limits::Limits;
use super::total_idle::{Excess, IdleOwner, TotalIdle};
use super::{ClientError, ConnectTimeout};
use crate::request_body::RequestBody;

/// The pause after a failed attempt to connect, while other connections are open. One attempt per
/// second does not load a server that recovers, and the requests wait for streams meanwhile.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The HTTP/2 connections to one origin, and the requests that wait for a stream.
///
/// A stream is counted from the checkout of its connection until its response has been read or
/// dropped, so that no request is queued inside hyper while another connection has free streams.
/// Waiting requests are served in order, as streams become free and connections are opened.
pub(super) struct Http2Pool {
    limits: Limits,
    total_idle: Option<Arc<TotalIdle>>,
    /// The number of connections. Each checkout reads it, so that requests to an HTTP/1.1 origin
    /// do not lock `state`.
    open: AtomicUsize,
    state: Mutex<State>,
}

struct State {
    /// Sorted by age. The oldest is preferred, so that the others become idle and are closed.
    connections: Vec<ConnectionEntry>,
    waiters: VecDeque<Waiter>,
    /// How many connections are being opened.
    connecting: usize,
    /// How many streams the server allows on a connection, by its latest SETTINGS.
    stream_limit: usize,
    /// No further connection is opened before this time.
    retry_at: Option<Instant>,
    /// Whether the latest connection has negotiated HTTP/2.
    speaks_http2: bool,
    next_id: u64,
}

type Waiter = oneshot::Sender<Result<StreamOrPermit, ClientError>>;

/// The result of [`wait_for_stream`](Http2Pool::wait_for_stream).
pub(super) enum StreamOrPermit {
    /// A stream of an open connection.
    Stream(Http2Connection),
    /// A permit to open a connection.
    Permit(ConnectPermit),
}

impl Http2Pool {
    pub(super) fn new(
        limits: Limits,
        total_idle: Option<Arc<TotalIdle>>,
        speaks_http2: bool,
    ) -> Self {
        Self {
            limits,
            total_idle,
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

    /// Reserves a stream of an open connection. Returns `None` if all are in use, or if other
    /// requests wait for one.
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

    /// Waits for a stream, or for a permit to open a connection. If the origin has not negotiated
    /// HTTP/2, the permit is immediate.
    ///
    /// # Errors
    /// If the attempt to connect that this request waited for has failed, or if the wait has lasted
    /// for two connect timeouts without an open connection: its own attempt and one before it.
    pub(super) async fn wait_for_stream(self: &Arc<Self>) -> Result<StreamOrPermit, ClientError> {
        let (waiter, mut served) = oneshot::channel();
        self.update(|state| state.waiters.push_back(waiter));
        let mut attempts = 0;
        while attempts < 2 {
            match timeout(self.limits.connect_timeout, &mut served).await {
                Ok(Ok(result)) => return result,
                // Unreachable: a waiter is removed only to be served.
                Ok(Err(_)) => break,
                // A stream will become free. The deadline of the request limits this wait.
                Err(_) if self.open.load(Relaxed) > 0 => attempts = 0,
                Err(_) => attempts += 1,
            }
        }
        Err(ClientError::connect(ConnectTimeout(
            self.limits.connect_timeout.saturating_mul(2),
        )))
    }

    /// Records which protocol the latest connection has negotiated.
    pub(super) fn set_protocol(self: &Arc<Self>, is_http2: bool) {
        self.update(|state| state.speaks_http2 = is_http2);
    }

    /// Removes the connections that are closed, have been idle for too long, or have reached their
    /// greatest age.
    pub(super) fn reap(self: &Arc<Self>) {
        let now = Instant::now();
        self.remove_if(|entry| {
            entry.expires_at.is_some_and(|at| at <= now)
                || entry.is_expired(self.limits.idle_timeout)
        });
    }

    /// Removes all connections.
    pub(super) fn clear(self: &Arc<Self>) {
        self.remove_if(|_| true);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.load(Relaxed) == 0
    }

    /// How many connections have no stream in use.
    pub(super) fn idle(&self) -> usize {
        let state = self.lock();
        let idle = state
            .connections
            .iter()
            .filter(|entry| entry.in_flight == 0);
        idle.count()
    }

    fn remove_if(self: &Arc<Self>, mut is_removed: impl FnMut(&ConnectionEntry) -> bool) {
        let removed: Vec<_> = self.update(|state| {
            let removed = state.connections.extract_if(.., |entry| is_removed(entry));
            let removed = removed.collect();
            self.open.store(state.connections.len(), Relaxed);
            removed
        });
        // Not under the lock: dropping a sender may close its connection, which runs code of the
        // connector.
        drop(removed);
    }

    /// Changes the state, then serves the waiting requests that the change permits and counts the
    /// connections that have become idle.
    fn update<R>(self: &Arc<Self>, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let result = change(&mut state);
        let served = state.serve(self);
        let excess = state.count_idle(self);
        drop(state);
        // Not under the lock: if a request has stopped waiting, its stream is dropped here, and
        // `release` locks.
        for (waiter, result) in served {
            drop(waiter.send(Ok(result)));
        }
        for connection in excess {
            connection.close();
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StreamPool for Http2Pool {
    fn release(self: Arc<Self>, id: u64) {
        self.update(|state| {
            if let Some(entry) = state.entry(id) {
                entry.in_flight = entry.in_flight.saturating_sub(1);
            }
        });
    }

    fn set_stream_limit(self: Arc<Self>, id: u64, limit: usize) {
        self.update(|state| {
            // A limit of 0 applies to this connection only: servers send it before a shutdown.
            if limit > 0 {
                state.stream_limit = limit;
            }
            if let Some(entry) = state.entry(id) {
                entry.stream_limit = limit;
            }
        });
    }

    fn remove(self: Arc<Self>, id: u64) {
        self.remove_if(|entry| entry.id == id);
    }
}

impl IdleOwner for Http2Pool {
    fn close_idle(self: Arc<Self>, id: u64) {
        self.remove_if(|entry| entry.idle.as_ref().is_some_and(|idle| idle.id() == id));
    }
}

fn weak(pool: &Arc<Http2Pool>) -> Weak<dyn StreamPool> {
    Arc::downgrade(pool) as _
}

impl State {
    fn entry(&mut self, id: u64) -> Option<&mut ConnectionEntry> {
        self.connections.iter_mut().find(|entry| entry.id == id)
    }

    /// Counts a stream on the first connection that has a free one.
    fn reserve(&mut self, pool: &Arc<Http2Pool>) -> Option<Http2Connection> {
        let mut entries = self.connections.iter_mut();
        let entry = entries.find(|entry| entry.has_free_stream(pool.limits.idle_timeout))?;
        entry.reserve();
        let sender = entry.sender.clone();
        Some(Http2Connection::new(sender, weak(pool), entry.id))
    }

    /// Counts the connections that have become idle. Returns those above the limit.
    fn count_idle(&mut self, pool: &Arc<Http2Pool>) -> Vec<Excess> {
        let mut excess = Vec::new();
        let Some(total) = &pool.total_idle else {
            return excess;
        };
        let entries = self.connections.iter_mut();
        for entry in entries.filter(|entry| entry.in_flight == 0 && entry.idle.is_none()) {
            let (idle, oldest) = total.add(Arc::downgrade(pool) as _);
            entry.idle = Some(idle);
            excess.extend(oldest);
        }
        excess
    }

    /// Pairs waiting requests with free streams, and with permits to open a connection.
    fn serve(&mut self, pool: &Arc<Http2Pool>) -> Vec<(Waiter, StreamOrPermit)> {
        let mut served = Vec::new();
        while let Some(waiter) = self.waiters.front() {
            if waiter.is_closed() {
                self.waiters.pop_front();
                continue;
            }
            let result = if let Some(connection) = self.reserve(pool) {
                StreamOrPermit::Stream(connection)
            } else if !self.speaks_http2 || self.needs_connection(&pool.limits) {
                self.connecting += usize::from(self.speaks_http2);
                StreamOrPermit::Permit(ConnectPermit {
                    pool: Arc::clone(pool),
                    is_counted: self.speaks_http2,
                })
            } else {
                break;
            };
            served.extend(self.waiters.pop_front().zip(Some(result)));
        }
        served
    }

    /// Whether a waiting request may open a connection: the limit permits it, more requests wait
    /// than the connections being opened will have streams for, and no attempt has just failed.
    fn needs_connection(&self, limits: &Limits) -> bool {
        let connections = self.connections.iter();
        let open = connections
            .filter(|entry| !entry.is_expired(limits.idle_timeout))
            .count();
        if open + self.connecting >= limits.max_http2_connections {
            return false;
        }
        // The first stream of a new connection belongs to the request that opens it.
        let streams = self.stream_limit.min(MAX_STREAMS).saturating_sub(1);
        let expected = self.connecting * streams;
        // The length first: it is an upper bound, and most calls end here.
        if expected >= self.waiters.len()
            || expected >= self.waiters.iter().filter(|w| !w.is_closed()).count()
        {
            return false;
        }
        let has_others = self.connecting > 0 || open > 0;
        !has_others || self.retry_at.is_none_or(|at| at <= Instant::now())
    }
}

/// A permit to open a connection. If it is dropped unused, a waiting request gets it.
pub(super) struct ConnectPermit {
    pool: Arc<Http2Pool>,
    /// Whether `State::connecting` includes it.
    is_counted: bool,
}

impl ConnectPermit {
    /// Decides whether a new transport that has negotiated HTTP/2 is used.
    pub(super) fn admit(&mut self) -> Admission {
        if self.is_counted {
            return Admission::Admitted;
        }
        if let Some(connection) = self.pool.try_stream() {
            return Admission::UseStream(connection);
        }
        let mut state = self.pool.lock();
        if state.connections.len() + state.connecting >= self.pool.limits.max_http2_connections {
            return Admission::Wait;
        }
        state.connecting += 1;
        self.is_counted = true;
        Admission::Admitted
    }

    /// The stream limit of the new connection until its SETTINGS arrive: that of the others.
    pub(super) fn initial_stream_limit(&self) -> usize {
        self.pool.lock().stream_limit.min(MAX_STREAMS)
    }

    /// Adds the new connection to the pool, with one stream in use by the request that opened it.
    pub(super) fn connected(
        mut self,
        sender: SendRequest<RequestBody>,
        stream_limit: usize,
        expires_at: Option<Instant>,
    ) -> (Http2Connection, PoolMembership) {
        let is_counted = mem::take(&mut self.is_counted);
        let pool = &self.pool;
        let id = pool.update(|state| {
            state.connecting -= usize::from(is_counted);
            let id = state.next_id;
            state.next_id += 1;
            let entry = ConnectionEntry::new(id, sender.clone(), stream_limit, expires_at);
            state.connections.push(entry);
            pool.open.store(state.connections.len(), Relaxed);
            id
        });
        let membership = PoolMembership::new(weak(pool), id, stream_limit);
        (Http2Connection::new(sender, weak(pool), id), membership)
    }

    /// The attempt has failed. If other connections are open or being opened, the request waits for
    /// one of their streams.
    ///
    /// # Errors
    /// If there is not any other connection: all waiting requests fail with the same error.
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

/// Whether a new transport is used.
pub(super) enum Admission {
    Admitted,
    /// The request uses a stream of a connection that another request has opened meanwhile.
    UseStream(Http2Connection),
    /// The request waits for a stream: the limit of connections is reached.
    Wait,
}

impl Drop for ConnectPermit {
    fn drop(&mut self) {
        if self.is_counted {
            self.pool.update(|state| state.connecting -= 1);
        }
    }
}
