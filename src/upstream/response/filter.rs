use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_LENGTH, HeaderMap, VARY};

use super::headers::remove_secret;
use super::status::CallCredential;
use crate::headers::remove_hop_by_hop;
use crate::request_body::{InFlightGuard, InFlightRef};
use crate::upstream::config::Config;
use crate::upstream::secret::Secret;

/// Filters a response, and counts the call as in flight until it is dropped, at the end of the
/// body.
pub(in crate::upstream) struct ResponseFilter {
    pub(in crate::upstream) config: Arc<Config>,
    pub(in crate::upstream) credential: CallCredential,
    /// Whether the body can be scanned for the secret: it has no content coding.
    pub(in crate::upstream) is_unencoded: bool,
    pub(in crate::upstream) in_flight: InFlightHandle,
}

/// Counts a call as in flight until it is dropped.
#[expect(dead_code, reason = "held for its `Drop`")]
pub(in crate::upstream) enum InFlightHandle {
    Exclusive(InFlightGuard),
    /// Shared with the task that sends the rest of a request body after its response.
    Shared(InFlightRef),
}

impl ResponseFilter {
    /// Removes the headers that contain the credential of the call or the tenant's API token.
    pub(in crate::upstream) fn remove_secrets(&self, headers: &mut HeaderMap) {
        if let Some(secret) = &self.config.secret {
            remove_secret(headers, secret);
        }
        if let CallCredential::Caller(token) = &self.credential
            && let Some(secret) = token.search_pattern().map(Secret::new)
        {
            remove_secret(headers, &secret);
        }
    }

    /// Filters the trailers before they are forwarded.
    pub(super) fn filter_trailers(&self, trailers: &mut HeaderMap) {
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

    /// The secret that must not occur in the body. `None`: the body is not scanned.
    pub(super) fn secret(&self) -> Option<&Secret> {
        let secret = self.config.secret.as_ref();
        secret.filter(|_| self.is_unencoded)
    }

    /// Logs that the secret was found, and that the body is aborted.
    pub(super) fn on_secret_found(&self) {
        #[cfg(feature = "tracing")]
        tracing::error!(
            tenant.address = self.config.tenant.authority().as_str(),
            "the tenant's response contained its API token and was aborted",
        );
    }
}
