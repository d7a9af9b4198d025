use std::fmt;
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

use super::http2_pool::Http2Pool;
use crate::request_body::RequestBody;
use crate::request_body::StreamGuard;

/// How many streams of a connection are used at most. nginx allows 128, Apache 100.
pub(super) const MAX_STREAMS: usize = 128;

/// How many streams are used before the SETTINGS of a tenant are known: the number that RFC 9113
/// §6.5.2 recommends as the least.
pub(super) const INITIAL_STREAMS: usize = 100;

/// How many bytes of an answer are buffered while its client does not read it.
const STREAM_WINDOW: u32 = 256 * 1024;

/// Room for the windows of all streams: streams that are not read leave the others theirs. 32 MiB.
const CONNECTION_WINDOW: u32 = MAX_STREAMS as u32 * STREAM_WINDOW;

pub(super) fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        // Many requests share a connection. A dead one is detected before all of them have run into
        // their deadlines; one that is no longer used does not wait for its tenant for ever.
        .keep_alive_interval(Duration::from_secs(15))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true)
        .max_header_list_size(64 * 1024)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        // h2 ignores late frames of the streams that it has reset last, and answers those of others
        // with a reset. By default, 1024 of these in the life of a connection end it: one
        // client that abandons answers could break those of all.
        .max_local_error_reset_streams(None::<usize>);
    builder
}

/// A handle to an HTTP/2 connection on which one stream is reserved for a request.
pub(super) struct Http2Connection {
    pub(super) sender: SendRequest<RequestBody>,
    permit: Arc<StreamPermit>,
}

impl Http2Connection {
    /// Of the connection `id` of `pool`, which has counted the stream.
    pub(super) fn new(sender: SendRequest<RequestBody>, pool: &Arc<Http2Pool>, id: u64) -> Self {
        let pool = Arc::downgrade(pool);
        Self {
            sender,
            permit: Arc::new(StreamPermit { pool, id }),
        }
    }

    /// Keeps the stream reserved until it, all of its clones, and this handle are dropped.
    pub(super) fn guard(&self) -> StreamGuard {
        StreamGuard::new(Arc::clone(&self.permit) as _)
    }

    /// Removes the connection from the pool: no further request is sent on it. The requests that
    /// are in flight continue.
    pub(super) fn retire(&self) {
        if let Some(pool) = self.permit.pool.upgrade() {
            pool.remove(self.permit.id);
        }
    }
}

impl fmt::Debug for Http2Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Http2Connection");
        debug.field("id", &self.permit.id).finish_non_exhaustive()
    }
}

/// One stream of a connection. Dropped when the stream is closed.
struct StreamPermit {
    pool: Weak<Http2Pool>,
    id: u64,
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.release(self.id);
        }
    }
}

/// The connection `id` of a pool, which is removed from it when this is dropped.
pub(super) struct Driven {
    pool: Weak<Http2Pool>,
    id: u64,
    stream_limit: usize,
}

impl Driven {
    pub(super) fn new(pool: &Arc<Http2Pool>, id: u64, stream_limit: usize) -> Self {
        Self {
            pool: Arc::downgrade(pool),
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

impl Drop for Driven {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.remove(self.id);
        }
    }
}

/// Drives a connection until it is closed, and publishes how many streams its tenant allows.
/// `settings` is notified of changes.
///
/// A connection whose tenant has allowed no streams for `patience` is dropped. Requests that hyper
/// has queued fail with it: the first one for good, the others are sent on another connection.
pub(super) async fn drive<T>(
    connection: Connection<T, RequestBody, TokioExecutor>,
    mut driven: Driven,
    settings: Arc<Notify>,
    patience: Duration,
) where
    T: Read + Write + Send + Unpin + 'static,
{
    let mut connection = pin!(connection);
    let mut changed = pin!(settings.notified());
    let mut without_streams = None;
    poll_fn(|cx| {
        // Errors are reported to the requests that they concern.
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        while changed.as_mut().poll(cx).is_ready() {
            changed.set(settings.notified());
        }
        let limit = connection.current_max_send_streams();
        driven.set_stream_limit(limit);
        if limit > 0 {
            without_streams = None;
            return Poll::Pending;
        }
        let expired = without_streams.get_or_insert_with(|| Box::pin(sleep(patience)));
        expired.as_mut().poll(cx)
    })
    .await;
}
