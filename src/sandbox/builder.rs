//! Configuration of a sandbox.

use std::time::SystemTime;

use super::clock::Clock;
use super::matching::Matching;
use super::service::Sandbox;
use super::store::Store;

/// Builds a [`Sandbox`]. Made by [`Sandbox::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct SandboxBuilder {
    base_path: String,
    api_token: String,
    matching: Matching,
    clock: Clock,
}

impl SandboxBuilder {
    pub(crate) fn new() -> Self {
        Self {
            base_path: "/api/v3".to_owned(),
            api_token: Sandbox::API_TOKEN.to_owned(),
            matching: Matching::Loose,
            clock: Clock::system(),
        }
    }

    /// Replaces the base path of the tenant's API. Surrounding slashes are ignored; empty is the
    /// root.
    ///
    /// Default is `/api/v3`.
    pub fn base_path(mut self, path: &str) -> Self {
        let path = path.trim_matches('/');
        self.base_path = if path.is_empty() {
            String::new()
        } else {
            format!("/{path}")
        };
        self
    }

    /// Replaces the API token with every scope.
    ///
    /// Default is [`Sandbox::API_TOKEN`].
    pub fn api_token(mut self, token: impl Into<String>) -> Self {
        self.api_token = token.into();
        self
    }

    /// Replaces how list filters compare.
    ///
    /// Default is [`Matching::Loose`].
    pub fn matching(mut self, matching: Matching) -> Self {
        self.matching = matching;
        self
    }

    /// Replaces the clock for the tenant's timestamps.
    ///
    /// Default is the system's clock.
    pub fn clock(mut self, read: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(read);
        self
    }

    /// Stops the tenant's clock at this time.
    ///
    /// Default is a running clock.
    pub fn stopped_clock(self, time: SystemTime) -> Self {
        self.clock(move || time)
    }

    /// The sandbox, with the seed's data.
    pub fn build(self) -> Sandbox {
        let store = Store::new(self.clock, self.matching);
        Sandbox::with_seed(self.base_path, self.api_token, store)
    }
}
