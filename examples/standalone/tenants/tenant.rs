//! A tenant that is served.

use std::sync::Arc;

use omneo_id::error::ConfigError;
use omneo_id::tenants::TenantKey;
use omneo_id::{ApiToken, OmneoId};
use tokio::runtime::Handle;
use tower_http::cors::CorsLayer;

use super::cors;
use super::probe::ProbeState;
use super::sessions::{self, Maintenance};
use crate::config::{ServerConfig, Sessions, TenantConfig};

/// A tenant with its state. A reload that does not change its configuration keeps it.
pub(crate) struct ServedTenant {
    /// The key for logs and metrics. `None` with a single tenant.
    label: Option<TenantKey>,
    pub(crate) config: TenantConfig,
    /// Without a client.
    pub(crate) id: OmneoId<()>,
    pub(crate) api_token: ApiToken,
    pub(crate) sessions: Sessions,
    /// `None` if cross-origin requests are not allowed.
    pub(super) cors: Option<CorsLayer>,
    pub(crate) probe: ProbeState,
    mount: String,
    maintenance: Arc<Maintenance>,
}

/// The ended sessions of a tenant with the task that maintains them. A tenant whose configuration
/// has changed continues with them.
pub(super) struct RunningSessions {
    pub(super) sessions: Sessions,
    maintenance: Arc<Maintenance>,
}

impl RunningSessions {
    /// The sessions of a tenant: those of its predecessor, or new ones.
    pub(super) fn new(
        server: &ServerConfig,
        config: &TenantConfig,
        predecessor: Option<&ServedTenant>,
        runtime: &Handle,
    ) -> Result<Self, ConfigError> {
        let mut sessions = Sessions::new(server, config)?;
        let maintenance = match predecessor {
            Some(predecessor) => {
                sessions.revocations = predecessor.sessions.revocations.clone();
                Arc::clone(&predecessor.maintenance)
            }
            None => {
                let revocations = sessions.revocations.clone();
                Arc::new(Maintenance::start(revocations, runtime))
            }
        };
        Ok(Self {
            sessions,
            maintenance,
        })
    }
}

impl ServedTenant {
    pub(super) fn new(
        label: Option<TenantKey>,
        mount: String,
        config: &TenantConfig,
        id: OmneoId<()>,
        running: RunningSessions,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            label,
            id,
            api_token: ApiToken::new(config.api_token.expose())?,
            cors: config.cors.as_ref().map(cors::layer),
            config: config.clone(),
            sessions: running.sessions,
            maintenance: running.maintenance,
            probe: ProbeState::default(),
            mount,
        })
    }

    /// The key for logs and metrics. `None` with a single tenant.
    pub(crate) fn label(&self) -> Option<TenantKey> {
        self.label
    }

    /// The path prefix of the tenant's routes: empty, or without a slash at its end.
    pub(crate) fn mount(&self) -> &str {
        &self.mount
    }

    /// Logs the settings of the sessions.
    pub(super) fn log(&self) {
        let label = self.label.as_ref().map(TenantKey::as_str);
        sessions::log(&self.sessions, label);
    }
}
