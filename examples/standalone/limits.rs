//! How long a connection may do nothing: one timer for each, which fires a few times in the life of a
//! limit and looks whether anything has moved since. A request costs counters, no clock and no timer.

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

/// Nothing has moved for this long, or for up to twice as long: what is kept for the next request is
/// kept for a client that may never come back.
const REST: Duration = Duration::from_secs(5);
/// Connections look at the same moments, this far apart, which all count from the same one.
const BEAT: Duration = Duration::from_millis(100);
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

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
            history: History {
                seen: 0,
                since: Instant::now(),
                rested: 0,
            },
            is_set: false,
            sleep: sleep_until(next(Instant::now(), round(&limits), *EPOCH)),
        }
    }

    /// Looks soon: a connection that rested is of use again.
    pub(crate) fn wake(self: Pin<&mut Self>) {
        let this = self.project();
        *this.is_set = false;
        this.sleep
            .reset(next(Instant::now(), REST.min(round(this.limits)), *EPOCH));
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

/// What is known of a connection from looks at it.
#[derive(Debug)]
struct History {
    /// What had moved, and when that was first seen.
    seen: usize,
    since: Instant,
    /// What had moved when it was told to rest.
    rested: usize,
}

impl History {
    /// What it has come to, if to anything, and how long to wait for the next look.
    fn judge(&mut self, look: Look, now: Instant, limits: &Limits) -> (Option<Reached>, Duration) {
        let round = round(limits);
        if look.is_left {
            return (Some(Reached::Write), round);
        }
        let has_moved = look.moves != self.seen;
        // Open answers have been looked at; only a full socket says more of them.
        if has_moved || look.has_open && !look.is_full {
            (self.seen, self.since) = (look.moves, now);
        }
        let is_busy = look.has_open || look.is_full;
        let (limit, reached) = match is_busy {
            true => (limits.write, Reached::Write),
            false => (limits.idle, Reached::Idle),
        };
        if now.duration_since(self.since) >= limit {
            return (Some(reached), round);
        }
        if !look.may_rest || look.moves == self.rested {
            return (None, round);
        }
        if has_moved || is_busy {
            return (None, REST.min(round));
        }
        self.rested = look.moves;
        (Some(Reached::Rest), round)
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
pub(crate) fn next(now: Instant, wait: Duration, epoch: Instant) -> Instant {
    let beat = BEAT.min(wait / 4).max(Duration::from_millis(1));
    let since = now.saturating_duration_since(epoch) + wait;
    let past = since.as_nanos() % beat.as_nanos();
    now + wait - Duration::from_nanos(u64::try_from(past).unwrap_or_default())
}
