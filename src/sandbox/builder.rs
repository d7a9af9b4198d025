//! Building a sandbox that differs from the default one.

use std::time::SystemTime;

use super::clock::Clock;
use super::service::Sandbox;

/// How the tenant's list filters compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Matching {
    /// As a real tenant does: `filter[email]=a@b.c` finds every address that contains this text, whatever its case, and
    /// `%` and `_` are wildcards.
    #[default]
    Loose,
    /// The whole value must be equal; case is still ignored.
    Exact,
}

/// Builds a [`Sandbox`]. Made by [`Sandbox::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct SandboxBuilder {
    pub(crate) base_path: String,
    pub(crate) api_token: String,
    pub(crate) matching: Matching,
    pub(crate) clock: Clock,
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

    /// The path that the tenant's API lies below; slashes around it do not matter, empty is the root. Default is
    /// `/api/v3`.
    pub fn base_path(mut self, path: &str) -> Self {
        let path = path.trim_matches('/');
        self.base_path = if path.is_empty() {
            String::new()
        } else {
            format!("/{path}")
        };
        self
    }

    /// The token that opens everything, in place of the seed's. Default is [`Sandbox::API_TOKEN`].
    pub fn api_token(mut self, token: impl Into<String>) -> Self {
        self.api_token = token.into();
        self
    }

    /// How list filters compare. Default is [`Matching::Loose`].
    pub fn matching(mut self, matching: Matching) -> Self {
        self.matching = matching;
        self
    }

    /// Where the tenant reads the time for its timestamps. Default is the system's clock.
    pub fn clock(mut self, read: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(read);
        self
    }

    /// Stops the tenant's clock at this moment. Default is a running clock.
    pub fn stopped_clock(self, moment: SystemTime) -> Self {
        self.clock(move || moment)
    }

    /// The sandbox, with the seed's data.
    pub fn build(self) -> Sandbox {
        Sandbox::from_builder(self)
    }
}
