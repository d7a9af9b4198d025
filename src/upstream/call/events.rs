//! What operators read: outcomes and causes, never a header, a path, a query or a body. The fields
//! are in the table of the facade's documentation.

use std::error::Error;
use std::time::Duration;

use http::StatusCode;

use crate::client::ClientError;
use crate::rejection::Rejection;
use crate::request_body::ClientBodyError;
use crate::tenant::Tenant;
use crate::upstream::error::UpstreamError;
use crate::upstream::response::AnswerError;

/// The tenant answered, and its answer is passed on.
pub(in crate::upstream) fn answered(tenant: &Tenant, status: StatusCode, latency: Duration) {
    tracing::debug!(
        tenant.address = tenant.authority().as_str(),
        tenant.status_code = status.as_u16(),
        tenant.latency_ms = millis(latency),
        "the tenant answered",
    );
}

/// The tenant's answer held its API token.
pub(in crate::upstream) fn echoed(tenant: &Tenant) {
    tracing::error!(
        tenant.address = tenant.authority().as_str(),
        "the tenant's answer held its API token and was broken off",
    );
}

/// Something else is answered in its place.
pub(in crate::upstream) fn replaced(tenant: &Tenant, rejection: &Rejection, latency: Duration) {
    let kind = rejection.kind();
    // The causes are put into words only for somebody who listens.
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
            "the client gave up",
        );
    }
}

/// Nothing was sent.
pub(in crate::upstream) fn refused(rejection: &Rejection) {
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

/// The causes, outermost first, as far as it is known what their words may hold.
fn cause(rejection: &Rejection) -> String {
    let mut words = String::new();
    let mut next = rejection.source();
    while let Some(error) = next {
        if !words.is_empty() {
            words.push_str(": ");
        }
        words.push_str(&error.to_string());
        next = error.source().filter(|source| !is_foreign(error, *source));
    }
    words
}

/// Errors of the host's bodies and of clients that are not ours may name a whole URL, with what a
/// query says about somebody.
fn is_foreign(error: &(dyn Error + 'static), source: &(dyn Error + 'static)) -> bool {
    error.is::<ClientBodyError>()
        || (error.is::<UpstreamError>()
            && !source.is::<ClientError>()
            && !source.is::<ClientBodyError>()
            && !source.is::<AnswerError>())
}
