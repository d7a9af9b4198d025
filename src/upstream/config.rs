use std::time::Duration;

use super::ResponseHeaders;
use super::in_flight::InFlight;
use crate::headers::RequestHeaders;
use crate::tenant::Tenant;

/// What an [`Upstream`](super::Upstream) was told, shared by its clones and calls.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) tenant: Tenant,
    pub(super) request_headers: RequestHeaders,
    pub(super) response_headers: ResponseHeaders,
    pub(super) head_timeout: Duration,
    pub(super) body_idle_timeout: Duration,
    pub(super) in_flight: InFlight,
}

impl Config {
    pub(super) fn new(tenant: Tenant) -> Self {
        Self {
            tenant,
            request_headers: RequestHeaders::default(),
            response_headers: ResponseHeaders::default(),
            head_timeout: Duration::from_secs(30),
            body_idle_timeout: Duration::from_secs(60),
            in_flight: InFlight::new(1024),
        }
    }
}
