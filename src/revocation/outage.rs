use std::time::Duration;

use super::Revocations;

/// The behaviour of verifiers while the store of revocations cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnOutage {
    /// Tokens are verified with the revocations that this process has read.
    #[default]
    Serve,
    /// All tokens are rejected with 503 while the last read of the store is longer ago than
    /// `after`, in whole seconds, and before the first read.
    Refuse {
        /// How long an outage is tolerated. Let it exceed the
        /// [interval of the reads](crate::Revocations::with_sync_interval).
        after: Duration,
    },
}

impl Revocations {
    /// The default of [`with_sync_interval`](Self::with_sync_interval).
    pub const DEFAULT_SYNC_INTERVAL: Duration = Duration::from_secs(5);

    /// Replaces how often the store is read, and starts with an empty set. A revocation of another
    /// process has an effect here within this time and the time of the read, also if the connection
    /// of the subscription was lost without a FIN. Zero counts as one millisecond.
    ///
    /// Default is 5 seconds.
    #[must_use]
    pub fn with_sync_interval(self, interval: Duration) -> Self {
        let interval = interval.max(Duration::from_millis(1));
        self.edit(|config| config.sync_interval = interval)
    }

    /// Replaces the behaviour of verifiers while the store cannot be read, and starts with an empty
    /// set. It has no effect without a store.
    ///
    /// Default is [`OnOutage::Serve`].
    #[must_use]
    pub fn with_on_outage(self, on_outage: OnOutage) -> Self {
        self.edit(|config| {
            config.tolerance = match on_outage {
                OnOutage::Serve => None,
                OnOutage::Refuse { after } => Some(after.as_secs()),
            };
        })
    }

    /// Whether the store has been read completely once; before that, the process is not ready.
    /// Always true without a store.
    pub fn is_synchronized(&self) -> bool {
        self.store().is_none() || self.store_state().last_read().is_some()
    }

    /// Whether the store could not be read for longer than is tolerated.
    pub(crate) fn is_stale(&self) -> bool {
        match self.tolerance() {
            None => false,
            Some(tolerance) => self.store_state().is_stale(tolerance, self.now()),
        }
    }
}
