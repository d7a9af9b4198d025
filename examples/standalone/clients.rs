//! The clients that call the tenants.

use std::num::NonZeroUsize;

use omneo_id::client::{ClientStats, HttpClient, Proxy};
use omneo_id::error::ConfigError;
use omneo_id::sandbox::Sandbox;

use crate::config::ServerConfig;
use crate::failure::Failure;

/// A client for probes, and one for each worker thread: each thread has its own pool.
pub(crate) struct Clients<C> {
    pub(crate) of_probes: C,
    pub(crate) of_thread: Box<dyn Fn() -> Result<C, ConfigError>>,
    /// Reads the statistics of a client. `None` without connections.
    pub(crate) stats: fn(&C) -> Option<ClientStats>,
}

impl Clients<Sandbox> {
    /// Calls the embedded sandbox.
    pub(crate) fn sandbox(sandbox: Sandbox) -> Self {
        Self {
            of_probes: sandbox.clone(),
            of_thread: Box::new(move || Ok(sandbox.clone())),
            stats: |_| None,
        }
    }
}

impl Clients<HttpClient> {
    /// Calls tenants over the network. `max_idle` is the limit for idle connections of all threads
    /// together.
    ///
    /// # Errors
    /// If a proxy of the environment or a certificate is invalid.
    pub(crate) fn http(
        server: &ServerConfig,
        max_idle: usize,
        threads: NonZeroUsize,
    ) -> Result<Self, Failure> {
        let max_idle = max_idle.div_ceil(threads.get());
        let mut client = HttpClient::builder()
            .proxy(Proxy::from_env().map_err(Failure::usage)?)
            .connect_timeout(server.connect_timeout)
            .max_connection_age(server.max_connection_age)
            .pool_max_idle(max_idle)
            .pool_max_idle_total(max_idle);
        for ca in &server.tenant_ca {
            let invalid = |error| Failure::usage(format!("{}: {error}", ca.path.display()));
            client = client.add_root_certificates(&ca.pem).map_err(invalid)?;
        }
        Ok(Self {
            of_probes: client.clone().build().map_err(Failure::usage)?,
            of_thread: Box::new(move || client.clone().build()),
            stats: |client| Some(client.stats()),
        })
    }
}
