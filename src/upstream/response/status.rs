use http::StatusCode;

use crate::rejection::{RejectionKind, TenantStatusRules};
use crate::tenant::ApiToken;

/// The credential of a call: a 401 from the tenant refers to it.
#[derive(Clone, Debug)]
pub(in crate::upstream) enum CallCredential {
    /// The API token of the tenant.
    Tenant,
    /// A token that the caller sent.
    Caller(ApiToken),
}

/// Checks that a response of this status can be forwarded. `has_range`: the request has a `Range`.
///
/// # Errors
/// The kind of the rejection that replaces the response.
pub(in crate::upstream) fn check_status(
    status: StatusCode,
    credential: &CallCredential,
    has_range: bool,
) -> Result<(), RejectionKind> {
    let rules = match credential {
        CallCredential::Tenant => TenantStatusRules::FORWARDED,
        CallCredential::Caller(_) => TenantStatusRules::FORWARDED_AS_CALLER,
    };
    match status {
        // RFC 9110 §15.3.7: the response to a range request. Without one, the client would treat it
        // as a complete response, and the secret scanner cannot find a token split over ranges.
        StatusCode::PARTIAL_CONTENT if !has_range => Err(RejectionKind::TenantAnswer),
        // `Upgrade` is never forwarded, and other 1xx are not final responses.
        status if status.is_informational() => Err(RejectionKind::TenantAnswer),
        // These are about the connection to the tenant: proxy credentials, host, protocol.
        StatusCode::PROXY_AUTHENTICATION_REQUIRED
        | StatusCode::MISDIRECTED_REQUEST
        | StatusCode::UPGRADE_REQUIRED => Err(RejectionKind::TenantAnswer),
        status if status.as_u16() >= 600 => Err(RejectionKind::TenantAnswer),
        status => rules.kind(status).map_or(Ok(()), Err),
    }
}
