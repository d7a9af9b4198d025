use std::sync::Arc;

use http::HeaderMap;
use http::header::HeaderName;

use super::retain::retain;
use crate::error::{ConfigError, ConfigErrorKind};

/// Makes of one list of names both the list and the question whether a name is in it, which is
/// asked for every header.
macro_rules! passing {
    ($($name:literal)*) => {
        /// The request headers that pass by default.
        const DEFAULT: &[&str] = &[$($name),*];

        fn passes(name: &str) -> bool {
            matches!(name, $($name)|*)
        }
    };
}

passing! {
    // content negotiation
    "accept" "accept-charset" "accept-encoding" "accept-language"
    // conditions
    "cache-control" "if-match" "if-modified-since" "if-none-match" "if-unmodified-since"
    // format of the body
    "content-encoding" "content-language" "content-length" "content-type"
    // the client, and ids for logs and traces
    "user-agent" "x-request-id" "traceparent" "tracestate" "idempotency-key"
}

/// Names that cannot be allowed: credentials, connection and framing, routing, method and URL
/// overrides, and what a tenant would believe about the client.
const NEVER: &[&str] = &[
    "authorization",
    "connection",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "php-auth-digest",
    "php-auth-pw",
    "php-auth-user",
    "proxy",
    "redirect-http-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

/// Families of names that cannot be allowed, by their beginning.
const NEVER_PREFIXES: &[&str] = &["proxy-", "sec-", "x-forwarded-"];

/// Which headers of a client's request go up to the tenant: an allow-list.
///
/// It begins with content negotiation, conditions, content type and framing, user agent, request
/// id, trace context and `Idempotency-Key`. Every other header is dropped, credentials and cookies
/// first of all.
///
/// `Range` and `If-Range` are not on the list, so each answer is a whole one. In a slice of an
/// answer the search for an echoed API token finds nothing: slice by slice, the token would reach
/// the client. A 206 that the tenant sends without a `Range` in the request is answered 502. If you
/// [allow](Self::allow) `range`, slices pass without being searched in full.
///
/// ```
/// use omneo_id::headers::RequestHeaders;
///
/// let policy = RequestHeaders::default().allow("x-storefront")?;
/// assert!(RequestHeaders::default().allow("Cookie").is_err());
/// # Ok::<(), omneo_id::error::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct RequestHeaders {
    extra: Option<Arc<[HeaderName]>>,
}

impl RequestHeaders {
    /// Lets one more header pass.
    ///
    /// # Errors
    /// If it is no header name, holds `_` or `.` (a PHP tenant reads those as `-`, so such a name
    /// could pose as another one), or names a credential, a cookie, framing, a method or URL
    /// override, or a forwarding header.
    pub fn allow(self, name: &str) -> Result<Self, ConfigError> {
        let refuse = |why: &str| {
            let message = format!("the header {name:?} cannot be passed to the tenant: {why}");
            Err(ConfigError::new(ConfigErrorKind::InvalidHeader, message))
        };
        let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
            return refuse("it is no header name");
        };
        if is_alias(&parsed) {
            return refuse("names with `_` or `.` can pose as others");
        }
        let reserved = NEVER.contains(&parsed.as_str())
            || NEVER_PREFIXES
                .iter()
                .any(|prefix| parsed.as_str().starts_with(prefix));
        if reserved {
            return refuse("it would be believed, or change what the request means");
        }
        let extra = self.extra.iter().flat_map(|extra| extra.iter().cloned());
        Ok(Self {
            extra: Some(extra.chain([parsed]).collect()),
        })
    }

    /// Whether a header of this name may pass.
    pub fn allows(&self, name: &HeaderName) -> bool {
        passes(name.as_str())
            || self
                .extra
                .as_ref()
                .is_some_and(|extra| extra.contains(name))
    }

    /// The names of all headers that may pass: for the `Access-Control-Allow-Headers` of a host.
    ///
    /// ```
    /// use omneo_id::headers::RequestHeaders;
    ///
    /// let policy = RequestHeaders::default().allow("x-storefront")?;
    /// assert!(policy.names().any(|name| name == "if-none-match"));
    /// assert!(policy.names().any(|name| name == "x-storefront"));
    /// # Ok::<(), omneo_id::error::ConfigError>(())
    /// ```
    pub fn names(&self) -> impl Iterator<Item = HeaderName> {
        let default = DEFAULT.iter().copied().map(HeaderName::from_static);
        let extra = self.extra.iter().flat_map(|extra| extra.iter().cloned());
        default.chain(extra)
    }

    /// Keeps what may pass and drops the rest.
    pub fn retain(&self, headers: &mut HeaderMap) {
        retain(headers, |name| self.allows(name));
    }
}

/// Whether a PHP or CGI tenant could read this name as that of another header.
fn is_alias(name: &HeaderName) -> bool {
    name.as_str()
        .bytes()
        .any(|byte| matches!(byte, b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_believed_cannot_be_allowed() {
        let listed = NEVER.iter().map(|name| (*name).to_owned());
        let of_families = NEVER_PREFIXES.iter().map(|prefix| format!("{prefix}x"));
        let others = [
            "",
            "a b",
            "a\r\nb",
            "caf\u{e9}",
            "AUTHORIZATION",
            "Proxy-Authorization",
            "Sec-WebSocket-Key",
            "X-Forwarded-For",
            "X_Forwarded_For",
            "x.original.url",
            "x_storefront",
        ];
        let others = others.iter().map(|name| (*name).to_owned());
        for name in listed.chain(of_families).chain(others) {
            let refused = RequestHeaders::default().allow(&name).unwrap_err();
            assert_eq!(refused.kind(), ConfigErrorKind::InvalidHeader, "{name}");
            if let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) {
                assert!(!RequestHeaders::default().allows(&parsed), "{name}");
            }
        }
    }

    #[test]
    fn ranges_can_be_allowed() {
        for name in [http::header::RANGE, http::header::IF_RANGE] {
            assert!(!RequestHeaders::default().allows(&name), "{name}");
            let policy = RequestHeaders::default().allow(name.as_str()).unwrap();
            assert!(policy.allows(&name), "{name}");
        }
    }

    #[test]
    fn what_is_allowed_is_added_to_what_was() {
        let policy = RequestHeaders::default();
        let policy = policy.allow("X-Storefront").unwrap();
        let policy = policy.allow("x-theme").unwrap();
        let mut headers = HeaderMap::new();
        for name in ["accept", "x-storefront", "x-theme", "x-other", "cookie"] {
            headers.append(name, "1".parse().unwrap());
        }
        policy.retain(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "x-storefront", "x-theme"]);
    }

    #[test]
    fn every_name_of_the_list_may_pass() {
        let policy = RequestHeaders::default().allow("X-Storefront").unwrap();
        let names: Vec<_> = policy.names().collect();
        assert_eq!(names.len(), DEFAULT.len() + 1);
        assert!(names.iter().all(|name| policy.allows(name)));
        assert!(names.contains(&HeaderName::from_static("x-storefront")));
    }
}
