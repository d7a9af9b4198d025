//! Builds the service: the checks of the settings, and what the layers share.

use std::sync::Arc;
use std::time::Duration;

use super::builder::OmneoIdBuilder;
use super::config::Config;
use super::deleted_profile::Deletions;
use super::service::OmneoId;
use super::token_settings::missing;
use crate::auth::JwtAuthLayer;
use crate::client::HttpClient;
use crate::clock::SystemClock;
use crate::error::{ConfigError, ConfigErrorKind};
use crate::me::MeRewriteLayer;
use crate::path::plain_prefix;
use crate::revocation::Revocations;
use crate::tenant::{Tenant, TenantKey};
use crate::token::{JwksEndpoint, RefreshEndpoint, TokenEndpoint};
use crate::upsert::CommsUpsertLayer;
use crate::upstream::Upstream;

/// The idle timeout of bodies by default: that of nginx (`client_body_timeout`).
const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// The total time for a body that is collected, by default. A sign-up has a few KiB.
const BODY_READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The settings that a member of a set of tenants receives from the set.
pub(crate) struct MemberSettings<'a> {
    /// The audience, unless the builder has one.
    pub(crate) audience: Option<&'a str>,
    /// A path segment in front of the mount.
    pub(crate) mount_below: Option<TenantKey>,
    /// The service that the member replaces. The member continues with its sign-ups and calls in
    /// flight, and with its ended sessions unless the builder has a set of its own.
    pub(crate) replaced: Option<&'a OmneoId<()>>,
    /// The ended sessions of an earlier member, unless the builder has a set of its own.
    pub(crate) revocations: Option<Revocations>,
}

impl OmneoIdBuilder {
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
        let mut tokens = self.tokens;
        if let Some(replaced) = &self.replaced {
            let own = tokens.revocations;
            tokens.revocations = own.or_else(|| Some(replaced.revocations().clone()));
        }
        let tokens = tokens.build(&clock)?;
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
        if let Some(budget) = &self.call_budget {
            upstream = upstream.with_call_budget(budget);
        }
        if let Some(replaced) = &self.replaced {
            upstream = upstream.continue_in_flight(replaced.upstream());
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
        let comms_policy = self.comms_policy.or_read_timeout(read_timeout);
        let upsert = match &self.replaced {
            Some(replaced) => replaced.config().upsert.with_policy(comms_policy),
            None => CommsUpsertLayer::new(comms_policy),
        };
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
            upsert,
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

    /// Builds a member of a set of tenants. The set has the client.
    pub(crate) fn build_member(
        mut self,
        settings: MemberSettings<'_>,
    ) -> Result<OmneoId<()>, ConfigError> {
        let audience = self.tokens.audience.take();
        self.tokens.audience = audience.or_else(|| settings.audience.map(str::to_owned));
        self.tokens.revocations = self.tokens.revocations.or(settings.revocations);
        self.replaced = settings.replaced.cloned();
        if let Some(key) = settings.mount_below
            && (self.mount.is_empty() || self.mount.starts_with('/'))
        {
            self.mount.insert_str(0, key.as_str());
            self.mount.insert(0, '/');
        }
        self.build_with_client(())
    }
}
