use std::env;
use std::fmt;

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use crate::error::{ConfigError, ConfigErrorKind};

/// The hosts of loopback. A proxy would connect to its own host instead.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// A forward proxy: which origins are reached through it.
///
/// The client asks the proxy for a tunnel (`CONNECT`) to each origin, also for plain `http`, so
/// that TLS is end to end. The proxy must accept `CONNECT` to the port of the origin. Loopback
/// hosts are always reached directly.
///
/// The URL of a proxy is `http://[user:password@]host[:port]`; its user and password are
/// percent-encoded. They are sent to the proxy only, as `Proxy-Authorization`, and do not appear in
/// `Debug`, logs and errors.
///
/// ```
/// use omneo_id::client::{HttpClient, Proxy};
///
/// let proxy = Proxy::new("http://proxy.internal:3128")?.no_proxy("10.0.0.0/8, .internal");
/// let client = HttpClient::builder().proxy(proxy).build()?;
/// # Ok::<(), omneo_id::error::ConfigError>(())
/// ```
#[derive(Clone, Default)]
pub struct Proxy {
    http: String,
    https: String,
    no_proxy: String,
}

impl Proxy {
    /// A proxy for all origins.
    ///
    /// # Errors
    /// If the URL is not that of an `http` proxy.
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        let url = parse("the proxy", url.to_owned())?;
        Ok(Self {
            http: url.clone(),
            https: url,
            no_proxy: String::new(),
        })
    }

    /// The proxies of the environment: `HTTPS_PROXY` for `https` origins, `HTTP_PROXY` for `http`
    /// origins, `ALL_PROXY` for those without one of their own, and the exceptions of `NO_PROXY`.
    /// Each name is read in upper case first, then in lower case. An empty variable counts as
    /// unset. Without variables, all origins are reached directly.
    ///
    /// curl prefers the names in lower case, and ignores `HTTP_PROXY` in upper case.
    ///
    /// `HTTP_PROXY` is ignored if `REQUEST_METHOD` is set: in a CGI script, it is the header
    /// `Proxy` of a client.
    ///
    /// # Errors
    /// If a URL is not that of an `http` proxy.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(|name| env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let is_cgi = variable("REQUEST_METHOD").is_some();
        let first = |names: [&'static str; 4]| {
            names
                .into_iter()
                .filter(|name| !is_cgi || *name != "HTTP_PROXY")
                .find_map(|name| Some((name, variable(name).filter(|value| !value.is_empty())?)))
                .map_or(Ok(String::new()), |(name, url)| parse(name, url))
        };
        let no_proxy = ["NO_PROXY", "no_proxy"];
        Ok(Self {
            http: first(["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])?,
            https: first(["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])?,
            no_proxy: (no_proxy.into_iter().filter_map(variable))
                .find(|list| !list.is_empty())
                .unwrap_or_default(),
        })
    }

    /// Replaces the hosts that are reached directly: a list with commas, in the form of `NO_PROXY`.
    /// `acme.test` and `.acme.test` include the subdomains, `10.0.0.0/8` is a network, and `*`
    /// includes all hosts.
    ///
    /// Default is an empty list, and with [`from_env`](Self::from_env) `NO_PROXY`.
    pub fn no_proxy(mut self, hosts: &str) -> Self {
        self.no_proxy = hosts.to_owned();
        self
    }

    pub(super) fn matcher(&self) -> Matcher {
        Matcher::builder()
            .http(&self.http)
            .https(&self.https)
            .no(format!("{LOOPBACK},{}", self.no_proxy))
            .build()
    }
}

/// Shows the URLs without user and password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = |url: &str| intercept(url).map(|proxy| proxy.uri().to_string());
        f.debug_struct("Proxy")
            .field("http", &url(&self.http))
            .field("https", &url(&self.https))
            .field("no_proxy", &self.no_proxy)
            .finish()
    }
}

/// Checks the URL of a proxy. The error does not contain it, as it may contain a password.
fn parse(name: &'static str, url: String) -> Result<String, ConfigError> {
    match intercept(&url).is_some_and(|proxy| is_http_origin(proxy.uri())) {
        true => Ok(url),
        false => Err(ConfigError::new(
            ConfigErrorKind::InvalidValue,
            format!("{name} must look like http://[user:password@]host[:port]"),
        )),
    }
}

fn is_http_origin(uri: &Uri) -> bool {
    // `Uri` accepts any text as a port.
    let has_valid_port = uri.port_u16().is_some()
        || uri.host() == uri.authority().map(|authority| authority.as_str());
    uri.scheme() == Some(&Scheme::HTTP) && has_valid_port
}

