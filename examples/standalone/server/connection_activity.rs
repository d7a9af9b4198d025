//! Counters of a connection. The service and the socket update them, the connection's timer reads
//! them. A request costs a few relaxed atomic operations and does not read the clock.
//!
//! The write timeout is measured in quarters. The timer sets the number of the current quarter, and
//! a response frame is counted in the quarter in which the connection has taken it:
//!
//! ```text
//!  quarter   q        q+1   q+2   q+3   q+4   q+5               q+6
//!            a frame  4 complete quarters     the check finds   a late check finds
//!            is taken without a read          the frame         the frame
//! ```
//!
//! One counter per quarter replaces a timestamp per response.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicUsize};

/// Number of counters in the ring of [`ConnectionActivity::unread`]: the current quarter and the
/// six before it, rounded up to a power of two.
const QUARTERS: usize = 8;

/// The state of a connection, for its timer.
#[derive(Debug, Default)]
pub(crate) struct ConnectionActivity {
    /// Requests whose response has not ended.
    open: AtomicUsize,
    /// The current quarter of the write timeout.
    quarter: AtomicUsize,
    /// Responses with a frame that the client has not read, by the quarter of that frame. Each
    /// response counts separately: progress of one stream does not excuse another one.
    unread: [AtomicUsize; QUARTERS],
    /// Counts requests that begin and end, and response frames that are read.
    progress: AtomicUsize,
    /// The socket's send buffer is full.
    is_write_blocked: AtomicBool,
    /// HTTP/1.1: request bodies that a handler may still read.
    uploads: AtomicUsize,
    /// At least one request has begun.
    has_request: AtomicBool,
    /// HTTP/1.1: bytes of the next head have arrived, and the head is not complete.
    has_partial_head: AtomicBool,
    /// The socket returns `Pending` for reads while `hyper` releases it.
    is_detaching: AtomicBool,
    is_http2: AtomicBool,
    /// HTTP/1.1 responses carry `connection: close`.
    is_closing: AtomicBool,
}

impl ConnectionActivity {
    pub(crate) fn is_http2(&self) -> bool {
        self.is_http2.load(Relaxed)
    }

    pub(crate) fn set_http2(&self) {
        self.is_http2.store(true, Relaxed);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing.load(Relaxed)
    }

    pub(crate) fn set_closing(&self) {
        self.is_closing.store(true, Relaxed);
    }

    pub(crate) fn is_write_blocked(&self) -> bool {
        self.is_write_blocked.load(Relaxed)
    }

    /// Records whether the last write to the socket was accepted.
    pub(crate) fn record_write(&self, is_blocked: bool) {
        // The check avoids a store per response.
        if is_blocked != self.is_write_blocked() {
            self.is_write_blocked.store(is_blocked, Relaxed);
            if !is_blocked {
                self.record_progress();
            }
        }
    }

    pub(crate) fn begin_upload(&self) {
        self.uploads.fetch_add(1, Relaxed);
    }

    pub(crate) fn end_upload(&self) {
        // Delays the release of the buffers by one check: by then `hyper` has read the end, too.
        self.record_progress();
        self.uploads.fetch_sub(1, Release);
    }

    /// Records bytes that arrived. Over HTTP/1.1, outside of a request, they are the next head,
    /// except for empty lines in front of it (RFC 9112 §2.2).
    pub(crate) fn record_read(&self, bytes: &[u8]) {
        let is_between = self.open.load(Relaxed) == 0 && self.uploads.load(Relaxed) == 0;
        if is_between && !self.is_http2() && !bytes.iter().all(is_line_end) {
            self.has_partial_head.store(true, Relaxed);
        }
    }

    /// Whether the head of a request is unfinished.
    pub(crate) fn has_partial_head(&self) -> bool {
        self.has_partial_head.load(Relaxed)
    }

    pub(crate) fn is_detaching(&self) -> bool {
        self.is_detaching.load(Relaxed)
    }

    pub(crate) fn set_detaching(&self, is_detaching: bool) {
        self.is_detaching.store(is_detaching, Relaxed);
    }

