//! How long a connection may do nothing: one timer for each, which fires a few times in the life of a
//! limit and looks whether anything has moved since. A request costs counters, no clock and no timer.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use hyper::body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::Service;

use crate::config::Limits;
use crate::upload::Upload;

/// How many quarters are told apart: no answer gets as old as that.
const QUARTERS: usize = 8;
/// Nothing has moved for this long, or for up to twice as long: what is kept for the next request is
/// kept for a client that may never come back.
const REST: Duration = Duration::from_secs(5);
/// Connections look at the same moments, this far apart, which all count from the same one.
const BEAT: Duration = Duration::from_millis(100);
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// What a connection is doing. It is counted by what serves it, and read by its [`Timer`].
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

    pub(crate) fn is_withheld(&self) -> bool {
        self.is_withheld.load(Relaxed)
    }

    pub(crate) fn withhold(&self, is_withheld: bool) {
        self.is_withheld.store(is_withheld, Relaxed);
    }

    fn untaken_since(&self, quarter: usize) -> Option<&AtomicUsize> {
        self.untaken.get(quarter % QUARTERS)
    }

    /// Whether an answer has been left for the whole limit.
    fn is_left(&self, now: usize) -> bool {
        let old = now.saturating_sub(QUARTERS - 2)..now.saturating_sub(4);
        old.into_iter()
            .filter_map(|quarter| self.untaken_since(quarter))
            .any(|answers| answers.load(Relaxed) > 0)
    }

    /// Whether it has the next request to wait for and nothing else, once it is still.
    fn may_rest(&self) -> bool {
        !self.speaks_http2() && self.uploads.load(Acquire) == 0
    }

    fn has_moved(&self) {
        self.moves.fetch_add(1, Relaxed);
    }
}

/// What a connection that did nothing has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// No limit: it was of use, and may rest. Told once, until it is of use again.
    Rest,
    Idle,
    Write,
}

pin_project! {
    /// Tells when a connection has done nothing for too long.
    pub(crate) struct Timer {
        activity: Arc<Activity>,
        limits: Limits,
        began: Instant,
        // What had moved, and when that was first seen.
        seen: usize,
        since: Instant,
        // What had moved when it was told to rest.
        rested: usize,
        // The sleep will wake whoever polls this.
        is_set: bool,
        #[pin]
        sleep: Sleep,
    }
}

impl Timer {
    pub(crate) fn new(activity: Arc<Activity>, limits: Limits) -> Self {
        Self {
            activity,
            limits,
            began: Instant::now(),
            seen: 0,
            since: Instant::now(),
            rested: 0,
            is_set: false,
            sleep: sleep_until(look(Instant::now(), round(&limits), *EPOCH)),
        }
    }

    /// Looks soon: a connection that rested is of use again.
    pub(crate) fn wake(self: Pin<&mut Self>) {
        let this = self.project();
        *this.is_set = false;
        this.sleep
            .reset(look(Instant::now(), REST.min(round(this.limits)), *EPOCH));
    }

