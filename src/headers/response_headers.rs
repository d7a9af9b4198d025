use std::sync::Arc;

use http::header::{HeaderMap, HeaderName};

use super::retain::retain;
use crate::error::{ConfigError, ConfigErrorKind};

/// Whether a tenant's response header is removed by default.
fn is_removed(name: &str) -> bool {
    let listed = matches!(
        name,
        // Sessions and credentials of the tenant's own origin.
        "authorization"
        | "clear-site-data"
        | "set-cookie"
        | "set-cookie2"
        // Statements about the tenant's host. A client would take them for statements about ours.
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
        // Orders to servers and caches in between.
        | "cdn-cache-control"
        | "cloudflare-cdn-cache-control"
        | "surrogate-control"
        | "x-sendfile"
        // The tenant's software and the time it took.
        | "server"
        | "server-timing"
        | "via"
        | "x-powered-by"
        | "x-response-time"
        | "x-runtime"
        | "x-envoy-upstream-service-time"
        // Links to the tenant's own debugger and profiler.
        | "phpdebugbar-id"
        | "sourcemap"
        | "x-sourcemap"
        // The cost of a call.
        | "x-request-charge"
        | "x-request-cost"
        // Headers of requests: in an answer they repeat how we called the tenant.
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
    listed || is_of_removed_family(name) || counts_calls(name)
}

fn is_of_removed_family(name: &str) -> bool {
    // CORS is for the host's own layer; an nginx in front would obey `X-Accel-*`.
    const FAMILIES: [&str; 5] = [
        "access-control-",
        "x-accel-",
        "x-clockwork-",
        "x-debug-",
        "x-forwarded-",
    ];
    FAMILIES.iter().any(|family| name.starts_with(family))
}

/// Whether the header tells how many calls are left or were made: `X-RateLimit-Remaining`,
/// `X-Rate-Limit-Limit`, `RateLimit-Policy`, `X-App-Rate-Limit-Count` and their kin, `X-Quota-*`,
/// `X-Throttle-*`.
fn counts_calls(name: &str) -> bool {
    let tail = match name.strip_prefix("x-") {
        Some(tail) => tail,
        None if name.starts_with('r') || name.starts_with('q') => name,
        // No other standard name counts.
        None => return false,
    };
    tail.contains("ratelimit")
        || tail.contains("rate-limit")
        || tail.starts_with("quota")
        || tail.starts_with("throttle")
}

/// Names that cannot be kept, whoever asks.
const NEVER: &[&str] = &["authorization"];

/// Which headers of a tenant's response come down to the client: all but a list.
///
/// | removed | because |
/// | --- | --- |
/// | `Set-Cookie`, `Set-Cookie2` | they would be cookies of the host's domain, and open a session at the tenant |
/// | `Authorization` | it is a credential, and the one that cannot be kept |
/// | `Clear-Site-Data` | it would empty the host's storage in the browser |
/// | `Access-Control-*`, `Timing-Allow-Origin` | which origins may read is the host's to say |
/// | `Alt-Svc` | browsers would turn to the tenant's ports on the host |
/// | `Strict-Transport-Security`, `Public-Key-Pins`, `Expect-CT` | promises on TLS are the host's |
/// | `NEL`, `Report-To`, `Reporting-Endpoints` | browsers would report the host's users to the tenant |
/// | `Refresh`, `Service-Worker-Allowed` | they steer pages of the host |
/// | `X-Accel-*`, `X-Sendfile` | a server in front would obey: other files, other caching |
/// | `Surrogate-Control`, `CDN-Cache-Control`, `Cloudflare-CDN-Cache-Control` | caches in front would keep what is private |
/// | `X-RateLimit-*`, `RateLimit`, `RateLimit-*` and other names with `ratelimit` or `rate-limit`, `X-Quota-*`, `X-Throttle-*`, `X-Request-Cost`, `X-Request-Charge` | they count the calls of the API token, so a client could see how many a sign-up made, and thereby whether its address is known |
/// | `Server-Timing`, `X-Runtime`, `X-Response-Time`, `X-Envoy-Upstream-Service-Time` | they tell how long the tenant worked |
/// | `X-Debug-*`, `X-Clockwork-*`, `phpdebugbar-id`, `SourceMap` | they lead to the tenant's debugger |
/// | `Server`, `X-Powered-By`, `Via` | they tell which software the tenant runs |
/// | `Host`, `Forwarded`, `X-Forwarded-*`, `X-Real-IP`, `Cookie`, `Origin`, `Range`, `If-*` and other headers of requests | they have no meaning in an answer, and repeat how the tenant was called |
///
/// Each of them but `Authorization` can be [kept](Self::keep), by its name. What belongs to a
/// connection never passes.
///
/// ```
/// use omneo_id::headers::ResponseHeaders;
///
/// // One more header is removed, and clients may see the tenant's limits.
/// let policy = ResponseHeaders::default().remove("x-node")?.keep("x-ratelimit-limit")?;
/// assert!(policy.removes(&"set-cookie".parse().unwrap()));
/// assert!(!policy.removes(&"x-ratelimit-limit".parse().unwrap()));
/// assert!(policy.removes(&"x-ratelimit-remaining".parse().unwrap()));
/// # Ok::<(), omneo_id::error::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ResponseHeaders {
    kept: Option<Arc<[HeaderName]>>,
    removed: Option<Arc<[HeaderName]>>,
}

