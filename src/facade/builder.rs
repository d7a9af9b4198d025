use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::service::{Config, OmneoId};
use crate::auth::{JwtAuthLayer, TokenVerifier};
use crate::client::HttpClient;
use crate::clock::{Clock, SystemClock};
use crate::error::{ConfigError, ConfigErrorKind};
use crate::headers::RequestHeaders;
use crate::headers::ResponseHeaders;
use crate::keys::{Keyring, SigningKey};
use crate::me::MeRewriteLayer;
use crate::path::{AccessPolicy, plain_prefix};
use crate::tenant::{ApiToken, Origin, Tenant};
use crate::token::{TokenEndpoint, TokenIssuer};
use crate::upsert::{CommsPolicy, CommsUpsertLayer};
use crate::upstream::{Forwarding, Upstream};

/// Configures an [`OmneoId`].
///
/// Every choice that can fail is checked here or in [`build`](Self::build); nothing is left to the
/// first request. `Debug` shows no secret.
#[must_use]
pub struct OmneoIdBuilder {
    origin: Option<Origin>,
    base_path: Option<String>,
    api_token: Option<Result<ApiToken, ConfigError>>,
    keyring: Option<Keyring>,
    lifetime: Option<Duration>,
    leeway: Option<Duration>,
    issuer: Option<String>,
    audience: Option<String>,
    clock: Arc<dyn Clock>,
    pinned_tokens: Option<Vec<ApiToken>>,
    comms_policy: CommsPolicy,
    access: Option<AccessPolicy>,
    request_headers: RequestHeaders,
    response_headers: ResponseHeaders,
    forwarding: Forwarding,
    verify_cache: Option<Duration>,
    head_timeout: Option<Duration>,
    max_in_flight: Option<usize>,
    token_cache_capacity: Option<usize>,
    body_idle_timeout: Duration,
    body_read_timeout: Duration,
    mount: String,
}

impl OmneoId {
    /// Begins a configuration. Upstream, API token and signing key have no default.
    pub fn builder() -> OmneoIdBuilder {
        OmneoIdBuilder::default()
    }
}

impl Default for OmneoIdBuilder {
    fn default() -> Self {
        Self {
            origin: None,
            base_path: None,
            api_token: None,
            keyring: None,
            lifetime: None,
            leeway: None,
            issuer: None,
            audience: None,
            clock: Arc::new(SystemClock),
            pinned_tokens: None,
            comms_policy: CommsPolicy::default(),
            access: None,
            request_headers: RequestHeaders::default(),
            response_headers: ResponseHeaders::default(),
            forwarding: Forwarding::default(),
            verify_cache: None,
            head_timeout: None,
            max_in_flight: None,
            token_cache_capacity: None,
            body_idle_timeout: Duration::from_secs(60),
            body_read_timeout: Duration::from_secs(30),
            mount: String::new(),
        }
    }
}

impl OmneoIdBuilder {
    /// The tenant's origin, `https://api.{tenant}.getomneo.com`. Has no default.
    ///
    /// # Errors
    /// If it is no origin, or plain `http` to anywhere but loopback.
    pub fn upstream(mut self, origin: &str) -> Result<Self, ConfigError> {
        self.origin = Some(Origin::parse(origin)?);
        Ok(self)
    }

    /// As [`upstream`](Self::upstream), but takes plain `http` to any host: for a network in which
    /// the API token may travel unencrypted.
    ///
    /// # Errors
    /// If it is no `http` or `https` origin.
    pub fn insecure_upstream(mut self, origin: &str) -> Result<Self, ConfigError> {
        self.origin = Some(Origin::parse_insecure(origin)?);
        Ok(self)
    }

    /// The base path of the tenant's admin API. Default is `/api/v3`.
    pub fn base_path(mut self, path: impl Into<String>) -> Self {
        self.base_path = Some(path.into());
        self
    }

    /// The tenant's API token. Has no default.
    pub fn api_token(mut self, token: impl AsRef<str>) -> Self {
        self.api_token = Some(ApiToken::new(token.as_ref()));
        self
    }

    /// The key that signs and verifies ID tokens. Has no default.
    pub fn signing_key(self, key: SigningKey) -> Self {
        self.keyring(Keyring::new(key))
    }

