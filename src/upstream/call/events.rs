//! Log events: outcomes and causes, never a header, a path, a query or a body.
//! [`docs::observability`](crate::docs::observability) has a table of the fields.

use std::error::Error;
use std::time::Duration;

use http::StatusCode;

use crate::client::ClientError;
use crate::headers::HopByHopError;
use crate::rejection::Rejection;
use crate::request_body::ClientBodyError;
use crate::tenant::Tenant;
use crate::upstream::content_length::FramingError;
use crate::upstream::error::UpstreamError;

/// The tenant's response is forwarded.
pub(super) fn response_received(tenant: &Tenant, status: StatusCode, latency: Duration) {
    tracing::debug!(
        tenant.address = tenant.authority().as_str(),
        tenant.status_code = status.as_u16(),
        tenant.latency_ms = millis(latency),
        "tenant response received",
    );
}

/// A rejection replaces the tenant's response.
pub(super) fn call_failed(tenant: &Tenant, rejection: &Rejection, latency: Duration) {
    let kind = rejection.kind();
    // `cause` is formatted only if the event is enabled.
    if kind.status().is_server_error() {
        tracing::warn!(
            tenant.address = tenant.authority().as_str(),
            error.type = kind.code(),
            cause = cause(rejection),
            tenant.latency_ms = millis(latency),
            "the tenant failed",
        );
    } else {
        tracing::debug!(
            tenant.address = tenant.authority().as_str(),
            error.type = kind.code(),
            cause = cause(rejection),
            tenant.latency_ms = millis(latency),
            "the client aborted its request",
        );
    }
}

/// The request is rejected without a call of the tenant.
pub(super) fn request_rejected(rejection: &Rejection) {
    let kind = rejection.kind();
    tracing::debug!(
        error.type = kind.code(),
        cause = cause(rejection),
        "not forwarded"
    );
}

/// Milliseconds with three decimals.
fn millis(latency: Duration) -> f64 {
    latency.as_micros() as f64 / 1e3
}

/// The chain of sources, outermost first, up to the first foreign error.
fn cause(rejection: &Rejection) -> String {
    let mut text = String::new();
    let mut next = rejection.source();
    while let Some(error) = next {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&error.to_string());
        next = error.source().filter(|source| !is_foreign(error, *source));
    }
    text
}

/// Whether the text of `source` may contain personal data. Errors of the application's bodies and
/// of other clients may contain a complete URL, with the query.
fn is_foreign(error: &(dyn Error + 'static), source: &(dyn Error + 'static)) -> bool {
    error.is::<ClientBodyError>()
        || (error.is::<UpstreamError>()
            && !source.is::<ClientError>()
            && !source.is::<ClientBodyError>()
            && !source.is::<FramingError>()
            && !source.is::<HopByHopError>())
}