impl ResponseHeaders {
    /// Lets a header pass that is removed by default: `set-cookie` for a tenant whose cookies are
    /// meant for the host's domain, `access-control-allow-origin` where the tenant decides on CORS.
    ///
    /// # Errors
    /// If it is no header name, or `authorization`.
    pub fn keep(mut self, name: &str) -> Result<Self, ConfigError> {
        let name = parse(name)?;
        if NEVER.contains(&name.as_str()) {
            return Err(invalid(name.as_str(), "it would carry a credential"));
        }
        self.kept = Some(with(self.kept.as_ref(), name));
        Ok(self)
    }

    /// Removes one more header.
    ///
    /// # Errors
    /// If it is no header name.
    pub fn remove(mut self, name: &str) -> Result<Self, ConfigError> {
        self.removed = Some(with(self.removed.as_ref(), parse(name)?));
        Ok(self)
    }

    /// Whether a header of this name stays here.
    pub fn removes(&self, name: &HeaderName) -> bool {
        let among = |names: &Option<Arc<[HeaderName]>>| {
            names.as_ref().is_some_and(|names| names.contains(name))
        };
        among(&self.removed) || (is_removed(name.as_str()) && !among(&self.kept))
    }

    /// Removes what stays here.
    pub(crate) fn clean(&self, headers: &mut HeaderMap) {
        retain(headers, |name| !self.removes(name));
    }
}

fn with(names: Option<&Arc<[HeaderName]>>, name: HeaderName) -> Arc<[HeaderName]> {
    let names = names.into_iter().flat_map(|names| names.iter().cloned());
    names.chain([name]).collect()
}

fn parse(name: &str) -> Result<HeaderName, ConfigError> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid(name, "it is no header name"))
}

fn invalid(name: &str, why: &str) -> ConfigError {
    let message = format!("the response header {name:?} cannot be configured: {why}");
    ConfigError::new(ConfigErrorKind::InvalidHeader, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_removal_can_be_switched_off_but_that_of_a_credential() {
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
            assert!(default.removes(&parsed), "{name}");
            let policy = default.clone().keep(name).unwrap();
            assert!(!policy.removes(&parsed), "{name}");
        }
        assert!(default.removes(&http::header::AUTHORIZATION));
        assert!(default.clone().keep("authorization").is_err());
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
            assert!(!default.removes(&parsed), "{name}");
        }
        // The others of a family stay here.
        let cors = default.keep("access-control-allow-origin").unwrap();
        assert!(cors.removes(&HeaderName::from_static("access-control-allow-credentials")));
    }
}
