//! Where, and as whom, the tenant is called.

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;

use http::HeaderValue;
use http::uri::{Authority, Scheme, Uri};

use crate::error::{ConfigError, ConfigErrorKind};

/// An Omneo tenant: its origin, the base path of its admin API, and the API token that opens it.
///
/// Clones share one allocation; `Debug` shows the address and never the token.
///
/// ```
/// use omneo_id::{ApiToken, Tenant};
///
/// let tenant = Tenant::new("https://api.acme.getomneo.com", ApiToken::new("secret")?)?;
/// assert_eq!(tenant.base_path(), "/api/v3");
/// assert!(!format!("{tenant:?}").contains("secret"));
/// # Ok::<(), omneo_id::error::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tenant(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    scheme: Scheme,
    authority: Authority,
    host: HeaderValue,
    base_path: Box<str>,
    api_token: ApiToken,
}

impl Tenant {
    /// The path under which the admin API lies unless told otherwise.
    pub const DEFAULT_BASE_PATH: &'static str = "/api/v3";

    /// A tenant at an origin, `https://api.{tenant}.getomneo.com`.
    ///
    /// # Errors
    /// If the origin is no absolute URI of scheme, host and optional port, or is plain `http` to
    /// anywhere but loopback: the API token would travel readable by all. See
    /// [`insecure`](Self::insecure) for networks that are trusted anyway.
    pub fn new(origin: &str, api_token: ApiToken) -> Result<Self, ConfigError> {
        let tenant = Self::insecure(origin, api_token)?;
        if tenant.0.scheme == Scheme::HTTP && !is_loopback(tenant.0.authority.host()) {
            return Err(ConfigError::new(
                ConfigErrorKind::InvalidOrigin,
                "the tenant's origin must be https: over plain http its API token is readable on the way",
            ));
        }
        Ok(tenant)
    }

    /// As [`new`](Self::new), but takes plain `http` to any host: for a network in which the API
    /// token may travel unencrypted, a mesh that adds TLS by itself for example.
    ///
    /// # Errors
    /// If the origin is no absolute `http` or `https` URI of scheme, host and optional port.
    pub fn insecure(origin: &str, api_token: ApiToken) -> Result<Self, ConfigError> {
        let invalid = |why: &'static str| ConfigError::new(ConfigErrorKind::InvalidOrigin, why);
        let uri: Uri = origin
            .parse()
            .map_err(|error| invalid("the tenant's origin is no URI").with_source(error))?;
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
                "the tenant's origin has a path: give that as the base path instead",
            ));
        }
        let host = HeaderValue::from_str(authority.as_str())
            .map_err(|error| invalid("the tenant's host cannot be sent").with_source(error))?;
        Ok(Self(Arc::new(Inner {
            scheme,
            authority,
            host,
            base_path: Self::DEFAULT_BASE_PATH.into(),
            api_token,
        })))
    }

    /// Replaces the base path of the admin API: empty, or `/segment[/segment]…`.
    ///
    /// Default is `/api/v3`.
    ///
    /// # Errors
    /// If it is neither, or holds anything but letters, digits, `-`, `_`, `~` and inner dots.
    pub fn with_base_path(mut self, path: &str) -> Result<Self, ConfigError> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut segments = path.split('/');
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~.".contains(&byte);
        let rooted = segments.next() == Some("");
        if !rooted || !segments.all(|s| !matches!(s, "" | "." | "..") && s.bytes().all(plain)) {
            return Err(ConfigError::new(
                ConfigErrorKind::InvalidBasePath,
                "a base path is empty or looks like /api/v3",
            ));
        }
        Arc::make_mut(&mut self.0).base_path = path.into();
        Ok(self)
    }

    /// `https`, or `http`.
    pub fn scheme(&self) -> &Scheme {
        &self.0.scheme
    }

    /// Host, and port if one was given.
    pub fn authority(&self) -> &Authority {
        &self.0.authority
    }

    /// The authority as the value of a `Host` header.
    pub fn host(&self) -> &HeaderValue {
        &self.0.host
    }

    /// The path of the admin API, without a slash at its end.
    pub fn base_path(&self) -> &str {
        &self.0.base_path
    }

    /// The token that opens it.
    pub fn api_token(&self) -> &ApiToken {
        &self.0.api_token
    }
}

impl fmt::Display for Tenant {
    /// The address; never the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            scheme,
            authority,
            base_path,
            ..
        } = &*self.0;
        write!(f, "{scheme}://{authority}{base_path}")
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// An API token of a tenant: opens everything, so it is shown nowhere.
///
/// `Debug` is redacted, the header value made of it is marked sensitive, and comparing takes the
/// same time wherever two tokens differ.
#[derive(Clone)]
pub struct ApiToken(HeaderValue);

const SCHEME: &str = "Bearer ";

impl ApiToken {
    /// A token as the tenant's administrator created it, without `Bearer`.
    ///
    /// # Errors
    /// If it is empty or holds anything but visible ASCII characters.
    pub fn new(token: &str) -> Result<Self, ConfigError> {
        let invalid = || {
            ConfigError::new(
                ConfigErrorKind::InvalidApiToken,
                "an API token is one or more visible ASCII characters, without spaces",
            )
        };
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid());
        }
        let mut value =
            HeaderValue::from_str(&format!("{SCHEME}{token}")).map_err(|_| invalid())?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// `Bearer …`, marked sensitive.
    pub fn to_header(&self) -> HeaderValue {
        self.0.clone()
    }

    /// Whether this is the token, in time that depends on the lengths only.
    pub fn matches(&self, token: &str) -> bool {
        let own = self.as_bytes();
        let other = token.as_bytes();
        own.len() == other.len()
            && own
                .iter()
                .zip(other)
                .fold(0, |different, (a, b)| black_box(different | (a ^ b)))
                == 0
    }

    /// Whether `bytes` hold the token anywhere: the guard against a tenant that echoes it.
    ///
    /// A token of less than 8 characters is not looked for: such a word occurs by itself.
    pub(crate) fn occurs_in(&self, bytes: &[u8]) -> bool {
        // Laravel's tokens look like `7|4fzK…`, and their `|` is written in several ways; a part
        // that is long enough gives them away in each.
        let parts = self.as_bytes().split(|byte| !byte.is_ascii_alphanumeric());
        let own = match parts.max_by_key(|part| part.len()) {
            Some(part) if part.len() >= 16 => part,
            _ => self.as_bytes(),
        };
        own.len() >= 8 && bytes.windows(own.len()).any(|window| window == own)
    }

    fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes().get(SCHEME.len()..).unwrap_or_default()
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken(…)")
    }
}

/// In the extensions of a request to the forwarding service: call the tenant with this credential
/// instead of the configured one.
///
/// The token endpoint sends its look-up with the *caller's* API token this way, so that one request
/// both authenticates and resolves. The tenant's 401 and 403 then are the caller's own.
#[derive(Clone, Debug)]
pub struct CallAs(pub ApiToken);
