//! The result of a readiness probe, derived from the response to its request.

use std::error::Error;
use std::io;

use http::{Response, StatusCode};
use omneo_id::report::{Report, Route};
use omneo_id::{Rejection, RejectionKind};
use tokio_rustls::rustls;
use tracing::{info, warn};

use crate::config::{OnOutage, Sessions};

/// Whether requests of clients succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    Ready,
    NotReady(Reason),
}

/// Why requests of clients fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    TokenRefused,
    TokenForbidden,
    LocationsForbidden,
    NoSuchApi,
    Unusable,
    Failed,
    Busy,
    Saturated,
    Timeout,
    Tls,
    Unreachable,
    NoSigningKey,
    Unsynchronized,
    Stale,
    Unknown,
}

impl Reason {
    /// The text for clients and the log. It does not contain the host.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::TokenRefused => "the tenant refuses the API token",
            Self::TokenForbidden => "the tenant forbids the API token to verify itself",
            Self::LocationsForbidden => "the tenant forbids the API token to read locations",
            Self::NoSuchApi => "the tenant has no API at the base path",
            Self::Unusable => "the tenant returns an unusable response",
            Self::Failed => "the tenant fails",
            Self::Busy => "the tenant is busy",
            Self::Saturated => "too many calls of the tenant are in flight",
            Self::Timeout => "the tenant does not respond in time",
            Self::Tls => "no TLS connection to the tenant is possible",
            Self::Unreachable => "the tenant cannot be reached",
            Self::NoSigningKey => "the keyring has no key to sign with",
            Self::Unsynchronized => "the ended sessions have not been read from their store",
            Self::Stale => "the store of ended sessions cannot be read",
            Self::Unknown => "the probe did not finish",
        }
    }
}

impl Readiness {
    pub(crate) const TIMEOUT: Self = Self::NotReady(Reason::Timeout);
    pub(crate) const NO_SIGNING_KEY: Self = Self::NotReady(Reason::NoSigningKey);
    pub(crate) const UNSYNCHRONIZED: Self = Self::NotReady(Reason::Unsynchronized);
    pub(crate) const UNKNOWN: Self = Self::NotReady(Reason::Unknown);

    /// Derives the result from the response to a mint, or to a request for locations: both call the
    /// tenant with the configured API token.
    pub(crate) fn from_response<B>(response: &Response<B>) -> Self {
        // A rate-limited tenant is reachable, and all replicas share the limit: stay in rotation.
        if response.status().is_success() || response.status() == StatusCode::TOO_MANY_REQUESTS {
            return Self::Ready;
        }
        let report = response.extensions().get::<Report>();
        let tenant = report
            .and_then(Report::tenant)
            .and_then(|calls| calls.status());
        let is_locations = report.and_then(Report::route) == Some(Route::Locations);
        let rejection = response.extensions().get::<Rejection>();
        Self::NotReady(match rejection.map(Rejection::kind) {
            Some(RejectionKind::InvalidToken | RejectionKind::TenantCredentials) => {
                Reason::TokenRefused
            }
            Some(RejectionKind::Forbidden) => Reason::TokenForbidden,
            Some(RejectionKind::TenantFailed) => Reason::Failed,
            Some(RejectionKind::TenantBusy) if tenant.is_none() => Reason::Saturated,
            Some(RejectionKind::TenantBusy) => Reason::Busy,
            Some(RejectionKind::TenantTimeout) => Reason::Timeout,
            Some(RejectionKind::TenantUnreachable) if rejection.is_some_and(is_tls) => Reason::Tls,
            Some(RejectionKind::TenantUnreachable) => Reason::Unreachable,
            Some(RejectionKind::NoSigningKey) => Reason::NoSigningKey,
            None if is_locations && tenant == Some(StatusCode::FORBIDDEN) => {
                Reason::LocationsForbidden
            }
            _ if tenant == Some(StatusCode::NOT_FOUND) => Reason::NoSuchApi,
            _ => Reason::Unusable,
        })
    }

    /// `None` unless the store of ended sessions makes requests fail.
    pub(crate) fn from_sessions(sessions: &Sessions) -> Option<Self> {
        let revocations = &sessions.revocations;
        if !revocations.is_synchronized() {
            return Some(Self::UNSYNCHRONIZED);
        }
        let OnOutage::Refuse { after } = sessions.on_outage else {
            return None;
        };
        let age = revocations.stats().store?.last_read?;
        (age > after).then_some(Self::NotReady(Reason::Stale))
    }

    /// Whether the tenant was not called, because too many calls are in flight.
    pub(crate) fn is_saturated(self) -> bool {
        self == Self::NotReady(Reason::Saturated)
    }

    /// Logs the result. `tenant` is the key, if the server has several tenants.
    pub(crate) fn log(self, tenant: Option<&str>) {
        match self {
            Self::Ready => {
                info!(
                    tenant.key = tenant,
                    "ready: the tenant accepts the API token"
                );
            }
            Self::NotReady(reason) => {
                warn!(tenant.key = tenant, reason = reason.as_str(), "not ready");
            }
        }
    }
}

/// Whether the TLS handshake failed.
fn is_tls(rejection: &Rejection) -> bool {
    let mut cause = rejection.source();
    while let Some(error) = cause {
        if error.is::<rustls::Error>() {
            return true;
        }
        // `io::Error::source` skips the inner error.
        cause = match error.downcast_ref().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}
