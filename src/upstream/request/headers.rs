//! The headers of the request to the tenant.
//!
//! The order matters: hop-by-hop headers are removed first and our own headers are inserted last,
//! so a client cannot nominate, repeat or alias them.

use http::Method;
use http::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName,
    HeaderValue, TE, TRANSFER_ENCODING,
};

use super::framing::Framing;
use crate::headers::{
    Repeated, RequestHeaders, accepts_anything, remove_invalid_trace_context, remove_nominated,
    retain, single_value,
};
use crate::rejection::{Rejection, RejectionKind};
use crate::tenant::{ApiToken, Tenant};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// For an invalid form, Laravel responds with a redirect and HTML unless JSON is first in `Accept`.
const JSON_FIRST: HeaderValue = HeaderValue::from_static("application/json, */*;q=0.8");

/// Headers that a request may not repeat.
const SINGLE: [HeaderName; 3] = [CONTENT_LENGTH, CONTENT_TYPE, HOST];

const REFUSED: Rejection = Rejection::new(RejectionKind::HeadersRefused);

/// Removes the headers that are not forwarded, and declares the framing of the body. Returns the
/// declared length of the body.
///
/// `Host` is kept; [`insert_tenant_headers`] replaces it.
///
/// # Errors
/// If the headers are malformed or contradict themselves or the body.
pub(in crate::upstream) fn filter_headers(
    headers: &mut HeaderMap,
    policy: &RequestHeaders,
    method: &Method,
    framing: Framing,
) -> Result<Option<u64>, Rejection> {
    let is_chunked = headers.contains_key(TRANSFER_ENCODING);
    // The policy allows none of the well-known hop-by-hop headers, so `retain` removes those.
    remove_nominated(headers).map_err(|error| REFUSED.because(error))?;
    for name in &SINGLE {
        if single_value(headers, name) == Err(Repeated) {
            return Err(REFUSED.because_text(format!("{name} was sent more than once")));
        }
    }
    retain(headers, |name| *name == HOST || policy.allows(name));
    remove_invalid_trace_context(headers);
    framing
        .declare(headers, is_chunked, method)
        .map_err(|error| REFUSED.because(error))
}

/// Inserts our own headers: `Accept`, `Host`, `Authorization`. They replace values of the client.
pub(in crate::upstream) fn insert_tenant_headers(
    headers: &mut HeaderMap,
    tenant: &Tenant,
    token: &ApiToken,
) {
    if !headers.contains_key(ACCEPT) {
        headers.insert(ACCEPT, JSON);
    } else if accepts_anything(headers) {
        headers.insert(ACCEPT, JSON_FIRST);
    }
    headers.insert(HOST, tenant.host().clone());
    headers.insert(AUTHORIZATION, token.to_header());
}

/// Inserts `TE: trailers`, for a client that accepts trailers: over HTTP/1.1 a tenant may otherwise
/// omit them (RFC 9110 §10.1.4). HTTP/2 does not need these headers; its client removes both.
pub(in crate::upstream) fn insert_te_trailers(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("te"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
}
