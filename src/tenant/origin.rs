use http::HeaderValue;
use http::uri::{Authority, Scheme, Uri};

use crate::error::{ConfigError, ConfigErrorKind};

/// Scheme, host and port.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    /// The authority as a header value, parsed once.
    pub(super) host: HeaderValue,
}

impl Origin {
    /// An origin to which a secret may be sent: `https`, or `http` to loopback.
    pub(crate) fn parse(origin: &str) -> Result<Self, ConfigError> {
        let origin = Self::parse_insecure(origin)?;
        if origin.scheme == Scheme::HTTP && !is_loopback(origin.authority.host()) {
            return Err(invalid(
                "the tenant's origin must be https: plain http sends its API token unencrypted",
            ));
        }
        Ok(origin)
    }

    /// Any `http` or `https` origin.
    pub(crate) fn parse_insecure(origin: &str) -> Result<Self, ConfigError> {
        let uri: Uri = origin
            .parse()
            .map_err(|error| invalid("the tenant's origin is not a URI").with_source(error))?;
        let parts = uri.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(invalid(
                "the tenant's origin must look like https://api.acme.getomneo.com",
            ));
        };
        if scheme != Scheme::HTTPS && scheme != Scheme::HTTP {
            return Err(invalid("the tenant's origin must be https"));
        }
        if authority.host().is_empty() || authority.as_str().contains('@') {
            return Err(invalid(
                "the tenant's origin must be a host with no user name",
            ));
        }
        if parts.path_and_query.is_some_and(|path| path != "/") {
            return Err(invalid(
                "the tenant's origin has a path: configure it as the base path instead",
            ));
        }
        let host = HeaderValue::from_str(without_default_port(&scheme, &authority))
            .map_err(|error| invalid("the tenant's host cannot be sent").with_source(error))?;
        Ok(Self {
            scheme,
            authority,
            host,
        })
    }
}

/// The value of `Host`, which omits the scheme's default port (RFC 9110 §7.2).
fn without_default_port<'a>(scheme: &Scheme, authority: &'a Authority) -> &'a str {
    let default = if *scheme == Scheme::HTTPS {
        ":443"
    } else {
        ":80"
    };
    let text = authority.as_str();
    text.strip_suffix(default).unwrap_or(text)
}

fn invalid(why: &'static str) -> ConfigError {
    ConfigError::new(ConfigErrorKind::InvalidOrigin, why)
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_omits_the_default_port() {
        for (scheme, authority, host) in [
            ("https", "api.acme.test", "api.acme.test"),
            ("https", "api.acme.test:443", "api.acme.test"),
            ("https", "api.acme.test:80", "api.acme.test:80"),
            ("https", "api.acme.test:4430", "api.acme.test:4430"),
            ("http", "127.0.0.1:80", "127.0.0.1"),
            ("http", "[::1]:80", "[::1]"),
            ("http", "[::1]:443", "[::1]:443"),
        ] {
            let scheme = Scheme::try_from(scheme).unwrap();
            let authority = Authority::try_from(authority).unwrap();
            assert_eq!(without_default_port(&scheme, &authority), host);
        }
    }
}
