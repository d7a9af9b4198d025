//! The checked settings of the server.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use omneo_id::client_info::TrustedProxies;
use omneo_id::error::ConfigError;
use tracing_subscriber::EnvFilter;

use super::certificates::{CaFile, TlsFiles};
use super::model::{Limits, LogFormat};
use super::sessions::StoreConfig;

/// The settings of the server, which all tenants share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerConfig {
    /// At least one.
    pub(crate) listen: Vec<ListenAddress>,
    /// `None` if connections are not encrypted.
    pub(crate) tls: Option<TlsFiles>,
    /// Addresses and networks of trusted proxies.
    pub(crate) trusted_proxies: Vec<String>,
    /// Whether the trusted proxies write `Forwarded` instead of `X-Forwarded-*`.
    pub(crate) trust_forwarded: bool,
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) limits: Limits,
    /// Limit of concurrent calls of all tenants together.
    pub(crate) max_in_flight: usize,
    pub(crate) connect_timeout: Duration,
    /// Age at which a connection to a tenant gets no further requests.
    pub(crate) max_connection_age: Duration,
    /// Certificates of authorities besides the bundled ones, PEM.
    pub(crate) tenant_ca: Vec<CaFile>,
    pub(crate) revocations: StoreConfig,
    /// A filter of the log, which [`log_filter`](Self::log_filter) parses.
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
    pub(crate) log_client_address: bool,
    /// `None` if `/metrics` is not served and requests are not counted.
    pub(crate) metrics_listen: Option<String>,
}

impl ServerConfig {
    /// The filter of the log.
    pub(crate) fn log_filter(&self) -> EnvFilter {
        EnvFilter::new(&self.log)
    }

    /// The proxies whose forwarding headers are trusted.
    ///
    /// # Errors
    /// None for a configuration that has been checked.
    pub(crate) fn trusted_proxies(&self) -> Result<TrustedProxies, ConfigError> {
        let networks = self.trusted_proxies.iter().map(String::as_str);
        let proxies = TrustedProxies::new(networks)?;
        Ok(match self.trust_forwarded {
            true => proxies.with_forwarded(),
            false => proxies,
        })
    }

    /// The fields of the file that differ in `other` and are applied only at a start.
    pub(crate) fn restart_changes(&self, other: &Self) -> Vec<&'static str> {
        let limits = (&self.limits, &other.limits);
        let store = (&self.revocations, &other.revocations);
        let changes = [
            ("listen", self.listen != other.listen),
            ("tls_cert", self.tls.is_some() != other.tls.is_some()),
            (
                "trusted_proxy",
                self.trusted_proxies != other.trusted_proxies,
            ),
            (
                "trust_forwarded",
                self.trust_forwarded != other.trust_forwarded,
            ),
            ("threads", self.threads != other.threads),
            ("idle_timeout", limits.0.idle != limits.1.idle),
            ("header_timeout", limits.0.header != limits.1.header),
            ("write_timeout", limits.0.write != limits.1.write),
            ("drain_delay", limits.0.drain_delay != limits.1.drain_delay),
            ("drain_timeout", limits.0.drain != limits.1.drain),
            (
                "max_connections",
                limits.0.connections != limits.1.connections,
            ),
            ("max_in_flight", self.max_in_flight != other.max_in_flight),
            (
                "connect_timeout",
                self.connect_timeout != other.connect_timeout,
            ),
            (
                "max_connection_age",
                self.max_connection_age != other.max_connection_age,
            ),
            ("tenant_ca", self.tenant_ca != other.tenant_ca),
            ("revocations", store.0.redis != store.1.redis),
            (
                "revocations_on_outage",
                store.0.on_outage != store.1.on_outage,
            ),
            ("log", self.log != other.log),
            ("log_format", self.log_format != other.log_format),
            (
                "log_client_address",
                self.log_client_address != other.log_client_address,
            ),
            (
                "metrics_listen",
                self.metrics_listen != other.metrics_listen,
            ),
        ];
        let changed = changes.into_iter().filter(|(_, differs)| *differs);
        changed.map(|(field, _)| field).collect()
    }
}

/// Where the server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListenAddress {
    /// An address that resolves, such as `127.0.0.1:8080`.
    Tcp(String),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl ListenAddress {
    /// The address if `listen` is not set. Sockets that systemd passes replace it.
    pub(crate) const DEFAULT: &str = "127.0.0.1:8080";

    pub(crate) fn is_default(&self) -> bool {
        matches!(self, Self::Tcp(address) if address == Self::DEFAULT)
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
