use std::time::Duration;

use hyper::client::conn::http2::SendRequest;
use tokio::time::Instant;

use super::http2_connection::MAX_STREAMS;
use super::total_idle::IdleEntry;
use crate::request_body::RequestBody;

/// A connection in an `Http2Pool`.
pub(super) struct ConnectionEntry {
    pub(super) id: u64,
    pub(super) sender: SendRequest<RequestBody>,
    pub(super) in_flight: usize,
    pub(super) stream_limit: usize,
    /// When a request last got a stream.
    used: Instant,
    /// When the connection takes no more streams. `None` is never.
    pub(super) expires_at: Option<Instant>,
    /// The entry in the idle connections of all origins, if they are limited.
    pub(super) idle: Option<IdleEntry>,
}

impl ConnectionEntry {
    /// A new connection, with one stream in use.
    pub(super) fn new(
        id: u64,
        sender: SendRequest<RequestBody>,
        stream_limit: usize,
        expires_at: Option<Instant>,
    ) -> Self {
        Self {
            id,
            sender,
            in_flight: 1,
            stream_limit,
            used: Instant::now(),
            expires_at,
            idle: None,
        }
    }

    /// Counts a stream.
    pub(super) fn reserve(&mut self) {
        self.in_flight += 1;
        self.used = Instant::now();
        self.idle = None;
    }

    pub(super) fn has_free_stream(&self, idle_timeout: Duration) -> bool {
        self.in_flight < self.stream_limit.min(MAX_STREAMS) && !self.is_expired(idle_timeout)
    }

    /// Whether the connection is closed, or has been idle for this long.
    pub(super) fn is_expired(&self, idle_timeout: Duration) -> bool {
        let is_old = self.in_flight == 0 && self.used.elapsed() >= idle_timeout;
        is_old || self.sender.is_closed()
    }
}
