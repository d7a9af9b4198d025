use std::future::{Future, poll_fn};
use std::mem;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use hyper::client::conn::http2::{Builder, Connection, SendRequest};
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::request_body::{RequestBody, StreamGuard};

/// How many streams of a connection are used at most. nginx allows 128, Apache 100.
pub(super) const MAX_STREAMS: usize = 128;

/// How many streams are used before the server's SETTINGS are known: the least limit that RFC 9113
/// §6.5.2 recommends to servers.
pub(super) const INITIAL_STREAMS: usize = 100;

/// How many bytes of a response are buffered while it is not read: the bandwidth-delay product of
/// 100 Mbit/s and 20 ms.
const STREAM_WINDOW: u32 = 256 * 1024;

/// The windows of all streams, 32 MiB: a stream that is not read does not block the others.
const CONNECTION_WINDOW: u32 = MAX_STREAMS as u32 * STREAM_WINDOW;

/// A PING is sent when nothing was received for this long, and its acknowledgement awaited for the
/// timeout. Their sum is below the default head timeout of a call (30 s): a dead connection is
/// detected before the requests on it time out.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// The limit of the headers of a response: the same as the buffer of an HTTP/1.1 connection.
const MAX_HEADER_LIST: u32 = 64 * 1024;

/// The settings of a new connection.
pub(super) fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        // Also without streams: a retired connection to a dead server is closed, too.
        .keep_alive_while_idle(true)
        .max_header_list_size(MAX_HEADER_LIST)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        // h2 ignores late frames of the streams that it has reset most recently, and replies to
        // those of others with a reset. By default it closes the connection after 1024 such
        // resets, so that one client that abandons responses could fail the requests of all.
        .max_local_error_reset_streams(None::<usize>);
    builder
}

/// The pool that counts the streams of its HTTP/2 connections. Each connection has an `id` in it. A
/// trait, so that this file does not import the pool.
pub(super) trait StreamPool: Send + Sync {
    /// One stream of the connection was closed.
    fn release(self: Arc<Self>, id: u64);

    /// The server allows this many streams on the connection.
    fn set_stream_limit(self: Arc<Self>, id: u64, limit: usize);

    /// The connection takes no more requests: it is closed, or will be.
    fn remove(self: Arc<Self>, id: u64);
}

/// A handle to an HTTP/2 connection on which one stream is reserved for a request.
pub(super) struct Http2Connection {
    pub(super) sender: SendRequest<RequestBody>,
    permit: Arc<StreamPermit>,
}

impl Http2Connection {
    /// A handle to the connection `id` of `pool`. The pool has counted its stream already.
    pub(super) fn new(
        sender: SendRequest<RequestBody>,
        pool: Weak<dyn StreamPool>,
        id: u64,
    ) -> Self {
        Self {
            sender,
            permit: Arc::new(StreamPermit { pool, id }),
        }
    }

    /// Reserves the stream until the guard, its clones, and this handle are dropped.
    pub(super) fn guard(&self) -> StreamGuard {
        Arc::clone(&self.permit) as _
    }

    /// Removes the connection from the pool: no further request is sent on it. The requests that
    /// are in flight continue.
    pub(super) fn retire(&self) {
        if let Some(pool) = self.permit.pool.upgrade() {
            pool.remove(self.permit.id);
        }
    }
}

/// One stream of a connection. Dropped when the stream is closed.
#[derive(Debug)]
struct StreamPermit {
    pool: Weak<dyn StreamPool>,
    id: u64,
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.release(self.id);
        }
    }
}

/// The membership of a connection in its pool. The pool removes the connection when this is
/// dropped.
pub(super) struct PoolMembership {
    pool: Weak<dyn StreamPool>,
    id: u64,
    stream_limit: usize,
}

impl PoolMembership {
    pub(super) fn new(pool: Weak<dyn StreamPool>, id: u64, stream_limit: usize) -> Self {
        Self {
            pool,
            id,
            stream_limit,
        }
    }

    fn set_stream_limit(&mut self, limit: usize) {
        if mem::replace(&mut self.stream_limit, limit) != limit
            && let Some(pool) = self.pool.upgrade()
        {
            pool.set_stream_limit(self.id, limit);
        }
    }
}

impl Drop for PoolMembership {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.remove(self.id);
        }
    }
}

/// Drives a connection until it is closed, and reports to its pool how many streams the server
/// allows. `settings` is notified of changes.
///
/// A connection on which the server has allowed no streams for `no_streams_timeout` is dropped, and
/// the requests that hyper has queued fail with it. hyper returns all of them unsent except the
/// first, and they are retried on another connection.
pub(super) async fn drive<T>(
    connection: Connection<T, RequestBody, TokioExecutor>,
    mut membership: PoolMembership,
    settings: Arc<Notify>,
    no_streams_timeout: Duration,
) where
    T: Read + Write + Send + Unpin + 'static,
{
    let mut connection = pin!(connection);
    let mut changed = pin!(settings.notified());
    let mut without_streams = None;
    poll_fn(|cx| {
        // hyper reports each error to its requests, too.
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        while changed.as_mut().poll(cx).is_ready() {
            changed.set(settings.notified());
        }
        let limit = connection.current_max_send_streams();
        membership.set_stream_limit(limit);
        if limit > 0 {
            without_streams = None;
            return Poll::Pending;
        }
        let expired = without_streams.get_or_insert_with(|| Box::pin(sleep(no_streams_timeout)));
        expired.as_mut().poll(cx)
    })
    .await;
}
