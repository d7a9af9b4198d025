use std::collections::HashMap;
use std::collections::hash_map;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::error::{Cause, TenantLoadError};
use crate::facade::OmneoId;
use crate::tenant::TenantKey;

/// The result of a load; `None` if the tenant does not exist.
pub(in crate::tenants) type Outcome = Result<Option<OmneoId<()>>, TenantLoadError>;

/// The loads in flight, one per key.
#[derive(Clone, Default)]
pub(super) struct Loads(Arc<Mutex<HashMap<TenantKey, Running>>>);

struct Running {
    kind: Kind,
    outcome: watch::Receiver<Option<Outcome>>,
}

/// A refresh has no request that waits for it, and does not wait for a slot. Each kind has a limit
/// of its own, so that requests with unknown keys do not stop the refreshes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Load,
    Refresh,
}

/// A load in flight, for a caller that needs its outcome.
pub(in crate::tenants) struct PendingLoad(watch::Receiver<Option<Outcome>>);

/// A load in flight, for the task that performs it. Dropped without an outcome, the load has
/// failed.
pub(super) struct LoadTicket {
    loads: Loads,
    key: TenantKey,
    outcome: watch::Sender<Option<Outcome>>,
}

impl Loads {
    /// Joins the load of this key. With a ticket, the caller is the first one and performs it.
    ///
    /// # Errors
    /// If `max` loads of this kind are in flight or wait for a slot.
    pub(super) fn join(
        &self,
        key: TenantKey,
        kind: Kind,
        max: usize,
    ) -> Result<(PendingLoad, Option<LoadTicket>), TenantLoadError> {
        let mut running = self.lock();
        let is_full = running.len() >= max
            && running.values().filter(|load| load.kind == kind).count() >= max;
        match running.entry(key) {
            hash_map::Entry::Occupied(load) => Ok((PendingLoad(load.get().outcome.clone()), None)),
            hash_map::Entry::Vacant(_) if is_full => Err(TenantLoadError::new(Cause::Busy(max))),
            hash_map::Entry::Vacant(vacant) => {
                let (sender, outcome) = watch::channel(None);
                let pending = PendingLoad(outcome.clone());
                vacant.insert(Running { kind, outcome });
                let ticket = LoadTicket {
                    loads: self.clone(),
                    key,
                    outcome: sender,
                };
                Ok((pending, Some(ticket)))
            }
        }
    }

    /// The number of loads and refreshes in flight, and of loads that wait for a slot.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantKey, Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PendingLoad {
    /// The outcome, when the load has ended.
    pub(in crate::tenants) async fn outcome(mut self) -> Outcome {
        let outcome = self.0.wait_for(Option::is_some).await;
        let outcome = outcome.ok().and_then(|outcome| outcome.clone());
        outcome.unwrap_or_else(|| Err(TenantLoadError::new(Cause::Aborted)))
    }
}

impl LoadTicket {
    /// Ends the load. The outcome is in the cache already: the next caller starts a new load.
    pub(super) fn finish(self, outcome: Outcome) {
        self.loads.lock().remove(&self.key);
        self.outcome.send_replace(Some(outcome));
    }
}

impl Drop for LoadTicket {
    fn drop(&mut self) {
        if self.outcome.borrow().is_none() {
            self.loads.lock().remove(&self.key);
        }
    }
}
