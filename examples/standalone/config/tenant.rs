//! The checked settings of a tenant.

use std::time::Duration;

use omneo_id::sandbox::Sandbox;
use omneo_id::upstream::Forwarding;

use super::access_rules::AccessRules;
use super::keys::Keys;
use super::secrets::Secret;
use super::sessions::Refresh;
use crate::cors::Cors;

/// The settings of a tenant, with the content of the files that they name. Two equal values
/// configure equal services.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TenantConfig {
    /// The name in the resolver, in logs and in metrics. `default` with flags.
    pub(crate) key: String,
    /// The hosts that the tenant is served under, in lower case. Empty with flags.
    pub(crate) hosts: Vec<String>,
    /// The tenant's origin. `None` for the embedded sandbox.
    pub(crate) upstream: Option<String>,
    /// Whether `upstream` may have plain http on any host.
    pub(crate) insecure_upstream: bool,
    /// The base path of the tenant's API.
    pub(crate) upstream_base: String,
    pub(crate) api_token: Secret,
    /// The sandbox's published API token, if it is in use. Unlike other tokens it may be printed.
    pub(crate) public_token: Option<&'static str>,
    pub(crate) keys: Keys,
    pub(crate) issuer: Option<String>,
    pub(crate) audience: Option<String>,
    pub(crate) token_ttl: Duration,
    pub(crate) leeway: Duration,
    /// Capacity of the cache of verified tokens.
    pub(crate) token_cache: usize,
    /// How long a successful check of an API token is reused.
    pub(crate) verify_cache: Option<Duration>,
    /// The API tokens that may mint. `None` if the tenant checks them.
    pub(crate) pinned_api_tokens: Option<Vec<Secret>>,
    /// `None` if sessions are not refreshed.
    pub(crate) refresh: Option<Refresh>,
    /// The secrets that sign webhooks. Empty if webhooks are not served.
    pub(crate) webhook_secrets: Vec<Secret>,
    /// `None` if every method and path below `/profiles/me` is allowed.
    pub(crate) access: Option<AccessRules>,
    pub(crate) sign_up: SignUp,
    /// Request headers that are forwarded besides those of the allow-list.
    pub(crate) forward_request_headers: Vec<String>,
    /// Response headers that are forwarded although they are removed by default.
    pub(crate) pass_response_headers: Vec<String>,
    /// Response headers that are removed besides those of the deny-list.
    pub(crate) drop_response_headers: Vec<String>,
    /// Which headers describe the client and the proxies to the tenant.
    pub(crate) forwarding: Forwarding,
    pub(crate) head_timeout: Duration,
    pub(crate) body_idle_timeout: Duration,
    pub(crate) body_read_timeout: Duration,
    /// Limit of concurrent calls of this tenant. `None` for that of all tenants together.
    pub(crate) max_in_flight: Option<usize>,
    /// `None` if cross-origin requests are not allowed.
    pub(crate) cors: Option<Cors>,
    pub(crate) mount: String,
}

/// The settings of sign-ups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignUp {
    /// Responses are delayed to a multiple of this.
    pub(crate) uniform_latency: Option<Duration>,
    /// Whether a rejection by the tenant is concealed.
    pub(crate) conceal_validation: bool,
    /// Consent fields besides the documented ones.
    pub(crate) consent_fields: Vec<String>,
    /// Whether the defaults of new profiles apply to known ones.
    pub(crate) consent_defaults_on_update: bool,
    /// Greatest length of a body in bytes.
    pub(crate) body_limit: usize,
}

impl TenantConfig {
    /// A new embedded sandbox. `None` if the tenant is called over the network.
    pub(crate) fn sandbox(&self) -> Option<Sandbox> {
        let sandbox = Sandbox::builder()
            .base_path(&self.upstream_base)
            .api_token(self.api_token.expose().as_str());
        self.upstream.is_none().then(|| sandbox.build())
    }

    /// The origin and the base path, for logs.
    pub(crate) fn location(&self) -> String {
        match &self.upstream {
            Some(origin) => format!("{}{}", origin.trim_end_matches('/'), self.upstream_base),
            None => "the embedded sandbox".to_owned(),
        }
    }
}
