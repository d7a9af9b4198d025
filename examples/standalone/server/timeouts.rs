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

use super::connection_activity::{ActivitySnapshot, ConnectionActivity};
use crate::config::Limits;

/// An HTTP/1.1 connection that is idle for this long, or for up to twice as long, frees its
/// buffers. Short against the idle timeout of 75 s, long against the pauses of a page load.
const IDLE_BUFFERS: Duration = Duration::from_secs(5);
/// How long a connection stays open without a request after its GOAWAY: time for the round trip of
/// HTTP/2's graceful shutdown (RFC 9113 §6.8).
const CLOSE: Duration = Duration::from_secs(1);
/// The shortest time between two checks; a timeout is reported at most this late.
const MIN_WAIT: Duration = Duration::from_millis(10);
/// The checks of all connections are aligned to multiples of this, counted from `EPOCH`: one
/// wake-up of the thread serves all of them.
const ALIGNMENT: Duration = Duration::from_millis(100);
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The event that the timer of a connection reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimerEvent {
    /// The connection is idle and can free its buffers. Reported once per idle period.
    ReleaseBuffers,
    /// The idle timeout, between two requests.
    IdleTimeout,
    /// The header timeout, before the first request or with an unfinished head.
    HeaderTimeout,
    /// The write timeout, with a response that the client does not read.
    WriteTimeout,
}

pin_project! {
    /// Reports when a connection reaches a timeout, or can free its buffers.
    pub(crate) struct ConnectionTimer {
        activity: Arc<ConnectionActivity>,
        limits: Limits,
        began: Instant,
        history: History,
        // The sleep has the waker of the current task.
        is_registered: bool,
        #[pin]
        sleep: Sleep,
    }
}

impl ConnectionTimer {
    pub(crate) fn new(activity: Arc<ConnectionActivity>, limits: Limits) -> Self {
        Self {
            activity,
            limits,
            began: Instant::now(),
            history: History::new(Instant::now()),
            is_registered: false,
            sleep: sleep_until(next_check(Instant::now(), interval(&limits), *EPOCH)),
        }
    }

    /// Shortens the wait for the next check: the connection is in use again.
    pub(crate) fn resume(self: Pin<&mut Self>) {
        let this = self.project();
        *this.is_registered = false;
        let wait = IDLE_BUFFERS.min(interval(this.limits));
        this.sleep.reset(next_check(Instant::now(), wait, *EPOCH));
    }

    /// Closes the connection as soon as it has no request in flight, instead of at its timeouts.
    pub(crate) fn close(self: Pin<&mut Self>) {
        let this = self.project();
        let now = Instant::now();
        this.history.is_closing = true;
        (this.history.progress, this.history.since) = (this.activity.progress(), now);
        *this.is_registered = false;
        this.sleep.reset(now + CLOSE.min(interval(this.limits)));
    }

    pub(crate) fn poll_event(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TimerEvent> {
        let mut this = self.project();
        // Reads the clock only for a head that needs more than one read, which is rare. The next
        // check is early enough for its timeout.
        if this.activity.has_partial_head() != this.history.head.is_some() {
            this.history.head = this.activity.has_partial_head().then(Instant::now);
        }
        // Polled with each poll of the connection: this check costs less than a poll of the sleep.
        if *this.is_registered && !this.sleep.is_elapsed() {
            return Poll::Pending;
        }
        loop {
            *this.is_registered = true;
            // Opt out of tokio's coop budget: with an exhausted budget the sleep would return
            // `Pending` without a registered waker.
            ready!(pin!(unconstrained(this.sleep.as_mut())).poll(cx));
            *this.is_registered = false;
            let now = Instant::now();
            let quarter = quarters(now.duration_since(*this.began), this.limits.write);
            let snapshot = this.activity.snapshot(quarter);
            let (event, wait) = this.history.check(snapshot, now, this.limits);
            this.sleep.as_mut().reset(next_check(now, wait, *EPOCH));
            if let Some(event) = event {
                return Poll::Ready(event);
            }
        }
    }
}

/// The state of a connection at the last check.
#[derive(Debug)]
struct History {
    /// The progress counter, and when this value was first seen.
    progress: usize,
    since: Instant,
    /// The progress counter when `ReleaseBuffers` was last reported.
    released: usize,
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
            progress: 0,
            since: now,
            released: 0,
            began: now,
            head: None,
            is_closing: false,
        }
    }

    /// The timeout that applies now, and the moment that it counts from.
    fn current(
        &self,
        snapshot: ActivitySnapshot,
        limits: &Limits,
    ) -> (TimerEvent, Duration, Instant) {
        if snapshot.has_open || snapshot.is_write_blocked {
            (TimerEvent::WriteTimeout, limits.write, self.since)
        } else if self.is_closing {
            (TimerEvent::IdleTimeout, CLOSE, self.since)
        } else if !snapshot.has_request {
            (TimerEvent::HeaderTimeout, limits.header, self.began)
        } else if let Some(head) = self.head {
            (TimerEvent::HeaderTimeout, limits.header, head)
        } else {
            (TimerEvent::IdleTimeout, limits.idle, self.since)
        }
    }

    /// The event to report, if any, and the time until the next check.
    fn check(
        &mut self,
        snapshot: ActivitySnapshot,
        now: Instant,
        limits: &Limits,
    ) -> (Option<TimerEvent>, Duration) {
        let interval = interval(limits);
        if snapshot.has_stalled {
            return (Some(TimerEvent::WriteTimeout), interval);
        }
        let has_progress = snapshot.progress != self.progress;
        // An open response counts as progress unless the socket is blocked; `has_stalled` covers
        // the responses that the client does not read.
        if has_progress || snapshot.has_open && !snapshot.is_write_blocked {
            (self.progress, self.since) = (snapshot.progress, now);
        }
        let (timeout, limit, since) = self.current(snapshot, limits);
        let left = limit.saturating_sub(now.duration_since(since));
        if left.is_zero() {
            return (Some(timeout), interval);
        }
        let wait = interval.min(left.max(MIN_WAIT));
        if !snapshot.can_release || snapshot.progress == self.released {
            return (None, wait);
        }
        if has_progress || snapshot.has_open || snapshot.is_write_blocked {
            return (None, IDLE_BUFFERS.min(wait));
        }
        self.released = snapshot.progress;
        (Some(TimerEvent::ReleaseBuffers), wait)
    }
}

/// The number of quarters of a timeout that have passed.
fn quarters(passed: Duration, limit: Duration) -> usize {
    let quarter = (limit.as_nanos() / 4).max(1);
    usize::try_from(passed.as_nanos() / quarter).unwrap_or(usize::MAX)
}

/// The longest time between two checks: a quarter of the shortest timeout.
fn interval(limits: &Limits) -> Duration {
    let shortest = limits.idle.min(limits.header).min(limits.write);
    (shortest / 4).max(Duration::from_millis(1))
}

/// The time of the next check: `wait` from now, or up to a quarter of it sooner, aligned with the
/// checks of other connections. A wake-up of a thread costs more than many checks.
pub(crate) fn next_check(now: Instant, wait: Duration, epoch: Instant) -> Instant {
    let alignment = ALIGNMENT.min(wait / 4).max(Duration::from_millis(1));
    let since = now.saturating_duration_since(epoch) + wait;
    let past = since.as_nanos() % alignment.as_nanos();
    now + wait - Duration::from_nanos(u64::try_from(past).unwrap_or_default())
}
