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
use crate::tenants::{Plan, ServedTenants};

/// What a reload replaces.
pub(crate) struct Reload<C> {
    pub(crate) tenants: Arc<ServedTenants>,
    pub(crate) service: OmneoIdTenants<C>,
    pub(crate) plan: Plan,
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
        // The check of the configuration builds each service, which can log warnings. They follow
        // when the services are built that are used.
        let parsed = tracing::subscriber::with_default(NoSubscriber::default(), || {
            Config::parse(env::args_os(), env::vars_os())
        });
        let config = match parsed? {
            Parsed::Serve(config) => *config,
            // `--help`, which has ended the start.
            Parsed::Print(_) => return Ok(()),
        };
        // The certificate first: it is the last that can fail.
        let certificate = self.tls.as_ref().map(|tls| tls.read()).transpose();
        let certificate = certificate.map_err(|error| error.to_string())?;
        let replaced = self
            .tenants
            .replace(&config, &self.plan, &self.service)
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
        warn_of_restart(&self.plan.server, &config.server);
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
