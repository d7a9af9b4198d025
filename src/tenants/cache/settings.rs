use std::time::Duration;

use crate::tenants::set::Mounts;

/// The limits and times of a cache. Their defaults are documented at its methods.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// The most loaded tenants.
    pub(super) capacity: usize,
    pub(super) refresh_interval: Duration,
    /// How much longer a tenant is served while the source fails.
    pub(super) max_stale: Duration,
    /// The most keys that are known not to exist.
    pub(super) unknown_capacity: usize,
    pub(super) unknown_ttl: Duration,
    pub(super) load_timeout: Duration,
    /// The most concurrent loads, and the most concurrent refreshes.
    pub(super) max_loads: usize,
    pub(super) mounts: Mounts,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            capacity: 1024,
            refresh_interval: Duration::from_secs(60),
            max_stale: Duration::from_secs(60 * 60),
            unknown_capacity: 4096,
            unknown_ttl: Duration::from_secs(10),
            load_timeout: Duration::from_secs(5),
            max_loads: 16,
            mounts: Mounts::default(),
        }
    }
}
