use super::{Revocation, RevocationStore, Revocations};
use crate::error::BoxError;

impl Revocations {
    /// Writes the revocations that the store did not accept before, then reads the store once: all
    /// revocations at the first time, then the new ones.
    ///
    /// `synchronize` (feature `client`) does so at intervals; this method is for a host without
    /// tokio. It has no effect without a store.
    ///
    /// # Errors
    /// If the store cannot be written or read.
    pub async fn read_store(&self) -> Result<(), BoxError> {
        match self.store() {
            Some(store) => self.exchange(store).await,
            None => Ok(()),
        }
    }

    pub(super) async fn exchange(&self, store: &dyn RevocationStore) -> Result<(), BoxError> {
        self.evict_expired();
        let written = self.write_queued(store).await;
        // Also after a failed write: a store that is full can be read.
        let read = self.read(store).await;
        match &read {
            Ok(()) => self.store_state().succeed(self.now()),
            Err(_) => self.store_state().fail(),
        }
        read.and(written)
    }

    async fn write_queued(&self, store: &dyn RevocationStore) -> Result<(), BoxError> {
        while let Some(revocation) = self.next_unwritten() {
            store.write(&revocation).await?;
            let mut unwritten = self.store_state().unwritten();
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
        let mut unwritten = self.store_state().unwritten();
        while unwritten.front()?.expires_at() <= now {
            unwritten.pop_front();
        }
        unwritten.front().cloned()
    }

    pub(super) fn receive(&self, revocations: Vec<Revocation>) {
        for revocation in revocations {
            if self.apply(&revocation).is_err() && self.store_state().overflow() {
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
