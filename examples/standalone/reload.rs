//! Reloads the configuration, keys, certificates and tokens after SIGHUP: all of them, or none.

use std::sync::Arc;
use std::{env, fmt};

use omneo_id::OmneoIdTenants;
use omneo_id::tenants::TenantKey;
use tracing::subscriber::NoSubscriber;
use tracing::{error, info, warn};

use crate::admin::thread_counts::ThreadCounts;
use crate::config::{Config, Parsed, ServerConfig};
use crate::server::tls::Tls;
use crate::tenants::{ServedTenants, SharedSettings};

/// The parts of the running server that a reload replaces.
pub(crate) struct Reload<C> {
    pub(crate) tenants: Arc<ServedTenants>,
    pub(crate) service: OmneoIdTenants<C>,
    pub(crate) shared: SharedSettings,
    /// Whether the tenants are called over the network.
    pub(crate) is_remote: bool,
    pub(crate) tls: Option<Arc<Tls>>,
    /// Per thread. Empty if requests are not counted.
    pub(crate) counts: Vec<Arc<ThreadCounts>>,
}

impl<C> Reload<C> {
    /// Reads the configuration as at the start, with the same flags and variables. In-flight
    /// requests end on the previous configuration. After an error nothing has changed.
    pub(crate) fn run(&mut self) {
        match self.replace() {
            Ok(()) => {}
            Err(problem) => error!("reload failed, the configuration is unchanged: {problem}"),
        }
    }

    fn replace(&mut self) -> Result<(), String> {
        // The check builds each service, which can log warnings. They are suppressed here: the
        // services that are put into use log them again.
        let parsed = tracing::subscriber::with_default(NoSubscriber::default(), || {
            Config::parse(env::args_os(), env::vars_os())
        });
        let config = match parsed? {
            Parsed::Serve(config) => *config,
            // With `--help` the server does not start.
            Parsed::Print(_) => return Ok(()),
        };
        if config.is_remote() != self.is_remote {
            let change = "a change between the embedded sandbox and an upstream";
            return Err(format!("{change} needs a restart"));
        }
        // Before the tenants: nothing may fail after they are replaced.
        let certificate = match (&self.tls, &config.server.tls) {
            (Some(tls), Some(files)) => Some(tls.read(files).map_err(|error| error.to_string())?),
            _ => None,
        };
        let replaced = self
            .tenants
            .replace(&config, &self.shared, &self.service)
            .map_err(|error| error.to_string())?;
        if let (Some(tls), Some(certificate)) = (&self.tls, certificate) {
            tls.replace(certificate);
        }
        let labels = self.tenants.labels();
        for counts in &self.counts {
            counts.set_tenants(&labels);
        }
        for warning in &config.warnings {
            warn!("{warning}");
        }
        warn_of_restart(&self.shared.server, &config.server);
        info!(
            added = %List(&replaced.added),
            changed = %List(&replaced.changed),
            removed = %List(&replaced.removed),
            certificate = self.tls.is_some(),
            "the configuration is reloaded"
        );
        Ok(())
    }
}

/// Logs the settings that have changed since the start and are not applied.
fn warn_of_restart(running: &ServerConfig, read: &ServerConfig) {
    let changes = running.restart_changes(read);
    if !changes.is_empty() {
        let fields = changes.join(", ");
        warn!(%fields, "these settings have changed and need a restart");
    }
}

/// Keys with commas.
struct List<'a>(&'a [TenantKey]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, key) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{key}")?;
        }
        Ok(())
    }
}