    /// A counter that changes with all progress.
    pub(crate) fn progress(&self) -> usize {
        self.progress.load(Relaxed)
    }

    /// The state at this moment, in this quarter of the write timeout. The timer takes a snapshot
    /// in every quarter.
    pub(crate) fn snapshot(&self, quarter: usize) -> ActivitySnapshot {
        self.quarter.store(quarter, Relaxed);
        // Loaded before `progress`: the end of an upload changes `progress` first.
        let can_release = !self.is_http2() && self.uploads.load(Acquire) == 0;
        ActivitySnapshot {
            progress: self.progress(),
            has_open: self.open.load(Relaxed) > 0,
            is_write_blocked: self.is_write_blocked(),
            has_stalled: self.has_stalled(quarter),
            has_request: self.has_request.load(Relaxed),
            can_release,
        }
    }

    /// Whether the client has not read a response for the full write timeout: four complete
    /// quarters. This is found in the fifth quarter after the one of the unread frame, or in the
    /// sixth if a check is late.
    fn has_stalled(&self, now: usize) -> bool {
        let old = now.saturating_sub(6)..now.saturating_sub(4);
        old.into_iter()
            .filter_map(|quarter| self.unread_since(quarter))
            .any(|responses| responses.load(Relaxed) > 0)
    }

    fn unread_since(&self, quarter: usize) -> Option<&AtomicUsize> {
        self.unread.get(quarter % QUARTERS)
    }

    fn record_progress(&self) {
        self.progress.fetch_add(1, Relaxed);
    }
}

/// Whether a byte belongs to an empty line.
pub(crate) fn is_line_end(byte: &u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// A copy of the counters at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ActivitySnapshot {
    /// A difference to the last snapshot means progress.
    pub(crate) progress: usize,
    /// At least one response has not ended.
    pub(crate) has_open: bool,
    /// The socket's send buffer is full.
    pub(crate) is_write_blocked: bool,
    /// A response was not read for the full write timeout.
    pub(crate) has_stalled: bool,
    /// At least one request has begun.
    pub(crate) has_request: bool,
    /// HTTP/1.1 without an open upload: the buffers can be released once the connection is idle.
    pub(crate) can_release: bool,
}

/// Counts a request from its begin to the end of its response.
#[derive(Debug)]
pub(crate) struct RequestActivity {
    activity: Arc<ConnectionActivity>,
    /// The quarter of the last frame that the client has not read. `None` while the response is
    /// pending on our side.
    unread: Option<usize>,
}

impl RequestActivity {
    pub(crate) fn begin(activity: &Arc<ConnectionActivity>) -> Self {
        activity.open.fetch_add(1, Relaxed);
        activity.has_request.store(true, Relaxed);
        activity.has_partial_head.store(false, Relaxed);
        activity.record_progress();
        Self {
            activity: Arc::clone(activity),
            unread: None,
        }
    }

    pub(crate) fn connection(&self) -> &ConnectionActivity {
        &self.activity
    }

    /// The client has read all frames, and the next one is not ready.
    pub(crate) fn record_pending(&mut self) {
        self.set_unread(None);
    }

    /// The connection has taken a frame, which the client has to read.
    pub(crate) fn record_frame(&mut self) {
        self.set_unread(Some(self.activity.quarter.load(Relaxed)));
        self.activity.record_progress();
    }

    fn set_unread(&mut self, unread: Option<usize>) {
        if self.unread == unread {
            return;
        }
        if let Some(counter) = unread.and_then(|quarter| self.activity.unread_since(quarter)) {
            counter.fetch_add(1, Relaxed);
        }
        if let Some(counter) = self
            .unread
            .and_then(|quarter| self.activity.unread_since(quarter))
        {
            counter.fetch_sub(1, Relaxed);
        }
        self.unread = unread;
    }
}

impl Drop for RequestActivity {
    fn drop(&mut self) {
        self.set_unread(None);
        self.activity.record_progress();
        self.activity.open.fetch_sub(1, Relaxed);
    }
}
