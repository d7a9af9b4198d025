use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use http::uri::{Authority, Scheme};

use super::{ApiToken, Origin};
use crate::error::{ConfigError, ConfigErrorKind};
use crate::path::plain_prefix;

/// An Omneo tenant: its origin, the base path of its admin API, and an API token for it.
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
    origin: Origin,
    base_path: Box<str>,
    api_token: ApiToken,
}

impl Tenant {
    /// The default base path of the admin API.
    pub const DEFAULT_BASE_PATH: &'static str = "/api/v3";

    /// A tenant at an origin, `https://api.{tenant}.getomneo.com`.
    ///
    /// # Errors
    /// If the origin is not an absolute URI of scheme, host and optional port, or is plain `http`
    /// to a host other than loopback, which would send the API token unencrypted. For a trusted
    /// network, use [`insecure`](Self::insecure).
    pub fn new(origin: &str, api_token: ApiToken) -> Result<Self, ConfigError> {
        Ok(Self::at(Origin::parse(origin)?, api_token))
    }

    /// As [`new`](Self::new), but accepts plain `http` to any host: for a network in which the API
    /// token may be sent unencrypted, such as a service mesh that adds TLS.
    ///
    /// # Errors
    /// If the origin is not an absolute `http` or `https` URI of scheme, host and optional port.
    pub fn insecure(origin: &str, api_token: ApiToken) -> Result<Self, ConfigError> {
        Ok(Self::at(Origin::parse_insecure(origin)?, api_token))
    }

    pub(crate) fn at(origin: Origin, api_token: ApiToken) -> Self {
        Self(Arc::new(Inner {
            origin,
            base_path: Self::DEFAULT_BASE_PATH.into(),
            api_token,
        }))
    }

    /// Replaces the base path of the admin API: empty, or `/segment[/segment]…`.
    ///
    /// Default is `/api/v3`.
    ///
    /// # Errors
    /// If the path has another form, or contains anything other than letters, digits, `-`, `_`, `~`
    /// and inner dots.
    pub fn with_base_path(mut self, path: &str) -> Result<Self, ConfigError> {
        let path = plain_prefix(path).ok_or_else(|| {
            ConfigError::new(
                ConfigErrorKind::InvalidBasePath,
                "a base path is empty or looks like /api/v3",
            )
        })?;
        Arc::make_mut(&mut self.0).base_path = path.into();
        Ok(self)
    }

    /// `https`, or `http`.
    pub fn scheme(&self) -> &Scheme {
        &self.0.origin.scheme
    }

    /// Host, and port if configured.
    pub fn authority(&self) -> &Authority {
        &self.0.origin.authority
    }

    /// The authority as the value of a `Host` header.
    pub fn host(&self) -> &HeaderValue {
        &self.0.origin.host
    }

    /// The path of the admin API, without a trailing slash.
    pub fn base_path(&self) -> &str {
        &self.0.base_path
    }

    /// The API token.
    pub fn api_token(&self) -> &ApiToken {
        &self.0.api_token
    }
}

impl fmt::Display for Tenant {
    /// The address; never the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}{}",
            self.scheme(),
            self.authority(),
            self.base_path()
        )
    }
}
