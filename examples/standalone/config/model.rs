//! The checked configuration.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use omneo_id::sandbox::Sandbox;
use omneo_id::{SigningKey, Tenant};
use tracing_subscriber::EnvFilter;

use super::sessions::Sessions;
use crate::cors::Cors;

/// All settings of the server.
pub(crate) struct Config {
    pub(crate) listen: String,
    pub(crate) tenant: Tenant,
    pub(crate) api_token: String,
    /// The embedded sandbox. `None` if the tenant is called over the network.
    pub(crate) sandbox: Option<Sandbox>,
    /// The sandbox's published API token, if it is in use. Unlike other tokens it may be printed.
    pub(crate) public_token: Option<&'static str>,
    pub(crate) signing_key: SigningKey,
    pub(crate) key_is_random: bool,
    pub(crate) token_ttl: Duration,
    /// Capacity of the cache of verified tokens.
    pub(crate) token_cache: usize,
    pub(crate) sessions: Arc<Sessions>,
    /// `None` if cross-origin requests are not allowed.
    pub(crate) cors: Option<Cors>,
    /// Whether requests to the tenant carry a `Via` header.
    pub(crate) via: bool,
    pub(crate) mount: String,
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) limits: Limits,
    pub(crate) log: EnvFilter,
    pub(crate) log_format: LogFormat,
    /// `None` if `/metrics` is not served and requests are not counted.
    pub(crate) metrics_listen: Option<String>,
    /// Logged once the log is set up.
    pub(crate) warnings: Vec<String>,
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
    /// How long requests in flight may take after SIGTERM.
    pub(crate) drain: Duration,
    /// The greatest number of concurrent connections.
    pub(crate) connections: usize,
}
