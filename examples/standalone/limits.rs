//! The timeouts of a connection. One timer per connection fires a few times within a timeout and
//! compares counters with their last values. A request updates counters and needs no clock and no
//! timer of its own.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::activity::{Activity, Look};
use crate::config::Limits;

/// An HTTP/1.1 connection that is idle for this long, or for up to twice as long, frees its
/// buffers.
const REST: Duration = Duration::from_secs(5);
/// How long a connection that was told to close may stay open without a request: time for the round
/// trip of HTTP/2's graceful shutdown (RFC 9113 §6.8).
const CLOSE: Duration = Duration::from_secs(1);
/// A timeout is reported at most this late.
const LATE: Duration = Duration::from_millis(10);
/// The looks of all connections are aligned to multiples of this, counted from `EPOCH`.
const BEAT: Duration = Duration::from_millis(100);
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The timeout that a connection has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// No timeout: the connection is idle and may free its buffers. Reported once per idle period.
    Rest,
    /// Between two requests.
    Idle,
    /// Without a first request, or with an unfinished head.
    Header,
    /// With an answer that the client does not read.
    Write,
}

pin_project! {
    /// Reports the timeouts of a connection.
    pub(crate) struct Timer {
        activity: Arc<Activity>,
        limits: Limits,
        began: Instant,
        history: History,
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
            history: History::new(Instant::now()),
            is_set: false,
            sleep: sleep_until(next(Instant::now(), round(&limits), *EPOCH)),
        }
    }

    /// The connection has left its idle period: the next look is soon.
    pub(crate) fn wake(self: Pin<&mut Self>) {
        let this = self.project();
        *this.is_set = false;
        this.sleep
            .reset(next(Instant::now(), REST.min(round(this.limits)), *EPOCH));
    }

    /// From now on the connection closes as soon as it has no request, without regard to the other
    /// limits.
    pub(crate) fn close(self: Pin<&mut Self>) {
        let this = self.project();
        let now = Instant::now();
        this.history.is_closing = true;
        (this.history.seen, this.history.since) = (this.activity.moves(), now);
        *this.is_set = false;
        this.sleep.reset(now + CLOSE.min(round(this.limits)));
    }

    pub(crate) fn poll_reached(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reached> {
        let mut this = self.project();
        // A head that needs more than one read is rare: only then is the clock read here. The next
        // look is soon enough for its limit.
        if this.activity.has_head() != this.history.head.is_some() {
            this.history.head = this.activity.has_head().then(Instant::now);
        }
        // Polled with each poll of the connection: this check costs less than a poll of the sleep.
        if *this.is_set && !this.sleep.is_elapsed() {
            return Poll::Pending;
        }
        loop {
            *this.is_set = true;
            // Opt out of tokio's coop budget: with an exhausted budget the sleep would return
            // `Pending` without a registered waker.
            ready!(pin!(unconstrained(this.sleep.as_mut())).poll(cx));
            *this.is_set = false;
            let now = Instant::now();
            let quarter = quarters(now.duration_since(*this.began), this.limits.write);
            let look = this.activity.look(quarter);
            let (reached, wait) = this.history.judge(look, now, this.limits);
            this.sleep.as_mut().reset(next(now, wait, *EPOCH));
            if let Some(reached) = reached {
                return Poll::Ready(reached);
            }
        }
    }
}

/// The state of a connection as of the last look.
#[derive(Debug)]
struct History {
    /// The counter of moves, and when this value was first seen.
    seen: usize,
    since: Instant,
    /// The counter of moves when `Rest` was last reported.
    rested: usize,
    /// When the connection was accepted.
    began: Instant,
    /// When the first byte of an unfinished head arrived.
    head: Option<Instant>,
    /// A graceful shutdown has begun.
    is_closing: bool,
}

impl History {
    fn new(now: Instant) -> Self {
        Self {
            seen: 0,
            since: now,
            rested: 0,
            began: now,
            head: None,
            is_closing: false,
        }
    }

    /// The timeout that applies now, and the moment that it counts from.
    fn limit(&self, look: Look, limits: &Limits) -> (Reached, Duration, Instant) {
        if look.has_open || look.is_full {
            (Reached::Write, limits.write, self.since)
        } else if self.is_closing {
            (Reached::Idle, CLOSE, self.since)
        } else if !look.has_asked {
            (Reached::Header, limits.header, self.began)
        } else if let Some(head) = self.head {
            (Reached::Header, limits.header, head)
        } else {
            (Reached::Idle, limits.idle, self.since)
        }
    }

    /// The timeout that is reached, if any, and the time until the next look.
    fn judge(&mut self, look: Look, now: Instant, limits: &Limits) -> (Option<Reached>, Duration) {
        let round = round(limits);
        if look.is_left {
            return (Some(Reached::Write), round);
        }
        let has_moved = look.moves != self.seen;
        // An open answer counts as activity unless the socket is full; `is_left` covers the answers
        // that the client does not read.
        if has_moved || look.has_open && !look.is_full {
            (self.seen, self.since) = (look.moves, now);
        }
        let (reached, limit, since) = self.limit(look, limits);
        let left = limit.saturating_sub(now.duration_since(since));
        if left.is_zero() {
            return (Some(reached), round);
        }
        let wait = round.min(left.max(LATE));
        if !look.may_rest || look.moves == self.rested {
            return (None, wait);
        }
        if has_moved || look.has_open || look.is_full {
            return (None, REST.min(wait));
        }
        self.rested = look.moves;
        (Some(Reached::Rest), wait)
    }
}

/// How many quarters of a limit have passed.
fn quarters(passed: Duration, limit: Duration) -> usize {
    let quarter = (limit.as_nanos() / 4).max(1);
    usize::try_from(passed.as_nanos() / quarter).unwrap_or(usize::MAX)
}

/// The longest time between two looks: a quarter of the shortest timeout.
fn round(limits: &Limits) -> Duration {
    let shortest = limits.idle.min(limits.header).min(limits.write);
    (shortest / 4).max(Duration::from_millis(1))
}

/// The time of the next look: `wait` from now, or a little sooner, at the same moment as other
/// connections. Waking a thread costs more than many looks.
pub(crate) fn next(now: Instant, wait: Duration, epoch: Instant) -> Instant {
    let beat = BEAT.min(wait / 4).max(Duration::from_millis(1));
    let since = now.saturating_duration_since(epoch) + wait;
    let past = since.as_nanos() % beat.as_nanos();
    now + wait - Duration::from_nanos(u64::try_from(past).unwrap_or_default())
}
