//! Measuring one thing beside another.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Nothing here waits for anything.
pub(crate) fn now<F>(future: F) -> F::Output
where
    F: Future,
{
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!(),
    }
}

/// The mean time of a call of each, in its best round; the rounds take turns, so that a slow moment
/// of the machine slows all of them.
pub(crate) fn by_turns<const N: usize>(calls: [&dyn Fn(); N]) -> [Duration; N] {
    const ROUNDS: usize = 50;
    const CALLS: u32 = 200;
    let mut best = [Duration::MAX; N];
    for _ in 0..ROUNDS {
        for (best, call) in best.iter_mut().zip(calls) {
            let start = Instant::now();
            (0..CALLS).for_each(|_| call());
            *best = (*best).min(start.elapsed() / CALLS);
        }
    }
    best
}
