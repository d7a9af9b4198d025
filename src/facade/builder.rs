use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::service::OmneoId;
use super::token_settings::TokenSettings;
use crate::auth::TokenFilter;
use crate::clock::Clock;
use crate::error::ConfigError;
use crate::headers::{RequestHeaders, ResponseHeaders};
use crate::keys::{Keyring, SigningKey};
use crate::path::AccessPolicy;
use crate::revocation::Revocations;
use crate::tenant::{ApiToken, Origin};
use crate::token::Refresh;
use crate::upsert::CommsPolicy;
use crate::upstream::{CallBudget, Forwarding};
use crate::webhook::WebhookEndpoint;

/// Configures an [`OmneoId`].
///
/// Invalid values are rejected here or in [`build`](Self::build), before the first request. `Debug`
/// shows no secret.
#[must_use]
#[derive(Default)]
pub struct OmneoIdBuilder {
    pub(super) origin: Option<Origin>,
    pub(super) base_path: Option<String>,
    pub(super) api_token: Option<Result<ApiToken, ConfigError>>,
    pub(super) tokens: TokenSettings,
    pub(super) clock: Option<Arc<dyn Clock>>,
    pub(super) pinned_tokens: Option<Vec<ApiToken>>,
    pub(super) refresh: Option<Refresh>,
    pub(super) comms_policy: CommsPolicy,
    pub(super) access: Option<AccessPolicy>,
    pub(super) request_headers: RequestHeaders,
    pub(super) response_headers: ResponseHeaders,
    pub(super) forwarding: Forwarding,
    pub(super) verify_cache: Option<Duration>,
    pub(super) webhook: Option<WebhookEndpoint>,
    pub(super) head_timeout: Option<Duration>,
    pub(super) max_in_flight: Option<usize>,
    pub(super) body_idle_timeout: Option<Duration>,
    pub(super) body_read_timeout: Option<Duration>,
    pub(super) call_budget: Option<CallBudget>,
    pub(super) mount: String,
    /// The service whose place this one takes in a set of tenants.
    pub(super) replaced: Option<OmneoId<()>>,
}

impl OmneoId {
    /// A builder. Upstream, API token and signing key have no default.
    pub fn builder() -> OmneoIdBuilder {
        OmneoIdBuilder::default()
    }
}

impl OmneoIdBuilder {
    /// Sets the tenant's origin, `https://api.{tenant}.getomneo.com`. Required.
    ///
    /// # Errors
    /// If `origin` is not an origin, or is plain `http` to another host than loopback.
    pub fn upstream(mut self, origin: &str) -> Result<Self, ConfigError> {
        self.origin = Some(Origin::parse(origin)?);
        Ok(self)
    }

    /// As [`upstream`](Self::upstream), but accepts plain `http` to any host: for a network in
    /// which the API token may travel unencrypted. Required.
    ///
    /// # Errors
    /// If `origin` is not an `http` or `https` origin.
    pub fn insecure_upstream(mut self, origin: &str) -> Result<Self, ConfigError> {
        self.origin = Some(Origin::parse_insecure(origin)?);
        Ok(self)
    }

    /// Sets the base path of the tenant's admin API. Default is `/api/v3`.
    pub fn base_path(mut self, path: impl Into<String>) -> Self {
        self.base_path = Some(path.into());
        self
    }

    /// Sets the tenant's API token. Required.
    pub fn api_token(mut self, token: impl AsRef<str>) -> Self {
        self.api_token = Some(ApiToken::new(token.as_ref()));
        self
    }

    /// Sets the key that signs and verifies ID tokens. Required.
    pub fn signing_key(self, key: SigningKey) -> Self {
        self.keyring(Keyring::new(key))
    }

    /// As [`signing_key`](Self::signing_key), with one key that signs and several that verify. Keep
    /// a clone of the keyring to replace its keys at run time. Required.
    pub fn keyring(mut self, keyring: Keyring) -> Self {
        self.tokens.keyring = Some(keyring);
        self
    }

