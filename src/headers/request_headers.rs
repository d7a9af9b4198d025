use http::HeaderMap;
use http::header::HeaderName;

use super::retain::retain;
use crate::error::{ConfigError, ConfigErrorKind};

/// Generates the list of names and a membership test, which runs for every header, from one list.
macro_rules! default_allowed {
    ($($name:literal)*) => {
        /// The request headers that are forwarded by default.
        const DEFAULT: &[&str] = &[$($name),*];

        fn is_default(name: &str) -> bool {
            matches!(name, $($name)|*)
        }
    };
}

default_allowed! {
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
/// overrides, and headers that a tenant trusts as facts about the client.
const NOT_ALLOWED: &[&str] = &[
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

/// Prefixes of names that cannot be allowed.
const NOT_ALLOWED_PREFIXES: &[&str] = &["proxy-", "sec-", "x-forwarded-"];

/// Which request headers of a client are forwarded to the tenant: an allow-list. Its counterpart
/// for responses is [`ResponseHeaders`](crate::headers::ResponseHeaders).
///
/// | allowed by default | headers |
/// | --- | --- |
/// | content negotiation | `Accept`, `Accept-Charset`, `Accept-Encoding`, `Accept-Language` |
/// | conditions | `Cache-Control`, `If-Match`, `If-None-Match`, `If-Modified-Since`, `If-Unmodified-Since` |
/// | format of the body | `Content-Type`, `Content-Length`, `Content-Encoding`, `Content-Language` |
/// | client and tracing | `User-Agent`, `X-Request-Id`, `traceparent`, `tracestate`, `Idempotency-Key` |
///
/// Every other header is removed, credentials and cookies included.
///
/// `Range` and `If-Range` are not on the list, so the tenant sends complete responses. The scan for
/// an echoed API token cannot find a token that is split over several ranges. A 206 that the tenant
/// sends without a `Range` in the request is replaced by a 502. If you [allow](Self::allow)
/// `range`, partial responses pass without a complete scan.
///
/// ```
/// use omneo_id::headers::RequestHeaders;
///
/// let policy = RequestHeaders::default().allow("x-storefront")?;
/// assert!(policy.allows(&"x-storefront".parse().unwrap()));
/// assert!(RequestHeaders::default().allow("Cookie").is_err());
/// # Ok::<(), omneo_id::error::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct RequestHeaders {
    /// In addition to the default list.
    allowed: Vec<HeaderName>,
}

impl RequestHeaders {
    /// Adds a header to the allow-list.
    ///
    /// # Errors
    /// If `name` is not a valid header name or contains `_` or `.`: PHP maps those to the same
    /// variable as `-`, so that the header could replace another one. Also if it names a
    /// credential, a cookie, framing, a method or URL override, or a forwarding header.
    pub fn allow(mut self, name: &str) -> Result<Self, ConfigError> {
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| invalid(name, "it is not a valid header name"))?;
        if is_alias(&parsed) {
            return Err(invalid(name, "a PHP tenant maps `_` and `.` to `-`"));
        }
        if is_reserved(parsed.as_str()) {
            return Err(invalid(
                name,
                "the tenant would trust it, or it changes the meaning of the request",
            ));
        }
        self.allowed.push(parsed);
        Ok(self)
    }

    /// Whether a header of this name is forwarded.
    pub fn allows(&self, name: &HeaderName) -> bool {
        is_default(name.as_str()) || self.allowed.contains(name)
    }

    /// The names of all headers that are forwarded, for the `Access-Control-Allow-Headers` of the
    /// application.
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
        default.chain(self.allowed.iter().cloned())
    }

    /// Removes every header that is not allowed.
    pub fn retain(&self, headers: &mut HeaderMap) {
        retain(headers, |name| self.allows(name));
    }
}

fn is_reserved(name: &str) -> bool {
    NOT_ALLOWED.contains(&name)
        || NOT_ALLOWED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// Whether PHP or CGI maps this name to the variable of another header.
fn is_alias(name: &HeaderName) -> bool {
    name.as_str()
        .bytes()
        .any(|byte| matches!(byte, b'_' | b'.'))
}

fn invalid(name: &str, reason: &str) -> ConfigError {
    let message = format!("the request header {name:?} cannot be allowed: {reason}");
    ConfigError::new(ConfigErrorKind::InvalidHeader, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_cannot_be_allowed() {
        let listed = NOT_ALLOWED.iter().map(|name| (*name).to_owned());
        let with_prefixes = NOT_ALLOWED_PREFIXES
            .iter()
            .map(|prefix| format!("{prefix}x"));
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
        for name in listed.chain(with_prefixes).chain(others) {
            let error = RequestHeaders::default().allow(&name).unwrap_err();
            assert_eq!(error.kind(), ConfigErrorKind::InvalidHeader, "{name}");
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
    fn allowed_names_are_added_to_the_default_list() {
        let policy = RequestHeaders::default();
        let policy = policy.allow("X-Storefront").unwrap();
        let policy = policy.allow("x-theme").unwrap();
        let mut headers = HeaderMap::new();
        for name in ["accept", "x-storefront", "x-theme", "x-other", "cookie"] {
            headers.append(name, "1".parse().unwrap());
        }
        policy.retain(&mut headers);
        let mut remaining: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        remaining.sort_unstable();
        assert_eq!(remaining, ["accept", "x-storefront", "x-theme"]);
    }

    #[test]
    fn every_listed_name_is_allowed() {
        let policy = RequestHeaders::default().allow("X-Storefront").unwrap();
        let names: Vec<_> = policy.names().collect();
        assert_eq!(names.len(), DEFAULT.len() + 1);
        assert!(names.iter().all(|name| policy.allows(name)));
        assert!(names.contains(&HeaderName::from_static("x-storefront")));
    }
}