/// The proxy with this URL. `None` if the URL is not usable.
fn intercept(url: &str) -> Option<Intercept> {
    let matcher = Matcher::builder().all(url).build();
    matcher.intercept(&Uri::from_static("http://omneo.test"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The proxies for an `https` and an `http` origin.
    fn proxies(variables: &[(&str, &str)]) -> [Option<String>; 2] {
        let variable = |name: &str| {
            let (_, value) = variables.iter().find(|(other, _)| *other == name)?;
            Some((*value).to_owned())
        };
        let matcher = Proxy::from_variables(variable).unwrap().matcher();
        ["https://api.acme.test", "http://api.acme.test:8080"].map(|origin| {
            let proxy = matcher.intercept(&Uri::from_static(origin))?;
            Some(proxy.uri().authority()?.to_string())
        })
    }

    #[test]
    fn the_variables_are_read_as_curl_reads_them() {
        for (variables, https, http) in [
            (&[][..], None, None),
            (&[("HTTPS_PROXY", "http://a:1")], Some("a:1"), None),
            (&[("https_proxy", "http://a:1")], Some("a:1"), None),
            (&[("HTTP_PROXY", "http://a:1")], None, Some("a:1")),
            (&[("HTTPS_PROXY", "a:1")], Some("a:1"), None),
            (&[("ALL_PROXY", "http://a:1/")], Some("a:1"), Some("a:1")),
            (&[("all_proxy", "http://u:p@a:1")], Some("a:1"), Some("a:1")),
            (
                &[
                    ("ALL_PROXY", "socks5://a"),
                    ("HTTP_PROXY", "b"),
                    ("https_proxy", "c"),
                ],
                Some("c"),
                Some("b"),
            ),
            (
                &[
                    ("HTTPS_PROXY", ""),
                    ("https_proxy", "http://a"),
                    ("NO_PROXY", ""),
                ],
                Some("a"),
                None,
            ),
            (&[("ALL_PROXY", "a"), ("NO_PROXY", "acme.test")], None, None),
            (
                &[("ALL_PROXY", "a"), ("no_proxy", "x, .acme.test")],
                None,
                None,
            ),
            (&[("ALL_PROXY", "a"), ("NO_PROXY", "*")], None, None),
            (
                &[("ALL_PROXY", "a"), ("NO_PROXY", "cme.test")],
                Some("a"),
                Some("a"),
            ),
            (
                &[
                    ("REQUEST_METHOD", "GET"),
                    ("HTTP_PROXY", "a"),
                    ("HTTPS_PROXY", "b"),
                ],
                Some("b"),
                None,
            ),
        ] {
            let expected = [https, http].map(|proxy| proxy.map(str::to_owned));
            assert_eq!(proxies(variables), expected, "{variables:?}");
        }
    }

    #[test]
    fn loopback_is_reached_directly() {
        let matcher = Proxy::new("http://a")
            .unwrap()
            .no_proxy("10.0.0.0/8")
            .matcher();
        for (origin, is_proxied) in [
            ("http://localhost:8080", false),
            ("http://LOCALHOST", false),
            ("http://127.0.0.1:8080", false),
            ("https://127.9.9.9", false),
            ("https://[::1]:8443", false),
            ("https://10.1.2.3", false),
            ("https://11.1.2.3", true),
            ("https://[::2]", true),
            ("https://localhost.acme.test", true),
        ] {
            let proxy = matcher.intercept(&Uri::from_static(origin));
            assert_eq!(proxy.is_some(), is_proxied, "{origin}");
        }
    }

    #[test]
    fn an_unusable_url_is_an_error_without_the_password() {
        for url in [
            "",
            "http://",
            "/proxy",
            "https://u:secret@proxy",
            "socks5://u:secret@proxy:1080",
            "ftp://u:secret@proxy",
            "http://u:secret@proxy:port",
            "http://u:sec ret@proxy",
        ] {
            let error = Proxy::new(url).unwrap_err();
            assert_eq!(error.kind(), ConfigErrorKind::InvalidValue, "{url}");
            let text = format!("{error} {error:?}");
            assert!(
                text.contains("http://[user:password@]host[:port]"),
                "{text}"
            );
            assert!(!text.contains("secret"), "{text}");
        }
        let error = Proxy::from_variables(|name| {
            (name == "HTTPS_PROXY").then(|| "socks5://u:secret@a".to_owned())
        });
        assert!(
            error
                .unwrap_err()
                .to_string()
                .starts_with("HTTPS_PROXY must")
        );
    }

    #[test]
    fn debug_shows_neither_user_nor_password() {
        let proxy = Proxy::new("http://nina:s%40cret@proxy.test:3128").unwrap();
        let text = format!("{proxy:?}");
        assert!(text.contains("http://proxy.test:3128/"), "{text}");
        assert!(!text.contains("nina") && !text.contains("cret"), "{text}");
    }
}
