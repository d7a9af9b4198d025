use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::config::Config;
use super::deleted_profile::Deletions;
use super::service::OmneoId;
use super::token_settings::{TokenSettings, missing};
use crate::auth::{JwtAuthLayer, TokenFilter};
use crate::client::HttpClient;
use crate::clock::{Clock, SystemClock};
use crate::error::{ConfigError, ConfigErrorKind};
use crate::headers::RequestHeaders;
use crate::headers::ResponseHeaders;
use crate::keys::{Keyring, SigningKey};
use crate::me::MeRewriteLayer;
use crate::path::{AccessPolicy, plain_prefix};
use crate::revocation::Revocations;
use crate::tenant::{ApiToken, Origin, Tenant};
use crate::token::{JwksEndpoint, Refresh, RefreshEndpoint, TokenEndpoint};
use crate::upsert::{CommsPolicy, CommsUpsertLayer};
use crate::upstream::{Forwarding, Upstream};
use crate::webhook::WebhookEndpoint;

/// Configures an [`OmneoId`].
///
/// Invalid values are rejected here or in [`build`](Self::build), before the first request. `Debug`
/// shows no secret.
#[must_use]
#[derive(Default)]
pub struct OmneoIdBuilder {
    origin: Option<Origin>,
    base_path: Option<String>,
    api_token: Option<Result<ApiToken, ConfigError>>,
    tokens: TokenSettings,
    clock: Option<Arc<dyn Clock>>,
    pinned_tokens: Option<Vec<ApiToken>>,
    refresh: Option<Refresh>,
    comms_policy: CommsPolicy,
    access: Option<AccessPolicy>,
    request_headers: RequestHeaders,
    response_headers: ResponseHeaders,
    forwarding: Forwarding,
    verify_cache: Option<Duration>,
    webhook: Option<WebhookEndpoint>,
    head_timeout: Option<Duration>,
    max_in_flight: Option<usize>,
    body_idle_timeout: Option<Duration>,
    body_read_timeout: Option<Duration>,
    mount: String,
}

/// The idle timeout of bodies by default: that of nginx (`client_body_timeout`).
const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// The total time for a body that is collected, by default. A sign-up has a few KiB.
const BODY_READ_TIMEOUT: Duration = Duration::from_secs(30);

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

    /// Replaces the clock. Default is [`SystemClock`].
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
    /// seconds from 1 to 60: see [`TokenEndpoint::with_verify_cache`]. Default is none.
    pub fn verify_cache(mut self, life: Duration) -> Self {
        self.verify_cache = Some(life);
        self
    }

    /// Lets clients exchange a valid ID token of a profile for a new one, with
    /// `POST /auth/refresh`: see [`RefreshEndpoint`]. Default is off: 404.
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

    /// Builds the service over an [`HttpClient`]: pooled, HTTP/1.1 and HTTP/2, TLS with the feature
    /// `tls`.
    ///
    /// # Errors
    /// If a value without a default is missing, or a value is invalid.
    pub fn build(self) -> Result<OmneoId, ConfigError> {
        let client = HttpClient::new()?;
        let id = self.build_with_client(client)?;
        id.upstream()
            .get_ref()
            .check_scheme(id.upstream().tenant().scheme())?;
        Ok(id)
    }

    /// Builds the service over any client that is a tower service: one with additional middleware,
    /// or an in-memory tenant.
    ///
    /// # Errors
    /// If a value without a default is missing, or a value is invalid.
    pub fn build_with_client<C>(self, client: C) -> Result<OmneoId<C>, ConfigError> {
        let api_token = self.api_token.ok_or_else(|| missing("an API token"))??;
        let origin = self.origin.ok_or_else(|| missing("the tenant's origin"))?;
        let mut tenant = Tenant::at(origin, api_token.clone());
        if let Some(path) = &self.base_path {
            tenant = tenant.with_base_path(path)?;
        }

        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let tokens = self.tokens.build(&clock)?;
        let body_idle_timeout = self.body_idle_timeout.unwrap_or(BODY_IDLE_TIMEOUT);
        let mut upstream = Upstream::new(client, tenant)
            .with_request_headers(self.request_headers)
            .with_response_headers(self.response_headers)
            .with_forwarding(self.forwarding)
            .with_body_idle_timeout(body_idle_timeout);
        if let Some(timeout) = self.head_timeout {
            upstream = upstream.with_head_timeout(timeout);
        }
        if let Some(max) = self.max_in_flight {
            upstream = upstream.with_max_in_flight(max);
        }
        let read_timeout = self.body_read_timeout.unwrap_or(BODY_READ_TIMEOUT);
        let (issuer, revocations) = (tokens.issuer, tokens.revocations);
        let mut token = TokenEndpoint::new((), issuer.clone()).with_read_timeout(read_timeout);
        if let Some(life) = self.verify_cache {
            token = token.with_verify_cache(life)?;
        }
        // Pinned tokens replace the configured API token as the credential of a sign-up.
        let mut trusted_tokens = vec![api_token];
        if let Some(pinned) = self.pinned_tokens {
            token = token.with_pinned_api_tokens(pinned.iter().cloned());
            trusted_tokens = pinned;
        }
        let mount = plain_prefix(&self.mount).ok_or_else(|| {
            ConfigError::new(
                ConfigErrorKind::InvalidBasePath,
                "a mount is empty or looks like /id/api/v1",
            )
        })?;
        let webhook =
            (self.webhook).map(|webhook| webhook.for_facade(revocations.clone(), read_timeout));
        let config = Config {
            mount: mount.into(),
            auth: JwtAuthLayer::new(tokens.verifier.clone()),
            verifier: tokens.verifier,
            revoke: token.revoke_endpoint(revocations.clone()),
            jwks: JwksEndpoint::new(issuer.keyring().clone()),
            refresh: self
                .refresh
                .map(|refresh| RefreshEndpoint::new((), issuer, revocations.clone(), refresh)),
            revocations,
            deletions: Deletions::new()?,
            upsert: CommsUpsertLayer::new(self.comms_policy.or_read_timeout(read_timeout)),
            me: self.access.map(|policy| {
                MeRewriteLayer::new()
                    .with_access_policy(policy)
                    .with_read_timeout(read_timeout)
            }),
            token,
            webhook,
            trusted_tokens,
            body_idle_timeout,
        };
        Ok(OmneoId::new(upstream, config))
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
