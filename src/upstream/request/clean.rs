//! What becomes of a request's headers on their way up. The order is the point: what belongs to
//! the connection goes first, ours come last, so a client cannot nominate, double or alias them.

use std::fmt;

use http::Method;
use http::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName,
    HeaderValue, TE,
};

use super::framing::{Framing, FramingError};
use crate::headers::{
    Census, HopByHopError, RequestHeaders, Special, accepts_anything, remove_nominated, retain,
    settle_trace_context,
};
use crate::tenant::{ApiToken, Tenant};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Laravel answers an invalid form with a redirect and HTML unless JSON comes first in `Accept`.
const JSON_FIRST: HeaderValue = HeaderValue::from_static("application/json, */*;q=0.8");

/// What may stand in a request once only.
const SINGLE: [(Special, HeaderName); 3] = [
    (Special::ContentLength, CONTENT_LENGTH),
    (Special::ContentType, CONTENT_TYPE),
    (Special::Host, HOST),
];

/// Why a request's headers are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum HeadersError {
    Connection(HopByHopError),
    Repeated(HeaderName),
    Framing(FramingError),
}

/// Leaves in `headers` what may pass, with a framing that fits the body, and a `Host`, which
/// [`sign`] replaces. Returns the declared length of the body.
pub(in crate::upstream) fn clean(
    headers: &mut HeaderMap,
    census: Census,
    allowed: &RequestHeaders,
    method: &Method,
    framing: Framing,
) -> Result<Option<u64>, HeadersError> {
    // What belongs to every connection is on no list, so it goes with the rest.
    if census.has(Special::Connection) {
        remove_nominated(headers).map_err(HeadersError::Connection)?;
    }
    for (special, name) in &SINGLE {
        if census.repeats(*special) && headers.get_all(name).iter().nth(1).is_some() {
            return Err(HeadersError::Repeated(name.clone()));
        }
    }
    retain(headers, |name| *name == HOST || allowed.allows(name));
    if census.has(Special::TraceParent) || census.has(Special::TraceState) {
        settle_trace_context(headers);
    }
    framing
        .declare(headers, census, method)
        .map_err(HeadersError::Framing)
}

/// Adds what is ours: nothing of the same name has survived, or does now.
pub(in crate::upstream) fn sign(
    headers: &mut HeaderMap,
    census: Census,
    tenant: &Tenant,
    token: &ApiToken,
) {
    if !census.has(Special::Accept) || !headers.contains_key(ACCEPT) {
        headers.insert(ACCEPT, JSON);
    } else if accepts_anything(headers) {
        headers.insert(ACCEPT, JSON_FIRST);
    }
    headers.insert(HOST, tenant.host().clone());
    headers.insert(AUTHORIZATION, token.to_header());
}

/// Says that trailers are taken, for a client that takes them: over HTTP/1.1 a tenant may leave
/// them out otherwise (RFC 9110 §10.1.4). HTTP/2 has no need of it, and its client drops both.
pub(in crate::upstream) fn ask_for_trailers(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("te"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
}

impl fmt::Display for HeadersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(_) => f.write_str("the connection options cannot be dealt with"),
            Self::Repeated(name) => write!(f, "{name} was sent more than once"),
            Self::Framing(_) => f.write_str("the framing does not describe the body"),
        }
    }
}

impl std::error::Error for HeadersError {
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

    fn tenant() -> Tenant {
        Tenant::new("https://api.acme.test", ApiToken::new("api-token").unwrap()).unwrap()
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn prepared(
        pairs: &[(&'static str, &'static str)],
        method: &Method,
        framing: Framing,
    ) -> Result<HeaderMap, HeadersError> {
        let mut headers = headers(pairs);
        let census = Census::of(&headers);
        let allowed = RequestHeaders::default();
        clean(&mut headers, census, &allowed, method, framing)?;
        let tenant = tenant();
        sign(&mut headers, census, &tenant, tenant.api_token());
        Ok(headers)
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn only_what_is_allowed_goes_up() {
        let headers = prepared(
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
    fn a_client_cannot_nominate_what_is_ours() {
        let headers = prepared(
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
    fn what_contradicts_itself_is_refused() {
        for pairs in [
            [("host", "a"), ("host", "b")],
            [
                ("content-type", "application/json"),
                ("content-type", "text/plain"),
            ],
            [("content-length", "1"), ("content-length", "1")],
        ] {
            let refused = prepared(&pairs, &Method::POST, Framing::Exact(1));
            assert!(
                matches!(refused, Err(HeadersError::Repeated(_))),
                "{pairs:?}"
            );
        }
        let refused = prepared(&[("connection", "a b")], &Method::GET, Framing::Empty);
        assert!(matches!(refused, Err(HeadersError::Connection(_))));
    }
}
