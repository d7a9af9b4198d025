use http::header::{AUTHORIZATION, HeaderMap, HeaderName};

use super::retain::retain;
use crate::error::{ConfigError, ConfigErrorKind};

/// Whether a response header is removed by default.
fn is_removed(name: &str) -> bool {
    let listed = matches!(
        name,
        // Sessions and credentials of the tenant's own origin.
        "authorization"
        | "clear-site-data"
        | "set-cookie"
        | "set-cookie2"
        // Settings of the tenant's host, which a browser would apply to the application's host.
        | "alt-svc"
        | "expect-ct"
        | "nel"
        | "public-key-pins"
        | "refresh"
        | "report-to"
        | "reporting-endpoints"
        | "service-worker-allowed"
        | "strict-transport-security"
        | "timing-allow-origin"
        // Instructions for intermediate servers and caches.
        | "cdn-cache-control"
        | "cloudflare-cdn-cache-control"
        | "surrogate-control"
        | "x-sendfile"
        // The tenant's software and its response times.
        | "server"
        | "server-timing"
        | "via"
        | "x-powered-by"
        | "x-response-time"
        | "x-runtime"
        | "x-envoy-upstream-service-time"
        // Links to the tenant's debugger and profiler.
        | "phpdebugbar-id"
        | "sourcemap"
        | "x-sourcemap"
        // The cost of a call.
        | "x-request-charge"
        | "x-request-cost"
        // Request headers: in a response they echo the request to the tenant.
        | "cookie"
        | "expect"
        | "forwarded"
        | "from"
        | "host"
        | "http2-settings"
        | "if-match"
        | "if-modified-since"
        | "if-none-match"
        | "if-range"
        | "if-unmodified-since"
        | "max-forwards"
        | "origin"
        | "range"
        | "referer"
        | "user-agent"
        | "x-real-ip"
    );
    listed || has_removed_prefix(name) || is_rate_limit(name)
}

fn has_removed_prefix(name: &str) -> bool {
    // CORS belongs to a layer of the application; an nginx in front would execute `X-Accel-*`.
    const PREFIXES: [&str; 5] = [
        "access-control-",
        "x-accel-",
        "x-clockwork-",
        "x-debug-",
        "x-forwarded-",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether the header exposes a rate limit or its use: `X-RateLimit-Remaining`,
/// `X-Rate-Limit-Limit`, `RateLimit-Policy`, `X-App-Rate-Limit-Count` and similar names,
/// `X-Quota-*`, `X-Throttle-*`.
fn is_rate_limit(name: &str) -> bool {
    let tail = match name.strip_prefix("x-") {
        Some(tail) => tail,
        None if name.starts_with('r') || name.starts_with('q') => name,
        // A quick exit: rate-limit headers without `x-` begin with `r` or `q`.
        None => return false,
    };
    tail.contains("ratelimit")
        || tail.contains("rate-limit")
        || tail.starts_with("quota")
        || tail.starts_with("throttle")
}

/// Which response headers of the tenant are forwarded to the client: a deny-list. Its counterpart
/// for requests is [`RequestHeaders`](crate::headers::RequestHeaders).
///
/// | removed by default | reason |
/// | --- | --- |
/// | `Set-Cookie`, `Set-Cookie2` | they would set cookies for the application's domain, with a session at the tenant |
/// | `Authorization` | it is a credential, and the only one of these headers that cannot be allowed |
/// | `Clear-Site-Data` | it would delete the application's data in the browser |
/// | `Access-Control-*`, `Timing-Allow-Origin` | the application decides which origins may read |
/// | `Alt-Svc` | browsers would connect to the tenant's ports on the application's host |
/// | `Strict-Transport-Security`, `Public-Key-Pins`, `Expect-CT` | the application decides on its TLS policy |
/// | `NEL`, `Report-To`, `Reporting-Endpoints` | browsers would send reports about the application's users to the tenant |
/// | `Refresh`, `Service-Worker-Allowed` | they control pages of the application |
/// | `X-Accel-*`, `X-Sendfile` | a server in front would execute them: send other files, cache otherwise |
/// | `Surrogate-Control`, `CDN-Cache-Control`, `Cloudflare-CDN-Cache-Control` | caches in front would store private responses |
/// | `X-RateLimit-*`, `RateLimit`, `RateLimit-*` and other names with `ratelimit` or `rate-limit`, `X-Quota-*`, `X-Throttle-*`, `X-Request-Cost`, `X-Request-Charge` | they count the calls of the API token: a client could see how many calls a sign-up made, and so whether its address is known |
/// | `Server-Timing`, `X-Runtime`, `X-Response-Time`, `X-Envoy-Upstream-Service-Time` | they expose the tenant's response times |
/// | `X-Debug-*`, `X-Clockwork-*`, `phpdebugbar-id`, `SourceMap` | they link to the tenant's debugger |
/// | `Server`, `X-Powered-By`, `Via` | they expose the tenant's software |
/// | `Host`, `Forwarded`, `X-Forwarded-*`, `X-Real-IP`, `Cookie`, `Origin`, `Range`, `If-*` and other request headers | in a response they have no meaning, and echo the request to the tenant |
///
/// Each of them except `Authorization` can be [allowed](Self::allow) by its name. Hop-by-hop
/// headers are always removed.
///
/// ```
/// use omneo_id::headers::ResponseHeaders;
///
/// // One more header is removed, and the tenant's limits are forwarded.
/// let policy = ResponseHeaders::default().remove("x-node")?.allow("x-ratelimit-limit")?;
/// assert!(!policy.allows(&"set-cookie".parse().unwrap()));
/// assert!(policy.allows(&"x-ratelimit-limit".parse().unwrap()));
/// assert!(!policy.allows(&"x-ratelimit-remaining".parse().unwrap()));
/// # Ok::<(), omneo_id::error::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ResponseHeaders {
    /// Exceptions from the default list.
    allowed: Vec<HeaderName>,
    /// In addition to the default list.
    removed: Vec<HeaderName>,
}

impl ResponseHeaders {
    /// Forwards a header that is removed by default: `set-cookie` for a tenant whose cookies are
    /// meant for the application's domain, `access-control-allow-origin` if the tenant decides on
    /// CORS.
    ///
    /// # Errors
    /// If `name` is not a valid header name, or is `authorization`.
    pub fn allow(mut self, name: &str) -> Result<Self, ConfigError> {
        let name = parse(name)?;
        if name == AUTHORIZATION {
            return Err(invalid(name.as_str(), "it would carry a credential"));
        }
        self.allowed.push(name);
        Ok(self)
    }

    /// Adds a header to the deny-list.
    ///
    /// # Errors
    /// If `name` is not a valid header name.
    pub fn remove(mut self, name: &str) -> Result<Self, ConfigError> {
        self.removed.push(parse(name)?);
        Ok(self)
    }

    /// Whether a header of this name is forwarded.
    pub fn allows(&self, name: &HeaderName) -> bool {
        !self.removed.contains(name) && (!is_removed(name.as_str()) || self.allowed.contains(name))
    }

    /// Removes every header that is not allowed.
    pub fn retain(&self, headers: &mut HeaderMap) {
        retain(headers, |name| self.allows(name));
    }
}

fn parse(name: &str) -> Result<HeaderName, ConfigError> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| invalid(name, "it is not a valid header name"))
}

