//! The state that all handles of a set share, and one synchronization with its store.

use std::sync::Arc;
use std::time::Duration;

use super::set::Set;
use super::store_state::StoreState;
use super::{Revocation, RevocationStore};
use crate::clock::Clock;
use crate::error::BoxError;

pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) set: Set,
    pub(super) store_state: StoreState,
}

#[derive(Clone)]
pub(super) struct Config {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) capacity: usize,
    pub(super) store: Option<Arc<dyn RevocationStore>>,
    pub(super) sync_interval: Duration,
    /// How long the store may be unreadable before verifiers reject all tokens, in seconds.
    /// `None`: they never do.
    pub(super) tolerance: Option<u64>,
}

impl Shared {
    pub(super) fn new(config: Config) -> Self {
        Self {
            set: Set::new(config.capacity),
            store_state: StoreState::new(),
            config,
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.config.clock.now()
    }

    pub(super) fn store(&self) -> Option<&dyn RevocationStore> {
        self.config.store.as_deref()
    }

    /// Whether the store has been read completely once. Always true without a store.
    pub(super) fn is_synchronized(&self) -> bool {
        self.store().is_none() || self.store_state.last_read().is_some()
    }

    pub(super) async fn synchronize_once(
        &self,
        store: &dyn RevocationStore,
    ) -> Result<(), BoxError> {
        self.set.table().evict_expired(self.now());
        let written = self.write_queued(store).await;
        // Also after a failed write: a store that is full can be read.
        let read = self.read(store).await;
        match &read {
            Ok(()) => self.store_state.succeed(self.now()),
            Err(_) => self.store_state.fail(),
        }
        read.and(written)
    }

    async fn write_queued(&self, store: &dyn RevocationStore) -> Result<(), BoxError> {
        while let Some(revocation) = self.next_unwritten() {
            store.write(&revocation).await?;
            let mut unwritten = self.store_state.unwritten();
            if unwritten.front() == Some(&revocation) {
                unwritten.pop_front();
            }
        }
        Ok(())
    }

    async fn read(&self, store: &dyn RevocationStore) -> Result<(), BoxError> {
        let mut receiver = |revocations| self.receive(revocations);
        match self.is_synchronized() {
            true => store.read_new(&mut receiver).await,
            false => store.read_all(&mut receiver).await,
        }
    }

    /// The first queued revocation that has not expired.
    fn next_unwritten(&self) -> Option<Revocation> {
        let now = self.now();
        let mut unwritten = self.store_state.unwritten();
        while unwritten.front()?.expires_at() <= now {
            unwritten.pop_front();
        }
        unwritten.front().cloned()
    }

    pub(super) fn receive(&self, revocations: Vec<Revocation>) {
        for revocation in revocations {
            if self.set.apply(&revocation, self.now()).is_err() && self.store_state.overflow() {
                log_overflow();
            }
        }
    }
}

fn log_overflow() {
    #[cfg(feature = "tracing")]
    tracing::error!(
        "the set of revocations is full: sessions that other processes have ended continue here"
    );
}
