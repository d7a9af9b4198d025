use std::time::Duration;

use super::Forwarding;
use super::secret::Secret;
use crate::headers::{RequestHeaders, ResponseHeaders};
use crate::request_body::InFlight;
use crate::tenant::Tenant;

/// The configuration of an [`Upstream`](super::Upstream), shared by its clones and calls.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) tenant: Tenant,
    /// The API token, which must not occur in a response.
    pub(super) secret: Option<Secret>,
    pub(super) request_headers: RequestHeaders,
    pub(super) response_headers: ResponseHeaders,
    pub(super) forwarding: Forwarding,
    pub(super) head_timeout: Duration,
    pub(super) body_idle_timeout: Duration,
    pub(super) in_flight: InFlight,
}

impl Config {
    pub(super) fn new(tenant: Tenant) -> Self {
        let secret = tenant.api_token().search_pattern().map(Secret::new);
        Self {
            tenant,
            secret,
            request_headers: RequestHeaders::default(),
            response_headers: ResponseHeaders::default(),
            forwarding: Forwarding::default(),
            head_timeout: Duration::from_secs(30),
            body_idle_timeout: Duration::from_secs(60),
            in_flight: InFlight::new(1024),
        }
    }
}
