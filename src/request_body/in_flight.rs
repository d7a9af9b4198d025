use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::CallBudget;
use super::call_budget::{Member, Permit};

/// The limit of requests in flight to a tenant, and their current number.
#[derive(Clone)]
pub(crate) struct InFlight {
    max: usize,
    counter: Arc<Counter>,
}

struct Counter {
    now: AtomicUsize,
    /// The share of a budget of all tenants.
    member: Option<Member>,
}

/// Why a request was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitReached {
    /// The limit of requests in flight to the tenant.
    Tenant,
    /// The guaranteed permits of the tenant and the common permits of all tenants are in use.
    Budget,
}

impl InFlight {
    pub(crate) fn new(max: usize) -> Self {
        Self::with_member(max, None)
    }

    fn with_member(max: usize, member: Option<Member>) -> Self {
        let now = AtomicUsize::new(0);
        Self {
            max,
            counter: Arc::new(Counter { now, member }),
        }
    }

    /// A new count with this limit, and the same budget.
    pub(crate) fn with_max(&self, max: usize) -> Self {
        let member = self.counter.member.as_ref();
        Self::with_member(max, member.map(|member| member.budget().join()))
    }

    /// A new count with this budget, and the same limit.
    pub(crate) fn with_budget(&self, budget: &CallBudget) -> Self {
        Self::with_member(self.max, Some(budget.join()))
    }

    /// Continues another count, unless the budgets differ.
    pub(crate) fn continue_count(&mut self, other: &Self) {
        let budget = |in_flight: &Self| {
            let member = in_flight.counter.member.as_ref();
            member.map(|member| member.budget().clone())
        };
        let is_same = match (budget(self), budget(other)) {
            (Some(own), Some(other)) => own.is_same(&other),
            (None, None) => true,
            _ => false,
        };
        if is_same {
            self.counter = Arc::clone(&other.counter);
        }
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// The current number. It may include requests that are about to be rejected.
    pub(crate) fn count(&self) -> usize {
        self.counter.now.load(Ordering::Relaxed)
    }

    /// Counts a request as in flight until the guard is dropped.
    ///
    /// # Errors
    /// If the limit, or that of the budget, is reached.
    pub(crate) fn try_acquire(&self) -> Result<InFlightGuard, LimitReached> {
        // Counted before the check: above the limit, the drop of the guard reverts it.
        let before = self.counter.now.fetch_add(1, Ordering::Relaxed);
        let mut guard = InFlightGuard {
            counter: Arc::clone(&self.counter),
            permit: None,
        };
        if before >= self.max {
            return Err(LimitReached::Tenant);
        }
        if let Some(member) = &self.counter.member {
            let permit = member.try_acquire().ok_or(LimitReached::Budget)?;
            guard.permit = Some(permit);
        }
        Ok(guard)
    }
}

/// Held while a request is in flight.
pub(crate) struct InFlightGuard {
    counter: Arc<Counter>,
    /// `None` without a budget.
    permit: Option<Permit>,
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.counter.now.fetch_sub(1, Ordering::Relaxed);
        if let (Some(permit), Some(member)) = (self.permit, &self.counter.member) {
            member.release(permit);
        }
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight")
            .field("max", &self.max)
            .field("now", &self.count())
            .finish()
    }
}

impl fmt::Debug for InFlightGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlightGuard").finish_non_exhaustive()
    }
}
