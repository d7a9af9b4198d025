//! One after another, by key.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// KeyedMutex over keys: whoever comes while another has a key's turn waits, in order of arrival.
///
/// A key is remembered as long as somebody has or wants its turn, so there are never more keys or
/// waiters than requests in flight.
#[derive(Clone, Default)]
pub(super) struct KeyedMutex(Arc<Mutex<HashMap<Arc<str>, Queue>>>);

/// Those who want the turn; the first of them has it.
#[derive(Default)]
struct Queue {
    /// In the order in which they came, so sorted.
    places: VecDeque<(u64, Option<Waker>)>,
    next: u64,
}

impl KeyedMutex {
    /// Waits for the turn over this key. It is over when it is dropped, and so is the waiting.
    pub(super) fn take(&self, key: &str) -> KeyedMutexLock {
        let key: Arc<str> = key.into();
        let mut queues = self.lock();
        let queue = queues.entry(Arc::clone(&key)).or_default();
        let place = queue.next;
        let is_first = queue.places.is_empty();
        queue.next += 1;
        queue.places.push_back((place, None));
        drop(queues);
        let turn = KeyedMutexGuard {
            turns: self.clone(),
            key,
            place,
        };
        KeyedMutexLock {
            turn: Some(turn),
            is_first,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Queue>> {
        // Nothing in here can leave a queue half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the queue. It becomes the turn when it is the first.
pub(super) struct KeyedMutexGuard {
    turns: KeyedMutex,
    key: Arc<str>,
    place: u64,
}

impl KeyedMutexGuard {
    /// Whether others are before it. Then this task is woken when it is the first.
    fn must_wait(&self, cx: &mut Context<'_>) -> bool {
        let mut queues = self.turns.lock();
        let Some(Queue { places, .. }) = queues.get_mut(&self.key) else {
            return false;
        };
        let is_first = places
            .front()
            .is_some_and(|(place, _)| *place == self.place);
        let own = places.binary_search_by_key(&self.place, |(place, _)| *place);
        if let Some((_, waker)) = own.ok().and_then(|own| places.get_mut(own)) {
            *waker = (!is_first).then(|| cx.waker().clone());
        }
        !is_first
    }
}

impl Drop for KeyedMutexGuard {
    fn drop(&mut self) {
        let mut queues = self.turns.lock();
        let Entry::Occupied(mut queue) = queues.entry(Arc::clone(&self.key)) else {
            return;
        };
        let places = &mut queue.get_mut().places;
        if let Ok(own) = places.binary_search_by_key(&self.place, |(place, _)| *place) {
            places.remove(own);
        }
        let first = places.front_mut().and_then(|(_, waker)| waker.take());
        if places.is_empty() {
            queue.remove();
        }
        drop(queues);
        if let Some(waker) = first {
            waker.wake();
        }
    }
}

/// Waits for a [`KeyedMutexGuard`].
pub(super) struct KeyedMutexLock {
    // `None` once it has been given out.
    turn: Option<KeyedMutexGuard>,
    // Nobody was there before, so there is nothing to wait for.
    is_first: bool,
}

impl Future for KeyedMutexLock {
    type Output = KeyedMutexGuard;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.is_first
            && let Some(turn) = &self.turn
            && turn.must_wait(cx)
        {
            return Poll::Pending;
        }
        // Polled after completion, which the contract of `Future` leaves open: never again.
        self.turn.take().map_or(Poll::Pending, Poll::Ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(take: &mut KeyedMutexLock) -> Poll<KeyedMutexGuard> {
        Pin::new(take).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn the_second_waits_until_the_first_is_done() {
        let turns = KeyedMutex::default();
        let (mut first, mut second, mut other) =
            (turns.take("a"), turns.take("a"), turns.take("b"));
        let Poll::Ready(turn) = poll(&mut first) else {
            panic!("nobody was there before");
        };
        assert!(poll(&mut second).is_pending());
        assert!(poll(&mut other).is_ready());
        drop(turn);
        assert!(poll(&mut second).is_ready());
    }

    #[test]
    fn those_who_leave_the_queue_are_passed_over_and_nothing_is_left_behind() {
        let turns = KeyedMutex::default();
        let (mut first, mut second, mut third) =
            (turns.take("a"), turns.take("a"), turns.take("a"));
        let turn = poll(&mut first);
        assert!(poll(&mut second).is_pending());
        assert!(poll(&mut third).is_pending());
        drop(second);
        drop(turn);
        let Poll::Ready(turn) = poll(&mut third) else {
            panic!("the second has left");
        };
        drop(turn);
        assert!(turns.lock().is_empty());
    }

    #[test]
    fn a_turn_that_was_given_and_never_taken_is_passed_on() {
        let turns = KeyedMutex::default();
        let (first, mut second) = (turns.take("a"), turns.take("a"));
        assert!(poll(&mut second).is_pending());
        drop(first);
        assert!(poll(&mut second).is_ready());
        drop(second);
        assert!(turns.lock().is_empty());
    }
}
