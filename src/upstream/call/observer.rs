use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_LENGTH, HeaderMap, VARY};

#[cfg(feature = "tracing")]
use super::events;
use crate::headers::{is_unencoded, remove_hop_by_hop};
use crate::request_body::{InFlightGuard, InFlightRef};
use crate::upstream::config::Config;
use crate::upstream::response::{self, BodyObserver, Credential, Secret};

/// Observes a response body: filters its trailers and counts the call as in flight until the body
/// has ended.
pub(super) struct ResponseObserver {
    pub(super) config: Arc<Config>,
    pub(super) credential: Credential,
    pub(super) coding: ContentCoding,
    pub(super) in_flight: InFlightHandle,
}

/// Counts a call as in flight until it is dropped.
#[expect(dead_code, reason = "held for its `Drop`")]
pub(super) enum InFlightHandle {
    Exclusive(InFlightGuard),
    /// Shared with the task that sends the rest of a request body after its response.
    Shared(InFlightRef),
}

/// Whether a body can be scanned for a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentCoding {
    Identity,
    Encoded,
}

impl ContentCoding {
    pub(super) fn from_headers(headers: &HeaderMap) -> Self {
        match is_unencoded(headers) {
            true => Self::Identity,
            false => Self::Encoded,
        }
    }
}

impl ResponseObserver {
    /// Removes the headers that contain the credential of the call or the tenant's API token.
    pub(super) fn remove_secrets(&self, headers: &mut HeaderMap) {
        if let Some(secret) = &self.config.secret {
            response::remove_secret(headers, secret);
        }
        if let Credential::Caller(token) = &self.credential
            && let Some(secret) = token.telltale().map(Secret::new)
        {
            response::remove_secret(headers, &secret);
        }
    }
}

impl BodyObserver for ResponseObserver {
    fn filter_trailers(&self, trailers: &mut HeaderMap) {
        if remove_hop_by_hop(trailers).is_err() {
            trailers.clear();
        }
        self.config.response_headers.retain(trailers);
        // RFC 9110 §6.5.1: framing and cache controls are not valid in trailers. A recipient that
        // merges them into the headers anyway must not be misled.
        for name in [CACHE_CONTROL, CONTENT_LENGTH, VARY] {
            trailers.remove(name);
        }
        self.remove_secrets(trailers);
    }

    fn secret(&self) -> Option<&Secret> {
        let secret = self.config.secret.as_deref();
        secret.filter(|_| self.coding == ContentCoding::Identity)
    }

    fn on_secret_found(&self) {
        #[cfg(feature = "tracing")]
        events::secret_found(&self.config.tenant);
    }
}
