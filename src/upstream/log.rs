//! What operators read: outcomes and causes, never a header, a path, a query or a body.

use std::error::Error;
use std::time::Duration;

use http::StatusCode;

use super::ClientBodyError;
use super::client::ClientError;
use super::error::UpstreamError;
use super::response::AnswerError;
use crate::rejection::Rejection;
use crate::tenant::Tenant;

/// The tenant answered, and its answer is passed on.
pub(super) fn answered(tenant: &Tenant, status: StatusCode, latency: Duration) {
    tracing::debug!(
        tenant = %tenant.authority(),
        status = status.as_u16(),
        latency_ms = latency.as_millis(),
        "the tenant answered",
    );
}

/// The tenant's answer held its API token.
pub(super) fn echoed(tenant: &Tenant) {
    tracing::error!(
        tenant = %tenant.authority(),
        "the tenant's answer held its API token and was broken off",
    );
}

/// Something else is answered in its place.
pub(super) fn replaced(tenant: &Tenant, rejection: &Rejection, latency: Duration) {
    let kind = rejection.kind();
    let (tenant, latency_ms) = (tenant.authority(), latency.as_millis());
    let cause = cause(rejection);
    if kind.status().is_server_error() {
        tracing::warn!(%tenant, kind = kind.code(), cause, latency_ms, "the tenant failed");
    } else {
        tracing::debug!(%tenant, kind = kind.code(), cause, latency_ms, "the client gave up");
    }
}

/// Nothing was sent.
pub(super) fn refused(rejection: &Rejection) {
    let kind = rejection.kind();
    tracing::debug!(
        kind = kind.code(),
        cause = cause(rejection),
        "not forwarded"
    );
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
