use std::time::Duration;

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