    /// Sets the set of ended sessions: one with a [store](crate::revocation::RevocationStore), or
    /// one that the application shares. Default is an empty set of this service, with its clock.
    pub fn revocations(mut self, revocations: Revocations) -> Self {
        self.tokens.revocations = Some(revocations);
        self
    }

    /// Sets a check of the application's own for each valid ID token: see
    /// [`TokenVerifier::with_filter`](crate::TokenVerifier::with_filter). Default is to accept all.
    pub fn token_filter(mut self, filter: impl TokenFilter) -> Self {
        self.tokens.filter = Some(Arc::new(filter));
        self
    }

    /// Sets the lifetime of an ID token, in whole seconds. Default is one hour.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.tokens.lifetime = Some(lifetime);
        self
    }

    /// Sets the tolerated difference between the clocks of minting and verifying machines. Default
    /// is 5 s.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.tokens.leeway = Some(leeway);
        self
    }

    /// Adds `iss` to minted tokens, and requires it in verified ones. Default is none.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.tokens.issuer = Some(issuer.into());
        self
    }

    /// Adds `aud` to minted tokens, and requires it in verified ones. Default is none.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.tokens.audience = Some(audience.into());
        self
    }

    /// Sets the names of the claims that the [issuer](OmneoId::issuer) may add to tokens: see
    /// [`TokenIssuer::with_extra_claims`](crate::TokenIssuer::with_extra_claims). A refresh copies
    /// them. Default is none.
    pub fn extra_claims<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.tokens.extra_claims = names.into_iter().map(Into::into).collect();
        self
    }

    /// Replaces the clock. Default is [`SystemClock`](crate::clock::SystemClock).
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Sets the API tokens that may mint. They are compared here instead of by the tenant, and
    /// look-ups then use the configured API token. An empty list lets no caller mint tokens.
    /// Default is that the tenant checks each caller's token.
    pub fn pinned_api_tokens(mut self, tokens: impl IntoIterator<Item = ApiToken>) -> Self {
        self.pinned_tokens = Some(tokens.into_iter().collect());
        self
    }

    /// Sets how long a successful API-token check is cached for further anonymous tokens, in whole
    /// seconds from 1 to 60: see
    /// [`TokenEndpoint::with_verify_cache`](crate::TokenEndpoint::with_verify_cache). Default is
    /// none.
    pub fn verify_cache(mut self, life: Duration) -> Self {
        self.verify_cache = Some(life);
        self
    }

    /// Lets clients exchange a valid ID token of a profile for a new one, with
    /// `POST /auth/refresh`: see [`RefreshEndpoint`](crate::token::RefreshEndpoint). Default is
    /// off: 404.
    pub fn refresh(mut self, refresh: Refresh) -> Self {
        self.refresh = Some(refresh);
        self
    }

    /// Enables `POST /hooks/omneo`, which ends the tokens of profiles that the tenant announces as
    /// deleted or merged, in the set of [`revocations`](Self::revocations). Default is none: the
    /// route is 404.
    ///
    /// ```
    /// use omneo_id::{OmneoIdBuilder, WebhookEndpoint};
    ///
    /// fn with_webhook(
    ///     builder: OmneoIdBuilder,
    ///     secret: &str,
    /// ) -> Result<OmneoIdBuilder, omneo_id::error::ConfigError> {
    ///     Ok(builder.webhook(WebhookEndpoint::new(secret)?))
    /// }
    /// ```
    pub fn webhook(mut self, webhook: WebhookEndpoint) -> Self {
        self.webhook = Some(webhook);
        self
    }

    /// Replaces the rules of sign-ups. Default is [`CommsPolicy::default`].
    pub fn comms_policy(mut self, policy: CommsPolicy) -> Self {
        self.comms_policy = policy;
        self
    }

    /// Restricts the methods, paths and fields of `/profiles/me`, for example with
    /// [`AccessPolicy::storefront`]. Default is to allow every method on every path.
    pub fn access_policy(mut self, policy: AccessPolicy) -> Self {
        self.access = Some(policy);
        self
    }

    /// Replaces the policy of forwarded request headers. Default is [`RequestHeaders::default`].
    pub fn request_headers(mut self, policy: RequestHeaders) -> Self {
        self.request_headers = policy;
        self
    }

    /// Replaces the policy of removed response headers. Default is [`ResponseHeaders::default`].
    pub fn response_headers(mut self, policy: ResponseHeaders) -> Self {
        self.response_headers = policy;
        self
    }

    /// Sets which headers describe the client and the proxies to the tenant. Default is
    /// [`Forwarding::default`].
    pub fn forwarding(mut self, forwarding: Forwarding) -> Self {
        self.forwarding = forwarding;
        self
    }

    /// Sets the time in which the tenant must send its response head, after it has received the
    /// request. Default is 30 s.
    pub fn head_timeout(mut self, timeout: Duration) -> Self {
        self.head_timeout = Some(timeout);
        self
    }

    /// Sets how long a body may be idle, in either direction. Default is 60 s.
    pub fn body_idle_timeout(mut self, timeout: Duration) -> Self {
        self.body_idle_timeout = Some(timeout);
        self
    }

    /// Sets the total time in which a client must send a body that is collected here (408 after
    /// that): of a mint, of a sign-up, and one that an access policy checks. Other bodies stream
    /// and have no total limit. [`Duration::MAX`] disables the limit. Default is 30 s.
    pub fn body_read_timeout(mut self, timeout: Duration) -> Self {
        self.body_read_timeout = Some(timeout);
        self
    }

    /// Sets how many tenant calls may be in flight at once; further ones are rejected with 503.
    /// Default is 1024.
    pub fn max_in_flight(mut self, max: usize) -> Self {
        self.max_in_flight = Some(max);
        self
    }

    /// Makes the service a member of a limit of calls in flight that several services share: see
    /// [`CallBudget`]. [`max_in_flight`](Self::max_in_flight) applies, too. Default is the limit
    /// of the service alone.
    pub fn call_budget(mut self, budget: &CallBudget) -> Self {
        self.call_budget = Some(budget.clone());
        self
    }

    /// Sets how many verified ID tokens are cached: see
    /// [`TokenVerifier::with_cache_capacity`](crate::TokenVerifier::with_cache_capacity).
    /// Default is 1024.
    ///
    /// ```
    /// use omneo_id::sandbox::Sandbox;
    /// use omneo_id::{OmneoId, SigningKey};
    ///
    /// let id = OmneoId::builder()
    ///     .upstream("https://api.acme.getomneo.com")?
    ///     .api_token(Sandbox::API_TOKEN)
    ///     .signing_key(SigningKey::hs256("0123456789abcdef0123456789abcdef")?)
    ///     .token_cache_capacity(20_000) // for 20,000 customers at a time
    ///     .build_with_client(Sandbox::new())?;
    /// assert_eq!(id.stats().token_cache.capacity, 20_000);
    /// # Ok::<(), omneo_id::error::ConfigError>(())
    /// ```
    pub fn token_cache_capacity(mut self, tokens: usize) -> Self {
        self.tokens.cache_capacity = Some(tokens);
        self
    }

    /// Sets a path prefix to strip from every request, such as `/id/api/v1` under raw hyper. The
    /// layers and the tenant's client then see the path below it. Axum's `nest_service` strips its
    /// prefix itself. Default is none.
    pub fn mount(mut self, path: impl Into<String>) -> Self {
        self.mount = path.into();
        self
    }
}

impl fmt::Debug for OmneoIdBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OmneoIdBuilder")
            .field("origin", &self.origin)
            .field("base_path", &self.base_path)
            .field("mount", &self.mount)
            .finish_non_exhaustive()
    }
}
