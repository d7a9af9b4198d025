use std::sync::Arc;

use http::header::{HeaderMap, HeaderName};

use super::retain::retain;
use crate::error::{ConfigError, ConfigErrorKind};

/// Whether a tenant's response header stays here unless told otherwise.
fn is_removed(name: &str) -> bool {
    let listed = matches!(
        name,
        // Sessions and credentials of the tenant's own origin.
        "authorization"
        | "clear-site-data"
        | "set-cookie"
        | "set-cookie2"
        // What holds for the tenant's host would be taken as said by the one that answers.
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
        // What runs there.
        | "server"
        | "via"
        | "x-powered-by"
    );
    // CORS is the host's own layer, and `X-Accel-*` would be obeyed by an nginx in front of it.
    listed || name.starts_with("access-control-") || name.starts_with("x-accel-")
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
/// | `Server`, `X-Powered-By`, `Via` | they tell what runs there |
///
/// Each of them but `Authorization` can be [kept](Self::keep), by its name. What belongs to a
/// connection never passes.
///
/// ```
/// use omneo_id::headers::ResponseHeaders;
///
/// // The tenant's cookies stay away; a header of its own goes too, and `Via` is wanted.
/// let policy = ResponseHeaders::default().remove("x-debug-id")?.keep("via")?;
/// assert!(policy.removes(&"set-cookie".parse().unwrap()));
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
            "expect-ct",
            "nel",
            "public-key-pins",
            "refresh",
            "report-to",
            "reporting-endpoints",
            "server",
            "service-worker-allowed",
            "set-cookie",
            "set-cookie2",
            "strict-transport-security",
            "surrogate-control",
            "timing-allow-origin",
            "via",
            "x-accel-buffering",
            "x-powered-by",
            "x-sendfile",
        ] {
            let parsed: HeaderName = name.parse().unwrap();
            assert!(default.removes(&parsed), "{name}");
            let policy = default.clone().keep(name).unwrap();
            assert!(!policy.removes(&parsed), "{name}");
        }
        assert!(default.removes(&http::header::AUTHORIZATION));
        assert!(default.clone().keep("authorization").is_err());
        assert!(!default.removes(&http::header::ETAG));
        // The others of a family stay here.
        let cors = default.keep("access-control-allow-origin").unwrap();
        assert!(cors.removes(&HeaderName::from_static("access-control-allow-credentials")));
    }
}
