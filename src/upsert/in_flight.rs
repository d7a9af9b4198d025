//! The sign-ups in flight, by address: a bound on their number, and one creation at a time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::policy::CommsPolicy;
use crate::rejection::{Rejection, RejectionKind};

/// Sign-ups of one address that are admitted at the same time.
const MAX_PER_ADDRESS: usize = 32;

/// When a client that was turned away may try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long a sign-up waits for another one's creation, or for one quantum of a uniform latency if
/// that is longer.
#[cfg(feature = "client")]
const MAX_WAIT: Duration = Duration::from_secs(5);

/// The sign-ups in flight of every address.
#[derive(Clone, Default)]
pub(super) struct InFlight(Arc<Mutex<HashMap<Arc<str>, Address>>>);

/// The sign-ups in flight of one address.
#[derive(Default)]
struct Address {
    count: usize,
    next_id: u64,
    is_creating: bool,
    /// Creations that have ended since this entry exists, whether or not they succeeded.
    ended: u64,
    waiting: Vec<(u64, Waker)>,
}

impl InFlight {
    /// Admits a sign-up, until the guard is dropped.
    ///
    /// # Errors
    /// 503 if the address has as many sign-ups in flight as are admitted.
    pub(super) fn admit(&self, address: &str) -> Result<InFlightGuard, Rejection> {
        let address: Arc<str> = address.into();
        let mut addresses = self.lock();
        let entry = addresses.entry(Arc::clone(&address)).or_default();
        if entry.count >= MAX_PER_ADDRESS {
            return Err(busy("an address has too many sign-ups at the same time"));
        }
        entry.count += 1;
        let id = entry.next_id;
        entry.next_id += 1;
        drop(addresses);
        Ok(InFlightGuard {
            in_flight: self.clone(),
            address,
            id,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Address>> {
        // No entry is left half changed: nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn busy(why: &'static str) -> Rejection {
    Rejection::new(RejectionKind::TenantBusy)
        .with_retry_after(RETRY_AFTER)
        .because(Crowded(why))
}

/// A sign-up in flight. Dropping it gives its place back.
pub(super) struct InFlightGuard {
    in_flight: InFlight,
    address: Arc<str>,
    id: u64,
}

impl InFlightGuard {
    /// How many creations of the address have ended. A look-up that begins now sees their profiles.
    pub(super) fn creations_ended(&self) -> u64 {
        let mut addresses = self.in_flight.lock();
        addresses
            .get_mut(&self.address)
            .map_or(0, |address| address.ended)
    }

    /// Begins the creation of the profile, unless another sign-up of the address is creating it, or
    /// has ended a creation since `seen` was read.
    pub(super) fn try_create(&self, seen: u64) -> Option<CreationGuard<'_>> {
        let mut addresses = self.in_flight.lock();
        let address = addresses.get_mut(&self.address)?;
        let is_free = !address.is_creating && address.ended == seen;
        address.is_creating |= is_free;
        is_free.then(|| CreationGuard(self))
    }

    /// Waits until the creation that was in progress has ended.
    ///
    /// # Errors
    /// 503 if that takes too long. Without the feature `client` there is no timer, and the creation
    /// itself is the bound.
    pub(super) async fn creation_ended(
        &self,
        seen: u64,
        policy: &CommsPolicy,
    ) -> Result<(), Rejection> {
        let ended = poll_fn(|cx| self.poll_ended(seen, cx));
        #[cfg(feature = "client")]
        {
            // Within the quantum, waiting must stay unseen: it tells that a profile is created.
            let limit = policy.latency().unwrap_or_default().max(MAX_WAIT);
            let ended = tokio::time::timeout(limit, ended).await;
            ended.map_err(|_| busy("the creation of the profile takes too long"))
        }
        #[cfg(not(feature = "client"))]
        {
            let _ = policy;
            ended.await;
            Ok(())
        }
    }

    fn poll_ended(&self, seen: u64, cx: &mut Context<'_>) -> Poll<()> {
        let mut addresses = self.in_flight.lock();
        let Some(address) = addresses.get_mut(&self.address) else {
            return Poll::Ready(());
        };
        if !address.is_creating || address.ended != seen {
            return Poll::Ready(());
        }
        match address.waiting.iter_mut().find(|(id, _)| *id == self.id) {
            Some((_, waker)) => waker.clone_from(cx.waker()),
            None => address.waiting.push((self.id, cx.waker().clone())),
        }
        Poll::Pending
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        let mut addresses = self.in_flight.lock();
        let Entry::Occupied(mut entry) = addresses.entry(Arc::clone(&self.address)) else {
            return;
        };
        let address = entry.get_mut();
        let own = address.waiting.iter().position(|(id, _)| *id == self.id);
        let waker = own.map(|own| address.waiting.swap_remove(own));
        address.count = address.count.saturating_sub(1);
        if address.count == 0 {
            entry.remove();
        }
        drop(addresses);
        // Dropping a waker may drop a task, which must not find the lock held.
        drop(waker);
    }
}

/// The creation of a profile. Dropping it wakes the sign-ups that wait for its end.
pub(super) struct CreationGuard<'a>(&'a InFlightGuard);

impl Drop for CreationGuard<'_> {
    fn drop(&mut self) {
        let mut addresses = self.0.in_flight.lock();
        let Some(address) = addresses.get_mut(&self.0.address) else {
            return;
        };
        address.is_creating = false;
        address.ended += 1;
        let waiting = std::mem::take(&mut address.waiting);
        drop(addresses);
        for (_, waker) in waiting {
            waker.wake();
        }
    }
}

/// Why a sign-up was turned away. For the operator.
#[derive(Debug)]
struct Crowded(&'static str);

impl fmt::Display for Crowded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Crowded {}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(guard: &InFlightGuard, seen: u64) -> Poll<()> {
        guard.poll_ended(seen, &mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn the_number_of_sign_ups_of_an_address_is_bounded() {
        let in_flight = InFlight::default();
        let mut crowd: Vec<_> = (0..MAX_PER_ADDRESS)
            .map(|_| in_flight.admit("a").unwrap())
            .collect();
        let rejection = in_flight.admit("a").err().unwrap();
        assert_eq!(rejection.kind(), RejectionKind::TenantBusy);
        assert!(in_flight.admit("b").is_ok());
        crowd.pop();
        assert!(in_flight.admit("a").is_ok());
        drop(crowd);
        assert!(in_flight.lock().is_empty());
    }

    #[test]
    fn creations_of_an_address_exclude_each_other() {
        let in_flight = InFlight::default();
        let [first, second, other] = ["a", "a", "b"].map(|key| in_flight.admit(key).unwrap());
        let creation = first.try_create(0).unwrap();
        assert!(second.try_create(0).is_none());
        assert!(other.try_create(0).is_some());
        assert!(poll(&second, 0).is_pending());
        drop(creation);
        assert!(poll(&second, 0).is_ready());
        assert!(second.try_create(0).is_none(), "its look-up is outdated");
        assert_eq!(second.creations_ended(), 1);
        assert!(second.try_create(1).is_some());
    }

    #[test]
    fn a_sign_up_that_leaves_keeps_no_waker() {
        let in_flight = InFlight::default();
        let [first, second] = ["a", "a"].map(|key| in_flight.admit(key).unwrap());
        let creation = first.try_create(0).unwrap();
        for _ in 0..3 {
            assert!(poll(&second, 0).is_pending());
        }
        let waiting = || in_flight.lock()["a"].waiting.len();
        assert_eq!(waiting(), 1);
        drop(second);
        assert_eq!(waiting(), 0);
        drop(creation);
        drop(first);
        assert!(in_flight.lock().is_empty());
    }
}
