use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A limit of calls in flight that several services share, with a guaranteed share for each.
///
/// Half of the permits is divided equally among the member services: the guaranteed permits. The
/// others are common. A call takes a guaranteed permit of its service, or else a common one, or
/// else it is rejected with 503, as a call above the service's own limit is. Stalled calls of one
/// tenant can use only its own permits and the common ones: those of the other tenants are free.
///
/// With fewer permits than two per member, none is guaranteed, all are common, and stalled calls
/// of one tenant can use all of them. [`CallBudgetStats::guaranteed`] is then 0: check it after the
/// members have joined.
///
/// A service is a member from [`Upstream::with_call_budget`](crate::Upstream::with_call_budget) or
/// [`OmneoIdBuilder::call_budget`](crate::OmneoIdBuilder::call_budget) until its last clone is
/// dropped and its last call has ended. Each new member makes the shares of the others smaller.
/// Calls that began before keep their permits, so until they end up to 1.5 times the total can be
/// in flight.
///
/// Clones share the permits.
///
/// ```
/// use omneo_id::client::HttpClient;
/// use omneo_id::upstream::CallBudget;
/// use omneo_id::{ApiToken, Tenant, Upstream};
///
/// let budget = CallBudget::new(1000);
/// let client = HttpClient::new()?;
/// let acme = Tenant::new("https://api.acme.getomneo.com", ApiToken::new("secret")?)?;
/// let acme = Upstream::new(client.clone(), acme).with_call_budget(&budget);
/// let brand = Tenant::new("https://api.brand.getomneo.com", ApiToken::new("secret")?)?;
/// let brand = Upstream::new(client, brand).with_call_budget(&budget);
/// assert_eq!((budget.stats().members, budget.stats().guaranteed), (2, 250));
/// # Ok::<(), omneo_id::error::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct CallBudget(Arc<Shared>);

struct Shared {
    total: usize,
    members: AtomicUsize,
    /// The common permits in use.
    common_in_use: AtomicUsize,
}

/// A snapshot of the gauges of a [`CallBudget`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallBudgetStats {
    /// The number of permits.
    pub total: usize,
    /// The number of member services.
    pub members: usize,
    /// The guaranteed permits of each member. 0 if `total` is less than twice `members`.
    pub guaranteed: usize,
    /// The number of common permits.
    pub common: usize,
    /// The common permits in use. After a new member has joined, it can exceed `common`.
    pub common_in_use: usize,
}

impl CallBudget {
    /// A budget of `total` calls in flight.
    pub fn new(total: usize) -> Self {
        Self(Arc::new(Shared {
            total,
            members: AtomicUsize::new(0),
            common_in_use: AtomicUsize::new(0),
        }))
    }

    /// A snapshot for gauges.
    pub fn stats(&self) -> CallBudgetStats {
        let members = self.0.members.load(Ordering::Relaxed);
        let guaranteed = self.0.guaranteed();
        CallBudgetStats {
            total: self.0.total,
            members,
            guaranteed,
            common: self.0.common(guaranteed),
            common_in_use: self.0.common_in_use.load(Ordering::Relaxed),
        }
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Adds a member.
    pub(super) fn join(&self) -> Member {
        self.0.members.fetch_add(1, Ordering::Relaxed);
        Member {
            budget: self.clone(),
            guaranteed_in_use: AtomicUsize::new(0),
        }
    }
}

impl Shared {
    /// The guaranteed permits of each member.
    fn guaranteed(&self) -> usize {
        let members = self.members.load(Ordering::Relaxed);
        (self.total / 2).checked_div(members).unwrap_or_default()
    }

    /// The common permits: all that are not guaranteed, the remainder of the division included.
    fn common(&self, guaranteed: usize) -> usize {
        let members = self.members.load(Ordering::Relaxed);
        self.total
            .saturating_sub(guaranteed.saturating_mul(members))
    }
}

/// A service with guaranteed permits. Dropped when the service has no clone and no call left.
pub(super) struct Member {
    budget: CallBudget,
    guaranteed_in_use: AtomicUsize,
}

/// The permit that a call has taken. Its owner returns it with [`Member::release`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permit {
    Guaranteed,
    Common,
}

impl Member {
    /// Takes a guaranteed permit, else a common one. `None`: both are used up.
    pub(super) fn try_acquire(&self) -> Option<Permit> {
        let shared = &self.budget.0;
        let guaranteed = shared.guaranteed();
        if increment_below(&self.guaranteed_in_use, guaranteed) {
            return Some(Permit::Guaranteed);
        }
        increment_below(&shared.common_in_use, shared.common(guaranteed)).then_some(Permit::Common)
    }

    /// Returns a permit of this member.
    pub(super) fn release(&self, permit: Permit) {
        let in_use = match permit {
            Permit::Guaranteed => &self.guaranteed_in_use,
            Permit::Common => &self.budget.0.common_in_use,
        };
        in_use.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn budget(&self) -> &CallBudget {
        &self.budget
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.budget.0.members.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Increments a counter unless it has reached the limit. The counter never exceeds the limit, so
/// that concurrent attempts above the limit cannot make one below it fail.
fn increment_below(counter: &AtomicUsize, limit: usize) -> bool {
    let next = |count: usize| (count < limit).then_some(count + 1);
    let updated = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    updated.is_ok()
}

impl fmt::Debug for CallBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.stats();
        f.debug_struct("CallBudget")
            .field("total", &stats.total)
            .field("members", &stats.members)
            .finish_non_exhaustive()
    }
}