    pub(crate) fn poll_reached(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reached> {
        let mut this = self.project();
        // Asked with every step of the connection: a look at it costs much less than a poll.
        if *this.is_set && !this.sleep.is_elapsed() {
            return Poll::Pending;
        }
        loop {
            *this.is_set = true;
            // Under no budget: without one it would be set, and wake nobody.
            ready!(pin!(unconstrained(this.sleep.as_mut())).poll(cx));
            *this.is_set = false;
            let now = Instant::now();
            let activity = &**this.activity;
            // Before what has moved: a body that ends has moved first.
            let may_rest = activity.may_rest();
            let moves = activity.moves.load(Relaxed);
            let open = activity.open.load(Relaxed);
            let quarter = quarters(now.duration_since(*this.began), this.limits.write);
            activity.quarter.store(quarter, Relaxed);
            if activity.is_left(quarter) {
                return Poll::Ready(Reached::Write);
            }
            let is_full = activity.is_full();
            let is_still = moves == *this.seen && open == 0 && !is_full;
            // Open answers have been looked at; only a full socket says more of them.
            if moves != *this.seen || open > 0 && !is_full {
                (*this.seen, *this.since) = (moves, now);
            }
            let (limit, reached) = match open > 0 || is_full {
                true => (this.limits.write, Reached::Write),
                false => (this.limits.idle, Reached::Idle),
            };
            if now.duration_since(*this.since) >= limit {
                return Poll::Ready(reached);
            }
            let may_rest = may_rest && moves != *this.rested;
            let next = match may_rest && !is_still {
                true => REST.min(round(this.limits)),
                false => round(this.limits),
            };
            this.sleep.as_mut().reset(look(now, next, *EPOCH));
            if may_rest && is_still {
                *this.rested = moves;
                return Poll::Ready(Reached::Rest);
            }
        }
    }
}

/// How many quarters of a limit have passed.
fn quarters(passed: Duration, limit: Duration) -> usize {
    let quarter = (limit.as_nanos() / 4).max(1);
    usize::try_from(passed.as_nanos() / quarter).unwrap_or(usize::MAX)
}

/// How often to look: a limit is kept to a quarter of it.
fn round(limits: &Limits) -> Duration {
    (limits.idle.min(limits.write) / 4).max(Duration::from_millis(1))
}

/// When to look again: a while from now, or a little sooner, when others look, too. To wake a thread that
/// sleeps costs more than many looks.
pub(crate) fn look(now: Instant, wait: Duration, epoch: Instant) -> Instant {
    let beat = BEAT.min(wait / 4).max(Duration::from_millis(1));
    let since = now.saturating_duration_since(epoch) + wait;
    let past = since.as_nanos() % beat.as_nanos();
    now + wait - Duration::from_nanos(u64::try_from(past).unwrap_or_default())
}

/// A service whose requests and answers are counted.
#[derive(Clone, Debug)]
pub(crate) struct Counted<S> {
    inner: S,
    activity: Arc<Activity>,
}

impl<S> Counted<S> {
    pub(crate) fn new(inner: S, activity: Arc<Activity>) -> Self {
        Self { inner, activity }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Counted<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ReqBody: Body,
{
    type Response = Response<Answer<ResBody>>;
    type Error = S::Error;
    type Future = Counting<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        if !self.activity.speaks_http2() && !request.body().is_end_stream() {
            let upload = Upload::begin(&self.activity);
            request.extensions_mut().insert(upload);
        }
        Counting {
            turn: Some(Turn::begin(&self.activity)),
            inner: self.inner.call(request),
        }
    }
}

/// A request until its answer is over.
#[derive(Debug)]
struct Turn {
    activity: Arc<Activity>,
    /// Since which quarter it is the client's. `None` while we are awaited.
    untaken: Option<usize>,
}

impl Turn {
    fn begin(activity: &Arc<Activity>) -> Self {
        activity.open.fetch_add(1, Relaxed);
        activity.has_moved();
        Self {
            activity: Arc::clone(activity),
            untaken: None,
        }
    }

    /// The client has taken what there was: more is awaited from us.
    fn wait(&mut self) {
        self.pass(None);
    }

    /// The client got a piece, and has to take it.
    fn go_on(&mut self) {
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

pin_project! {
    /// The response of [`Counted`].
    pub(crate) struct Counting<F> {
        // `None` once it is the answer's.
        turn: Option<Turn>,
        #[pin]
        inner: F,
    }
}

impl<F, B, E> Future for Counting<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Answer<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        let mut turn = this.turn.take();
        if let Some(turn) = &mut turn {
            turn.go_on();
            if turn.activity.is_ending.load(Relaxed) && !turn.activity.speaks_http2() {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
        }
        Poll::Ready(Ok(response.map(|body| Answer { body, turn })))
    }
}

pin_project! {
    /// An answer's body, counted as its client takes it.
    pub(crate) struct Answer<B> {
        #[pin]
        body: B,
        turn: Option<Turn>,
    }
}

impl<B: Body> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = this.body.poll_frame(cx);
        if let Some(turn) = this.turn {
            match frame.is_pending() {
                true => turn.wait(),
                false => turn.go_on(),
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
