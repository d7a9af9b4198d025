//! The checked configuration.

use std::time::Duration;

use super::server::ServerConfig;
use super::tenant::TenantConfig;

/// All settings.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) server: ServerConfig,
    /// At least one. With flags exactly one.
    pub(crate) tenants: Vec<TenantConfig>,
    pub(crate) resolver: ResolverConfig,
    /// Logged once the log is set up.
    pub(crate) warnings: Vec<String>,
}

impl Config {
    /// The key of the tenant that flags configure.
    pub(crate) const FLAGS_KEY: &str = "default";

    /// Whether the tenants are called over the network. If not, there is only the embedded
    /// sandbox.
    pub(crate) fn is_remote(&self) -> bool {
        self.tenants.iter().any(|tenant| tenant.upstream.is_some())
    }
}

/// How the tenant of a request is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ResolverConfig {
    /// There is one tenant.
    Single,
    /// By the host of the request.
    Hosts {
        /// Hosts with the keys of their tenants.
        exact: Vec<(String, String)>,
        /// A host with `{tenant}` in place of a tenant's key, for hosts that are not listed.
        pattern: Option<String>,
    },
    /// By the first segment of the path, which is the tenant's key.
    Path,
    /// By a header with the tenant's key, of a trusted proxy.
    Header(String),
}

/// The format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    /// One JSON object per line.
    Json,
}

/// Limits of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// How long a connection may be idle between two requests.
    pub(crate) idle: Duration,
    /// How long the first request, and any unfinished head, may take to arrive.
    pub(crate) header: Duration,
    /// How long a client may leave its response unread.
    pub(crate) write: Duration,
    /// How long connections are accepted after SIGTERM.
    pub(crate) drain_delay: Duration,
    /// How long requests in flight may take after SIGTERM and `drain_delay`.
    pub(crate) drain: Duration,
    /// The greatest number of concurrent connections.
    pub(crate) connections: usize,
}
