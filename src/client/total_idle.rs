use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The idle connections of all origins and both protocols, in the order in which they became idle.
/// Above the limit, the oldest is closed.
///
/// Lock order: a pool adds and drops entries under its own lock. No lock is held while a connection
/// is closed.
pub(super) struct TotalIdle {
    max: usize,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    next_id: u64,
    owners: BTreeMap<u64, Weak<dyn IdleOwner>>,
}

/// The pool of idle connections. A trait, so that this file does not import the pools.
pub(super) trait IdleOwner: Send + Sync {
    /// Closes the connection of this entry, unless it is in use again.
    fn close_idle(self: Arc<Self>, entry: u64);
}

/// Counts an idle connection until it is dropped.
pub(super) struct IdleEntry {
    id: u64,
    total: Arc<TotalIdle>,
}

/// The oldest idle connection, which is above the limit.
#[must_use = "the connection has to be closed"]
pub(super) struct Excess {
    id: u64,
    owner: Weak<dyn IdleOwner>,
}

impl TotalIdle {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            entries: Mutex::default(),
        }
    }

    /// Counts a connection of `owner` that has become idle. Above the limit, the oldest one is
    /// removed from the count, and the caller closes it. With a limit of 0, it is the added one.
    pub(super) fn add(self: &Arc<Self>, owner: Weak<dyn IdleOwner>) -> (IdleEntry, Option<Excess>) {
        let mut entries = self.lock();
        let id = entries.next_id;
        entries.next_id += 1;
        entries.owners.insert(id, owner);
        let excess = match entries.owners.len() > self.max {
            true => entries.owners.pop_first(),
            false => None,
        };
        drop(entries);
        let total = Arc::clone(self);
        let excess = excess.map(|(id, owner)| Excess { id, owner });
        (IdleEntry { id, total }, excess)
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IdleEntry {
    pub(super) fn id(&self) -> u64 {
        self.id
    }
}

impl Drop for IdleEntry {
    fn drop(&mut self) {
        self.total.lock().owners.remove(&self.id);
    }
}

impl Excess {
    /// Closes the connection. The caller holds no lock of a pool.
    pub(super) fn close(self) {
        if let Some(owner) = self.owner.upgrade() {
            owner.close_idle(self.id);
        }
    }
}