fn invalid(name: &str, reason: &str) -> ConfigError {
    let message = format!("the response header {name:?} cannot be configured: {reason}");
    ConfigError::new(ConfigErrorKind::InvalidHeader, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_removed_header_can_be_allowed_except_credentials() {
        let default = ResponseHeaders::default();
        for name in [
            "access-control-allow-origin",
            "alt-svc",
            "cdn-cache-control",
            "clear-site-data",
            "cloudflare-cdn-cache-control",
            "cookie",
            "expect",
            "expect-ct",
            "forwarded",
            "from",
            "host",
            "http2-settings",
            "if-match",
            "if-modified-since",
            "if-none-match",
            "if-range",
            "if-unmodified-since",
            "max-forwards",
            "nel",
            "origin",
            "phpdebugbar-id",
            "public-key-pins",
            "quota-remaining",
            "range",
            "rate-limit",
            "ratelimit",
            "ratelimit-limit",
            "ratelimit-policy",
            "ratelimit-remaining",
            "ratelimit-reset",
            "referer",
            "refresh",
            "report-to",
            "reporting-endpoints",
            "server",
            "server-timing",
            "service-worker-allowed",
            "set-cookie",
            "set-cookie2",
            "sourcemap",
            "strict-transport-security",
            "surrogate-control",
            "timing-allow-origin",
            "user-agent",
            "via",
            "x-accel-buffering",
            "x-app-rate-limit-count",
            "x-clockwork-id",
            "x-debug-token",
            "x-debug-token-link",
            "x-envoy-upstream-service-time",
            "x-forwarded-for",
            "x-powered-by",
            "x-quota-remaining",
            "x-rate-limit",
            "x-rate-limit-remaining",
            "x-ratelimit",
            "x-ratelimit-limit",
            "x-ratelimit-remaining",
            "x-ratelimit-remaining-minute",
            "x-ratelimit-reset",
            "x-real-ip",
            "x-request-charge",
            "x-request-cost",
            "x-response-time",
            "x-runtime",
            "x-sendfile",
            "x-sourcemap",
            "x-throttle-wait",
        ] {
            let parsed: HeaderName = name.parse().unwrap();
            assert!(!default.allows(&parsed), "{name}");
            let policy = default.clone().allow(name).unwrap();
            assert!(policy.allows(&parsed), "{name}");
        }
        assert!(!default.allows(&AUTHORIZATION));
        assert!(default.clone().allow("authorization").is_err());
        for name in [
            "accept",
            "accept-ranges",
            "allow",
            "cache-control",
            "content-range",
            "etag",
            "link",
            "retry-after",
            "vary",
            "warning",
            "x-node",
            "x-request-id",
            "x-total-count",
        ] {
            let parsed = HeaderName::from_static(name);
            assert!(default.allows(&parsed), "{name}");
        }
        // Other headers with the same prefix are still removed.
        let cors = default.allow("access-control-allow-origin").unwrap();
        assert!(!cors.allows(&HeaderName::from_static("access-control-allow-credentials")));
    }
}
