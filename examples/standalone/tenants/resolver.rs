//! Finds the tenant of a request, as configured.

use omneo_id::error::BoxError;
use omneo_id::tenants::{
    OneTenant, RequestHead, TenantByHeader, TenantByHost, TenantByPath, TenantKey, TenantResolver,
};

use crate::config::{Config, ResolverConfig, ServerConfig};

/// The configured resolver.
pub(super) enum Resolver {
    Single(OneTenant),
    Host(TenantByHost),
    Path,
    Header(TenantByHeader),
}

impl Resolver {
    /// The resolver of a configuration, with the trusted proxies of `server`.
    ///
    /// # Errors
    /// None for a configuration that has been checked.
    pub(super) fn new(config: &Config, server: &ServerConfig) -> Result<Self, BoxError> {
        Ok(match &config.resolver {
            ResolverConfig::Single => {
                let single = config.tenants.first().ok_or("no tenant is configured")?;
                Self::Single(OneTenant::new(single.key.parse()?))
            }
            ResolverConfig::Path => Self::Path,
            ResolverConfig::Header(name) => {
                let proxies = server.trusted_proxies()?;
                Self::Header(TenantByHeader::new(name.parse()?, proxies))
            }
            ResolverConfig::Hosts { exact, pattern } => {
                let mut hosts = TenantByHost::new();
                if let Some(pattern) = pattern {
                    hosts = hosts.with_pattern(pattern)?;
                }
                for (host, key) in exact {
                    hosts = hosts.add_host(host, key.parse()?)?;
                }
                Self::Host(hosts)
            }
        })
    }
}

impl TenantResolver for Resolver {
    fn resolve(&self, request: RequestHead<'_>) -> Option<TenantKey> {
        match self {
            Self::Single(tenant) => tenant.resolve(request),
            Self::Host(hosts) => hosts.resolve(request),
            Self::Path => TenantByPath.resolve(request),
            Self::Header(header) => header.resolve(request),
        }
    }
}
