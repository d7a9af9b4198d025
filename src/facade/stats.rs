use crate::auth::CacheStats;

/// How an [`OmneoId`](super::OmneoId) stands at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OmneoIdStats {
    /// The memory of verified tokens.
    pub token_cache: CacheStats,
    /// How many calls of the tenant are in flight, each from its request to the end of its
    /// answer's body.
    pub in_flight: usize,
    /// How many may be.
    pub max_in_flight: usize,
}
