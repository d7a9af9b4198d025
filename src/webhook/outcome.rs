use bytes::Bytes;
use http::Response;
use http_body_util::Full;

use crate::rejection::no_content;

/// The outcome of a webhook with a valid signature, in the extensions of its response, for logs and
/// metrics. The response itself does not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WebhookOutcome {
    /// The tokens of a deleted or merged profile have ended.
    TokensEnded,
    /// The listeners have received an event of a location.
    LocationChanged,
    /// The event has no effect on this service.
    Ignored,
    /// The event would have an effect, but cannot be parsed. It is ignored.
    Unreadable,
}

impl WebhookOutcome {
    /// A stable name for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TokensEnded => "tokens_ended",
            Self::LocationChanged => "location_changed",
            Self::Ignored => "ignored",
            Self::Unreadable => "unreadable",
        }
    }

    /// 204: the tenant does not send the event again.
    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = no_content();
        response.extensions_mut().insert(self);
        response
    }
}
