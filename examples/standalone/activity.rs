//! What a connection is doing: counted by what serves it, looked at by its timer. A request costs
//! counters, and no clock.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicUsize};

/// How many quarters are told apart: no answer gets as old as that.
const QUARTERS: usize = 8;

/// What a connection is doing, and what is done with it.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// Requests whose answer is not over.
    open: AtomicUsize,
    /// The quarter of the write limit that it is now.
    quarter: AtomicUsize,
    /// Answers of which the client has to take a piece, by the quarter since when. Each counts for
    /// itself: that others are taken excuses none.
    untaken: [AtomicUsize; QUARTERS],
    /// Requests begun and ended, and pieces of answers taken.
    moves: AtomicUsize,
    /// The socket takes no more.
    is_full: AtomicBool,
    /// Bodies of requests that somebody may read on.
    uploads: AtomicUsize,
    /// At least one request has begun.
    has_asked: AtomicBool,
    /// HTTP/1.1: bytes of the next head have arrived, and the head is not complete.
    has_head: AtomicBool,
    /// The socket is kept from `hyper`, which gives it back.
    is_withheld: AtomicBool,
    speaks_http2: AtomicBool,
    /// HTTP/1.1 answers say that they are the last.
    is_ending: AtomicBool,
}

impl Activity {
    pub(crate) fn speaks_http2(&self) -> bool {
        self.speaks_http2.load(Relaxed)
    }

    pub(crate) fn speak_http2(&self) {
        self.speaks_http2.store(true, Relaxed);
    }

    pub(crate) fn end_soon(&self) {
        self.is_ending.store(true, Relaxed);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.is_full.load(Relaxed)
    }

    /// The socket took some, or takes no more.
    pub(crate) fn note_full(&self, is_full: bool) {
        // Hardly ever: what counts is written once, not with each answer.
        if is_full != self.is_full() {
            self.is_full.store(is_full, Relaxed);
            if !is_full {
                self.has_moved();
            }
        }
    }

    pub(crate) fn begin_upload(&self) {
        self.uploads.fetch_add(1, Relaxed);
    }

    pub(crate) fn end_upload(&self) {
        // A further look: by then `hyper` knows as well.
        self.has_moved();
        self.uploads.fetch_sub(1, Release);
    }

    /// Records bytes that arrived. Over HTTP/1.1, outside of a request, they are the next head,
    /// except for empty lines in front of it (RFC 9112 §2.2).
    pub(crate) fn note_read(&self, bytes: &[u8]) {
        let is_between = self.open.load(Relaxed) == 0 && self.uploads.load(Relaxed) == 0;
        let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        if is_between && !self.speaks_http2() && !bytes.iter().all(is_line_end) {
            self.has_head.store(true, Relaxed);
        }
    }

    /// Whether the head of a request is unfinished.
    pub(crate) fn has_head(&self) -> bool {
        self.has_head.load(Relaxed)
    }

    pub(crate) fn is_withheld(&self) -> bool {
        self.is_withheld.load(Relaxed)
    }

    pub(crate) fn withhold(&self, is_withheld: bool) {
        self.is_withheld.store(is_withheld, Relaxed);
    }

    /// Changes with everything that moves.
    pub(crate) fn moves(&self) -> usize {
        self.moves.load(Relaxed)
    }

    fn untaken_since(&self, quarter: usize) -> Option<&AtomicUsize> {
        self.untaken.get(quarter % QUARTERS)
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.is_ending.load(Relaxed)
    }

    /// How things stand, in this quarter of the write limit. There is a look in every one.
    pub(crate) fn look(&self, quarter: usize) -> Look {
        self.quarter.store(quarter, Relaxed);
        // Before what has moved: a body that ends has moved first.
        let may_rest = !self.speaks_http2() && self.uploads.load(Acquire) == 0;
        Look {
            moves: self.moves(),
            has_open: self.open.load(Relaxed) > 0,
            is_full: self.is_full(),
            is_left: self.is_left(quarter),
            has_asked: self.has_asked.load(Relaxed),
            may_rest,
        }
    }

    /// Whether an answer has been left for the whole limit: for four whole quarters, which is said
    /// in the fifth one after that in which it was given out, or in the sixth, if a look comes
    /// late.
    fn is_left(&self, now: usize) -> bool {
        let old = now.saturating_sub(6)..now.saturating_sub(4);
        old.into_iter()
            .filter_map(|quarter| self.untaken_since(quarter))
            .any(|answers| answers.load(Relaxed) > 0)
    }

    fn has_moved(&self) {
        self.moves.fetch_add(1, Relaxed);
    }
}

/// What one look at a connection sees.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Another number than last time: something has moved.
    pub(crate) moves: usize,
    /// An answer is not over.
    pub(crate) has_open: bool,
    /// The socket takes no more.
    pub(crate) is_full: bool,
    /// An answer has been left for the whole write limit.
    pub(crate) is_left: bool,
    /// At least one request has begun.
    pub(crate) has_asked: bool,
    /// It has the next request to wait for and nothing else, once it is still.
    pub(crate) may_rest: bool,
}

/// A request until its answer is over.
#[derive(Debug)]
pub(crate) struct Turn {
    activity: Arc<Activity>,
    /// Since which quarter it is the client's. `None` while we are awaited.
    untaken: Option<usize>,
}

impl Turn {
    pub(crate) fn begin(activity: &Arc<Activity>) -> Self {
        activity.open.fetch_add(1, Relaxed);
        activity.has_asked.store(true, Relaxed);
        activity.has_head.store(false, Relaxed);
        activity.has_moved();
        Self {
            activity: Arc::clone(activity),
            untaken: None,
        }
    }

    pub(crate) fn activity(&self) -> &Activity {
        &self.activity
    }

    /// The client has taken what there was: more is awaited from us.
    pub(crate) fn wait(&mut self) {
        self.pass(None);
    }

    /// The client got a piece, and has to take it.
    pub(crate) fn go_on(&mut self) {
        self.pass(Some(self.activity.quarter.load(Relaxed)));
        self.activity.has_moved();
    }

    fn pass(&mut self, untaken: Option<usize>) {
        if self.untaken == untaken {
            return;
        }
        let counter = |quarter| self.activity.untaken_since(quarter);
        if let Some(counter) = untaken.and_then(counter) {
            counter.fetch_add(1, Relaxed);
        }
        if let Some(counter) = self.untaken.and_then(counter) {
            counter.fetch_sub(1, Relaxed);
        }
        self.untaken = untaken;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.pass(None);
        self.activity.has_moved();
        self.activity.open.fetch_sub(1, Relaxed);
    }
}
