//! The sign-ups in flight per address: bounds their number, and admits one creation at a time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::policy::CommsPolicy;
use crate::rejection::{Rejection, RejectionKind};

/// Sign-ups in flight per address. A person sends a few; the bound limits the work that an attacker
/// can start for one address.
const MAX_PER_ADDRESS: usize = 32;

/// The `Retry-After` of a 503: a creation usually completes within a second.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long a sign-up waits for the end of another creation: several times the usual duration of a
/// creation. A longer quantum of the uniform latency replaces it.
#[cfg(feature = "client")]
const MAX_WAIT: Duration = Duration::from_secs(5);

/// The sign-ups in flight, by address.
#[derive(Clone, Default)]
pub(super) struct AddressLimits(Arc<Mutex<HashMap<Arc<str>, AddressState>>>);

/// The sign-ups in flight of one address.
#[derive(Default)]
struct AddressState {
    count: usize,
    next_id: u64,
    is_creating: bool,
    /// Creations that have ended, successful or not, since this entry was inserted.
    creations_ended: u64,
    wakers: Vec<(u64, Waker)>,
}

impl AddressLimits {
    /// Counts a sign-up as in flight until the guard is dropped.
    ///
    /// # Errors
    /// 503 if [`MAX_PER_ADDRESS`] sign-ups of the address are in flight.
    pub(super) fn admit(&self, address: &str) -> Result<SignUpGuard, Rejection> {
        let address: Arc<str> = address.into();
        let mut addresses = self.lock();
        let entry = addresses.entry(Arc::clone(&address)).or_default();
        if entry.count >= MAX_PER_ADDRESS {
            return Err(busy("an address has too many sign-ups in flight"));
        }
        entry.count += 1;
        let id = entry.next_id;
        entry.next_id += 1;
        drop(addresses);
        Ok(SignUpGuard {
            in_flight: self.clone(),
            address,
            id,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, AddressState>> {
        // Every entry is consistent even after poisoning: no code panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn busy(reason: &'static str) -> Rejection {
    Rejection::new(RejectionKind::TenantBusy)
        .with_retry_after(RETRY_AFTER)
        .because_text(reason)
}

/// A sign-up in flight. Dropping the guard decrements the count of its address.
pub(super) struct SignUpGuard {
    in_flight: AddressLimits,
    address: Arc<str>,
    id: u64,
}

impl SignUpGuard {
    /// The number of creations of the address that have ended. A look-up that begins after this
    /// call finds their profiles.
    pub(super) fn creations_ended(&self) -> u64 {
        let mut addresses = self.in_flight.lock();
        addresses
            .get_mut(&self.address)
            .map_or(0, |address| address.creations_ended)
    }

    /// Begins a creation. `None` if another creation of the address is in progress, or has ended
    /// since `seen` was read from [`creations_ended`](Self::creations_ended).
    pub(super) fn begin_creation(&self, seen: u64) -> Option<CreationGuard<'_>> {
        let mut addresses = self.in_flight.lock();
        let address = addresses.get_mut(&self.address)?;
        let is_free = !address.is_creating && address.creations_ended == seen;
        address.is_creating |= is_free;
        is_free.then(|| CreationGuard(self))
    }

    /// Waits until the creation in progress has ended, or one has ended since `seen` was read.
    ///
    /// # Errors
    /// 503 after [`MAX_WAIT`]. Without the feature `client` the layer has no timer, and the wait
    /// lasts as long as the creation.
    pub(super) async fn wait_for_creation(
        &self,
        seen: u64,
        policy: &CommsPolicy,
    ) -> Result<(), Rejection> {
        let ended = poll_fn(|cx| self.poll_ended(seen, cx));
        #[cfg(feature = "client")]
        {
            // A 503 within the quantum would reveal that a profile is being created.
            let limit = policy.latency().unwrap_or_default().max(MAX_WAIT);
            let ended = tokio::time::timeout(limit, ended).await;
            ended.map_err(|_| busy("waiting for another creation of the profile timed out"))
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
        if !address.is_creating || address.creations_ended != seen {
            return Poll::Ready(());
        }
        match address.wakers.iter_mut().find(|(id, _)| *id == self.id) {
            Some((_, waker)) => waker.clone_from(cx.waker()),
            None => address.wakers.push((self.id, cx.waker().clone())),
        }
        Poll::Pending
    }
}

impl Drop for SignUpGuard {
    fn drop(&mut self) {
        let mut addresses = self.in_flight.lock();
        let Entry::Occupied(mut entry) = addresses.entry(Arc::clone(&self.address)) else {
            return;
        };
        let address = entry.get_mut();
        let index = address.wakers.iter().position(|(id, _)| *id == self.id);
        let waker = index.map(|index| address.wakers.swap_remove(index));
        address.count = address.count.saturating_sub(1);
        if address.count == 0 {
            entry.remove();
        }
        drop(addresses);
        // Dropping a waker may drop a task whose guard takes the lock, so the lock is released
        // first.
        drop(waker);
    }
}

/// A creation in progress. Dropping the guard ends it, and wakes the sign-ups that wait for its
/// end.
pub(super) struct CreationGuard<'a>(&'a SignUpGuard);

impl Drop for CreationGuard<'_> {
    fn drop(&mut self) {
        let mut addresses = self.0.in_flight.lock();
        let Some(address) = addresses.get_mut(&self.0.address) else {
            return;
        };
        address.is_creating = false;
        address.creations_ended += 1;
        let wakers = std::mem::take(&mut address.wakers);
        drop(addresses);
        for (_, waker) in wakers {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(guard: &SignUpGuard, seen: u64) -> Poll<()> {
        guard.poll_ended(seen, &mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn the_sign_ups_in_flight_of_an_address_are_bounded() {
        let in_flight = AddressLimits::default();
        let mut guards: Vec<_> = (0..MAX_PER_ADDRESS)
            .map(|_| in_flight.admit("a").unwrap())
            .collect();
        let rejection = in_flight.admit("a").err().unwrap();
        assert_eq!(rejection.kind(), RejectionKind::TenantBusy);
        assert!(in_flight.admit("b").is_ok());
        guards.pop();
        assert!(in_flight.admit("a").is_ok());
        drop(guards);
        assert!(in_flight.lock().is_empty());
    }

    #[test]
    fn one_creation_of_an_address_is_in_progress_at_a_time() {
        let in_flight = AddressLimits::default();
        let [first, second, other] = ["a", "a", "b"].map(|key| in_flight.admit(key).unwrap());
        let creation = first.begin_creation(0).unwrap();
        assert!(second.begin_creation(0).is_none());
        assert!(other.begin_creation(0).is_some());
        assert!(poll(&second, 0).is_pending());
        drop(creation);
        assert!(poll(&second, 0).is_ready());
        assert!(
            second.begin_creation(0).is_none(),
            "the look-up is outdated"
        );
        assert_eq!(second.creations_ended(), 1);
        assert!(second.begin_creation(1).is_some());
    }

    #[test]
    fn a_dropped_sign_up_removes_its_waker() {
        let in_flight = AddressLimits::default();
        let [first, second] = ["a", "a"].map(|key| in_flight.admit(key).unwrap());
        let creation = first.begin_creation(0).unwrap();
        for _ in 0..3 {
            assert!(poll(&second, 0).is_pending());
        }
        let wakers = || in_flight.lock()["a"].wakers.len();
        assert_eq!(wakers(), 1);
        drop(second);
        assert_eq!(wakers(), 0);
        drop(creation);
        drop(first);
        assert!(in_flight.lock().is_empty());
    }
}
