use std::collections::HashMap;

use super::TenantResolver;
use super::host::Host;
use crate::error::{ConfigError, ConfigErrorKind};
use crate::tenant::TenantKey;
use crate::tenants::RequestHead;

/// Finds the tenant by the host of the request.
///
/// The host is the one that a trusted proxy reports in the request's
/// [`ClientInfo`](crate::client_info::ClientInfo). Without it, the host is that of the target
/// (HTTP/2, absolute form) or of the header `Host`. The port, upper case and one trailing dot are
/// ignored. A request without a valid host, or with several that differ, belongs to no tenant.
///
/// Exact hosts precede the pattern.
///
/// ```
/// use http::Request;
/// use omneo_id::tenants::{RequestHead, TenantByHost, TenantResolver};
///
/// let hosts = TenantByHost::new()
///     .with_pattern("api.{tenant}.shop.example")?
///     .add_host("login.acme.example", "acme".parse()?)?;
/// let tenant = |host| {
///     let request = Request::get("/profiles/me").header("host", host).body(()).unwrap();
///     hosts.resolve(RequestHead::from_request(&request)).map(|key| key.to_string())
/// };
/// assert_eq!(tenant("login.acme.example").as_deref(), Some("acme"));
/// assert_eq!(tenant("API.Brand.Shop.example:8443").as_deref(), Some("brand"));
/// assert_eq!(tenant("shop.example"), None);
/// # Ok::<(), omneo_id::error::BoxError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TenantByHost {
    exact: HashMap<Box<str>, TenantKey>,
    pattern: Option<Pattern>,
}

/// The text of a host before and after the label of the tenant, with the dots.
#[derive(Clone, Debug)]
struct Pattern {
    before: Box<str>,
    after: Box<str>,
}

impl TenantByHost {
    const PLACEHOLDER: &str = "{tenant}";

    /// A resolver without hosts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a host of the tenant `key`. A tenant can have several hosts. The port is ignored; an
    /// internationalized name is written in its ASCII form (`xn--…`).
    ///
    /// Default is none.
    ///
    /// # Errors
    /// If the host is invalid, or belongs to another tenant.
    pub fn add_host(mut self, host: &str, key: TenantKey) -> Result<Self, ConfigError> {
        let parsed = Host::parse(host).ok_or_else(|| invalid(format!("{host:?} is not a host")))?;
        match self.exact.insert(parsed.as_str().into(), key) {
            Some(other) if other != key => Err(ConfigError::new(
                ConfigErrorKind::TenantConflict,
                format!("the host {host:?} belongs to the tenants {other} and {key}"),
            )),
            _ => Ok(self),
        }
    }

    /// Replaces the pattern of hosts, such as `api.{tenant}.shop.example`: the label at `{tenant}`
    /// is the key.
    ///
    /// Default is none.
    ///
    /// # Errors
    /// If the pattern does not have exactly one label `{tenant}`, or no other label.
    pub fn with_pattern(mut self, pattern: &str) -> Result<Self, ConfigError> {
        let parsed = Pattern::parse(pattern).ok_or_else(|| {
            invalid(format!(
                "{pattern:?} is not a pattern like api.{{tenant}}.shop.example"
            ))
        })?;
        self.pattern = Some(parsed);
        Ok(self)
    }
}

impl TenantResolver for TenantByHost {
    fn resolve(&self, request: RequestHead<'_>) -> Option<TenantKey> {
        let host = Host::of_request(request)?;
        let exact = self.exact.get(host.as_str());
        exact
            .copied()
            .or_else(|| self.pattern.as_ref()?.tenant(host.as_str()))
    }
}

impl Pattern {
    fn parse(pattern: &str) -> Option<Self> {
        let (before, after) = pattern.split_once(TenantByHost::PLACEHOLDER)?;
        let is_label = (before.is_empty() || before.ends_with('.'))
            && (after.is_empty() || after.starts_with('.'));
        // A key in place of the label makes the pattern a host without a port.
        let example = [before, "tenant", after].concat();
        let host = Host::parse(&example)?;
        let is_host = host.as_str().len() == example.len() && !example.starts_with('[');
        (is_label && is_host && before.len() + after.len() > 0).then(|| Self {
            before: before.to_ascii_lowercase().into(),
            after: after.to_ascii_lowercase().into(),
        })
    }

    /// The key in a host that matches. A key has no dot, so it is exactly one label.
    fn tenant(&self, host: &str) -> Option<TenantKey> {
        let label = host.strip_prefix(&*self.before)?;
        label.strip_suffix(&*self.after)?.parse().ok()
    }
}

fn invalid(message: String) -> ConfigError {
    ConfigError::new(ConfigErrorKind::InvalidValue, message)
}