    /// As [`signing_key`](Self::signing_key), with all of a ring: a key that signs and several that
    /// verify. Keep a clone of the ring to replace its keys while requests run.
    pub fn keyring(mut self, keyring: Keyring) -> Self {
        self.keyring = Some(keyring);
        self
    }

    /// How long an ID token is good, in whole seconds. Default is one hour.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// How far the clocks of minting and verifying machines may be apart. Default is 5 s.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = Some(leeway);
        self
    }

    /// Puts `iss` into minted tokens and requires it of presented ones. Default is none.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Puts `aud` into minted tokens and requires it of presented ones. Default is none.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Where the time of day comes from. Default is the system.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// API tokens that may mint, compared here instead of being asked about at the tenant; look-ups
    /// then run with the tenant's own token. An empty list is nobody. Default is that the tenant
    /// judges each caller.
    pub fn pinned_api_tokens(mut self, tokens: impl IntoIterator<Item = ApiToken>) -> Self {
        self.pinned_tokens = Some(tokens.into_iter().collect());
        self
    }

    /// How long, in whole seconds from 1 to 60, the tenant's word that an API token is good counts
    /// for further anonymous tokens: see [`TokenEndpoint::with_verify_cache`]. Default is to
    /// ask each time.
    pub fn verify_cache(mut self, life: Duration) -> Self {
        self.verify_cache = Some(life);
        self
    }

    /// What a sign-up may change. Default is [`CommsPolicy::default`].
    pub fn comms_policy(mut self, policy: CommsPolicy) -> Self {
        self.comms_policy = policy;
        self
    }

    /// What of `/profiles/me` may be asked. Default is everything.
    pub fn access_policy(mut self, policy: AccessPolicy) -> Self {
        self.access = Some(policy);
        self
    }

    /// Which request headers go up to the tenant. Default is [`RequestHeaders::default`].
    pub fn request_headers(mut self, policy: RequestHeaders) -> Self {
        self.request_headers = policy;
        self
    }

    /// Which response headers do not come down to the client. Default is
    /// [`ResponseHeaders::default`].
    pub fn response_headers(mut self, policy: ResponseHeaders) -> Self {
        self.response_headers = policy;
        self
    }

    /// Which headers tell the tenant whom a request comes from, and on which way. Default is
    /// [`Forwarding::default`].
    pub fn forwarding(mut self, forwarding: Forwarding) -> Self {
        self.forwarding = forwarding;
        self
    }

    /// How long the tenant may take to begin its answer, once it has what the client has sent.
    /// Default is 30 s.
    pub fn head_timeout(mut self, timeout: Duration) -> Self {
        self.head_timeout = Some(timeout);
        self
    }

    /// How long a body may stand still, in either direction. Default is 60 s.
    pub fn body_idle_timeout(mut self, timeout: Duration) -> Self {
        self.body_idle_timeout = timeout;
        self
    }

    /// How long a client may take to send a body that is collected here, in total (408 after that):
    /// of a mint, of a sign-up, and of a `POST` that an access policy reads. Other bodies stream
    /// and have no total limit. [`Duration::MAX`] is for ever. Default is 30 s.
    pub fn body_read_timeout(mut self, timeout: Duration) -> Self {
        self.body_read_timeout = timeout;
        self
    }

    /// How many calls of the tenant may be in flight at once; one more is answered 503. Default is
    /// 1024.
    pub fn max_in_flight(mut self, max: usize) -> Self {
        self.max_in_flight = Some(max);
        self
    }

    /// How many verified ID tokens are remembered: see [`TokenVerifier::with_cache_capacity`].
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
    ///     .token_cache_capacity(20_000) // that many customers are on the site at one time
    ///     .build_with_client(Sandbox::new())?;
    /// assert_eq!(id.stats().token_cache.capacity, 20_000);
    /// # Ok::<(), omneo_id::error::ConfigError>(())
    /// ```
    pub fn token_cache_capacity(mut self, tokens: usize) -> Self {
        self.token_cache_capacity = Some(tokens);
        self
    }

    /// The path prefix that nobody in front strips: `/id/api/v1` under raw hyper. Default is none,
    /// which is right for axum's `nest_service`.
    pub fn mount(mut self, path: impl Into<String>) -> Self {
        self.mount = path.into();
        self
    }

    /// Omneo ID over the provided client: pooled, HTTP/1.1 and HTTP/2, TLS with the feature `tls`.
    ///
    /// # Errors
    /// If something without a default is missing, or a choice cannot work.
    pub fn build(self) -> Result<OmneoId, ConfigError> {
        let client = HttpClient::new()?;
        let id = self.build_with_client(client)?;
        id.upstream()
            .get_ref()
            .check_scheme(id.upstream().tenant().scheme())?;
        Ok(id)
    }

    /// Omneo ID over any client that is a tower service: one with middleware of your own, or an
    /// in-memory tenant.
    ///
    /// # Errors
    /// If something without a default is missing, or a choice cannot work.
    pub fn build_with_client<C>(self, client: C) -> Result<OmneoId<C>, ConfigError> {
        let can_sign = |keyring: &Keyring| keyring.keys().signing_key().is_some();
        let keyring = self.keyring.filter(can_sign);
        let keyring = keyring.ok_or_else(|| missing("a signing key"))?;
        let api_token = self.api_token.ok_or_else(|| missing("an API token"))??;
        let origin = self.origin.ok_or_else(|| missing("the tenant's origin"))?;
        let mut tenant = Tenant::at(origin, api_token.clone());
        if let Some(path) = &self.base_path {
            tenant = tenant.with_base_path(path)?;
        }

        let clock = || {
            let clock = self.clock.clone();
            move || clock.now()
        };
        let mut issuer = TokenIssuer::new(keyring.clone()).with_clock(clock());
        let mut verifier = TokenVerifier::new(keyring).with_clock(clock());
        if let Some(lifetime) = self.lifetime {
            issuer = issuer.with_lifetime(lifetime)?;
        }
        if let Some(leeway) = self.leeway {
            verifier = verifier.with_leeway(leeway)?;
        }
        if let Some(tokens) = self.token_cache_capacity {
            verifier = verifier.with_cache_capacity(tokens);
        }
        if let Some(name) = self.issuer {
            issuer = issuer.with_issuer(&name)?;
            verifier = verifier.with_issuer(&name)?;
        }
        if let Some(name) = self.audience {
            issuer = issuer.with_audience(&name)?;
            verifier = verifier.with_audience(&name)?;
        }

        let mut upstream = Upstream::new(client, tenant)
            .with_request_headers(self.request_headers)
            .with_response_headers(self.response_headers)
            .with_forwarding(self.forwarding)
            .with_body_idle_timeout(self.body_idle_timeout);
        if let Some(timeout) = self.head_timeout {
            upstream = upstream.with_head_timeout(timeout);
        }
        if let Some(max) = self.max_in_flight {
            upstream = upstream.with_max_in_flight(max);
        }
        // Pinned tokens are the only ones that count; else the tenant's own opens the sign-up.
        let read_timeout = self.body_read_timeout;
        let mut token = TokenEndpoint::new((), issuer).with_read_timeout(read_timeout);
        if let Some(life) = self.verify_cache {
            token = token.with_verify_cache(life)?;
        }
        let mut trusted_tokens = vec![api_token];
        if let Some(pinned) = self.pinned_tokens {
            token = token.with_pinned_tokens(pinned.iter().cloned());
            trusted_tokens = pinned;
        }
        let mount = plain_prefix(&self.mount).ok_or_else(|| {
            ConfigError::new(
                ConfigErrorKind::InvalidBasePath,
                "a mount is empty or looks like /id/api/v1",
            )
        })?;
        let config = Config {
            mount: mount.into(),
            auth: JwtAuthLayer::new(verifier.clone()),
            verifier,
            upsert: CommsUpsertLayer::new(self.comms_policy.or_read_timeout(read_timeout)),
            me: self.access.map(|policy| {
                let layer = MeRewriteLayer::behind_mount(mount.len()).with_access(policy);
                layer.with_read_timeout(read_timeout)
            }),
            token,
            trusted_tokens,
            body_idle_timeout: self.body_idle_timeout,
        };
        Ok(OmneoId::new(upstream, config))
    }
}

fn missing(what: &str) -> ConfigError {
    ConfigError::new(ConfigErrorKind::Missing, format!("{what} is missing"))
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
