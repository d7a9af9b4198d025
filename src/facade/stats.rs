use crate::auth::CacheStats;

/// A snapshot of the gauges of an [`OmneoId`](super::OmneoId).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OmneoIdStats {
    /// The cache of verified tokens.
    pub token_cache: CacheStats,
    /// The number of tenant calls in flight. A call is in flight from its request to the end of
    /// its response body.
    pub in_flight: usize,
    /// The limit of `in_flight`.
    pub max_in_flight: usize,
}
