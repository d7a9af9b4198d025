//! The headers of the request to the tenant.
//!
//! The order matters: hop-by-hop headers are removed first and our own headers are inserted last,
//! so a client cannot nominate, repeat or alias them.

use std::fmt;

use http::Method;
use http::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName,
    HeaderValue, TE, TRANSFER_ENCODING,
};

use super::framing::Framing;
use crate::headers::{
    HopByHopError, Repeated, RequestHeaders, accepts_anything, remove_invalid_trace_context,
    remove_nominated, retain, single_value,
};
use crate::tenant::{ApiToken, Tenant};
use crate::upstream::content_length::FramingError;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// For an invalid form, Laravel responds with a redirect and HTML unless JSON is first in `Accept`.
const JSON_FIRST: HeaderValue = HeaderValue::from_static("application/json, */*;q=0.8");

/// Headers that a request may not repeat.
const SINGLE: [HeaderName; 3] = [CONTENT_LENGTH, CONTENT_TYPE, HOST];

/// Why the headers of a request are rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum RequestHeadersError {
    Connection(HopByHopError),
    Repeated(HeaderName),
    Framing(FramingError),
}

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
) -> Result<Option<u64>, RequestHeadersError> {
    let is_chunked = headers.contains_key(TRANSFER_ENCODING);
    // The policy allows none of the well-known hop-by-hop headers, so `retain` removes those.
    remove_nominated(headers).map_err(RequestHeadersError::Connection)?;
    for name in &SINGLE {
        if single_value(headers, name) == Err(Repeated) {
            return Err(RequestHeadersError::Repeated(name.clone()));
        }
    }
    retain(headers, |name| *name == HOST || policy.allows(name));
    remove_invalid_trace_context(headers);
    framing
        .declare(headers, is_chunked, method)
        .map_err(RequestHeadersError::Framing)
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
pub(in crate::upstream) fn accept_trailers(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("te"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
}

impl fmt::Display for RequestHeadersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(_) => f.write_str("the connection options are rejected"),
            Self::Repeated(name) => write!(f, "{name} was sent more than once"),
            Self::Framing(_) => f.write_str("the framing does not describe the body"),
        }
    }
}

impl std::error::Error for RequestHeadersError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connection(error) => Some(error),
            Self::Framing(error) => Some(error),
            Self::Repeated(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::tests::from_pairs;

    fn tenant() -> Tenant {
        Tenant::new("https://api.acme.test", ApiToken::new("api-token").unwrap()).unwrap()
    }

    fn filtered(
        pairs: &[(&'static str, &'static str)],
        method: &Method,
        framing: Framing,
    ) -> Result<HeaderMap, RequestHeadersError> {
        let mut headers = from_pairs(pairs);
        filter_headers(&mut headers, &RequestHeaders::default(), method, framing)?;
        let tenant = tenant();
        insert_tenant_headers(&mut headers, &tenant, tenant.api_token());
        Ok(headers)
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn only_allowed_headers_are_forwarded() {
        let headers = filtered(
            &[
                ("accept-language", "de"),
                ("authorization", "Bearer of.the.client"),
                ("cookie", "session=1"),
                ("expect", "100-continue"),
                ("forwarded", "for=1.2.3.4"),
                ("if-none-match", "\"a\""),
                ("proxy-authorization", "Basic x"),
                ("te", "trailers"),
                ("upgrade", "h2c"),
                ("x-forwarded-for", "1.2.3.4"),
                ("x-http-method-override", "DELETE"),
                ("x-original-url", "/admin"),
                ("x_forwarded_for", "1.2.3.4"),
                ("x-unheard-of", "1"),
            ],
            &Method::GET,
            Framing::Empty,
        )
        .unwrap();
        let expected = [
            "accept",
            "accept-language",
            "authorization",
            "host",
            "if-none-match",
        ];
        assert_eq!(names(&headers), expected);
        assert_eq!(headers["authorization"], "Bearer api-token");
        assert!(headers["authorization"].is_sensitive());
        assert_eq!(headers["host"], "api.acme.test");
        assert_eq!(headers["accept"], "application/json");
    }

    #[test]
    fn a_client_cannot_nominate_our_headers() {
        let headers = filtered(
            &[
                ("connection", "authorization, host, x-forwarded-for"),
                ("connection", "accept, user-agent"),
                ("accept", "text/html"),
                ("user-agent", "curl"),
            ],
            &Method::GET,
            Framing::Empty,
        )
        .unwrap();
        assert_eq!(names(&headers), ["accept", "authorization", "host"]);
        assert_eq!(headers["accept"], "application/json");
    }

    #[test]
    fn contradictory_headers_are_rejected() {
        for pairs in [
            [("host", "a"), ("host", "b")],
            [
                ("content-type", "application/json"),
                ("content-type", "text/plain"),
            ],
            [("content-length", "1"), ("content-length", "1")],
        ] {
            let result = filtered(&pairs, &Method::POST, Framing::Exact(1));
            assert!(
                matches!(result, Err(RequestHeadersError::Repeated(_))),
                "{pairs:?}"
            );
        }
        let result = filtered(&[("connection", "a b")], &Method::GET, Framing::Empty);
        assert!(matches!(result, Err(RequestHeadersError::Connection(_))));
    }
}
