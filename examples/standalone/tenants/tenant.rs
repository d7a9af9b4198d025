//! A tenant in use: its service and its state.

use std::sync::Arc;

use omneo_id::error::{BoxError, ConfigError};
use omneo_id::tenants::TenantKey;
use omneo_id::{ApiToken, OmneoId, Revocations};
use tokio::runtime::Handle;
use tower_http::cors::CorsLayer;

use super::cors;
use super::probe::ProbeState;
use super::sessions::{self, Maintenance};
use crate::config::{ServerConfig, Sessions, StoreKind, TenantConfig, namespace};

/// A tenant in use. A reload that does not change its configuration keeps it.
pub(crate) struct ServedTenant {
    /// The key for logs and metrics. `None` for the tenant of flags.
    label: Option<TenantKey>,
    pub(crate) config: TenantConfig,
    /// The tenant's service, without a client.
    pub(crate) id: OmneoId<()>,
    pub(crate) api_token: ApiToken,
    pub(crate) sessions: Sessions,
    /// `None` if cross-origin requests are not allowed.
    pub(super) cors: Option<CorsLayer>,
    pub(crate) probe: ProbeState,
    mount: String,
    maintenance: Arc<Maintenance>,
}

/// The ended sessions of a tenant, and the task that maintains them.
#[derive(Clone)]
pub(super) struct EndedSessions {
    revocations: Revocations,
    maintenance: Arc<Maintenance>,
    /// The part of the store's keys that belongs to the tenant.
    namespace: String,
}

/// The session settings of a tenant, and its ended sessions.
pub(super) struct RunningSessions {
    sessions: Sessions,
    maintenance: Arc<Maintenance>,
}

impl RunningSessions {
    /// The sessions of a tenant, with the ended ones of its predecessor, if it has one.
    ///
    /// # Errors
    /// If the store keeps those of the predecessor in another namespace.
    pub(super) fn new(
        server: &ServerConfig,
        config: &TenantConfig,
        ended: Option<EndedSessions>,
        runtime: &Handle,
    ) -> Result<Self, BoxError> {
        let mut sessions = Sessions::new(server, config)?;
        let maintenance = match ended {
            Some(ended) => {
                if sessions.store == StoreKind::Redis && ended.namespace != namespace(config)? {
                    let problem = "has changed, under which its ended sessions are stored: \
                                   this change needs a restart";
                    return Err(format!("the upstream of tenant {:?} {problem}", config.key).into());
                }
                sessions.revocations = ended.revocations;
                ended.maintenance
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

    pub(super) fn revocations(&self) -> Revocations {
        self.sessions.revocations.clone()
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

    /// The key for logs and metrics. `None` for the tenant of flags.
    pub(crate) fn label(&self) -> Option<TenantKey> {
        self.label
    }

    /// The path prefix of the tenant's routes: empty, or without a slash at its end.
    pub(crate) fn mount(&self) -> &str {
        &self.mount
    }

    /// The ended sessions, for a tenant that replaces this one.
    ///
    /// # Errors
    /// None for a configuration that has been checked.
    pub(super) fn ended_sessions(&self) -> Result<EndedSessions, ConfigError> {
        Ok(EndedSessions {
            revocations: self.sessions.revocations.clone(),
            maintenance: Arc::clone(&self.maintenance),
            namespace: namespace(&self.config)?,
        })
    }

    /// Logs the settings of the sessions.
    pub(super) fn log(&self) {
        let label = self.label.as_ref().map(TenantKey::as_str);
        sessions::log(&self.sessions, label);
    }
}
