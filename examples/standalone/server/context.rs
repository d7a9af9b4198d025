//! The settings of `hyper` for both protocols, and the state that all connections share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioTimer;
use omneo_id::client_info::TrustedProxies;

use super::tls::Tls;
use super::trim_allocator::TrimAllocator;
use super::workers::StreamExecutor;

/// Limit for a request head: that of nginx, four buffers of 8 KiB.
const MAX_HEAD: usize = 32 * 1024;
const MAX_HEADER_LIST: u32 = 32 * 1024;
/// Concurrent streams per connection. RFC 9113 §6.5.2 recommends at least 100.
const MAX_STREAMS: u32 = 128;
/// Limit for response bytes that the client has not read: per connection over HTTP/1.1, where
/// `hyper` uses one limit for this and for the request head, and per stream over HTTP/2.
const MAX_BUFFERED: usize = MAX_HEAD;
/// Request body bytes that a client may send before the handler reads them, per stream: the
/// initial window of RFC 9113 §6.9.2, rounded up.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The same limit per connection: 16 uploads that are not read do not block the other streams.
const CONNECTION_WINDOW: u32 = 16 * STREAM_WINDOW;
/// Limit for streams that the client reset before they were accepted ("rapid reset"): above it,
/// the connection is closed. The default of `h2`.
const MAX_PENDING_RESETS: usize = 20;
/// Limit for streams that the server reset because of client errors: above it, the connection is
/// closed. The default of `h2`.
const MAX_LOCAL_RESETS: usize = 1024;
/// Interval of HTTP/2 keep-alive PINGs, and the timeout for each acknowledgement. Dead peers are
/// detected after 40 s at most, before the idle timeout of 75 s.
const PING: Duration = Duration::from_secs(20);

/// The `hyper` builder of each protocol, and the state that all connections share.
pub(crate) struct ServerContext {
    pub(crate) http1: http1::Builder,
    pub(crate) http2: http2::Builder<StreamExecutor>,
    /// TLS of the TCP listeners. `None`: clear text.
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) trim: TrimAllocator,
    /// The graceful shutdown has begun. Set before connections are notified of it.
    pub(crate) is_shutting_down: AtomicBool,
}

impl ServerContext {
    pub(crate) fn new(tls: Option<Arc<Tls>>, trusted_proxies: TrustedProxies) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            // It would start a timer per request. `ConnectionTimer` needs one per connection.
            .header_read_timeout(None)
            .max_buf_size(MAX_BUFFERED);
        let mut http2 = http2::Builder::new(StreamExecutor);
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(MAX_HEADER_LIST)
            .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
            .max_local_error_reset_streams(MAX_LOCAL_RESETS)
            .max_send_buf_size(MAX_BUFFERED)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING);
        Self {
            http1,
            http2,
            tls,
            trusted_proxies,
            trim: TrimAllocator::default(),
            is_shutting_down: AtomicBool::new(false),
        }
    }
}
