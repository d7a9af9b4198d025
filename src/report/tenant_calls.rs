use std::time::Duration;

use http::StatusCode;

/// The calls of the tenant for one request. Only a sign-up or a mint makes more than one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantCalls {
    pub(super) calls: u32,
    pub(super) status: Option<StatusCode>,
    pub(super) latency: Duration,
}

impl TenantCalls {
    /// The number of calls. A retry by the client does not count.
    pub fn calls(&self) -> u32 {
        self.calls
    }

    /// The status of the tenant's last response, before it was changed here; `None` if the tenant
    /// did not respond.
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// The total time until the heads of the tenant's responses arrived.
    pub fn latency(&self) -> Duration {
        self.latency
    }
}
