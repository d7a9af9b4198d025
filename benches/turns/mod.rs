//! Measures several calls in alternation.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// The output of a future that is ready at once.
pub(crate) fn now<F>(future: F) -> F::Output
where
    F: Future,
{
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("the services here respond immediately"),
    }
}

/// For each call, the mean time in its best round. The rounds alternate, so that a slow phase of
/// the machine affects all calls.
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
