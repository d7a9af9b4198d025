use std::sync::Arc;
use std::time::Duration;

use crate::auth::{TokenFilter, TokenVerifier};
use crate::clock::Clock;
use crate::error::{ConfigError, ConfigErrorKind};
use crate::identity::VerifiedToken;
use crate::keys::Keyring;
use crate::revocation::Revocations;
use crate::token::TokenIssuer;

/// The settings that issuer and verifier share.
#[derive(Default)]
pub(super) struct TokenSettings {
    pub(super) keyring: Option<Keyring>,
    pub(super) revocations: Option<Revocations>,
    pub(super) filter: Option<Arc<dyn TokenFilter>>,
    pub(super) lifetime: Option<Duration>,
    pub(super) leeway: Option<Duration>,
    pub(super) issuer: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) cache_capacity: Option<usize>,
    pub(super) extra_claims: Vec<String>,
}

/// Issuer and verifier of one service.
pub(super) struct Tokens {
    pub(super) issuer: TokenIssuer,
    pub(super) verifier: TokenVerifier,
    pub(super) revocations: Revocations,
}

impl TokenSettings {
    pub(super) fn build(self, clock: &Arc<dyn Clock>) -> Result<Tokens, ConfigError> {
        let keyring = self
            .keyring
            .filter(|keyring| keyring.keys().signing_key().is_some())
            .ok_or_else(|| missing("a signing key"))?;
        let clock = || {
            let clock = Arc::clone(clock);
            move || clock.now()
        };
        let revocations = match self.revocations {
            Some(revocations) => revocations,
            None => Revocations::new().with_clock(clock()),
        };
        let mut issuer = TokenIssuer::new(keyring.clone())
            .with_clock(clock())
            .with_revocations(revocations.clone());
        let mut verifier = TokenVerifier::new(keyring)
            .with_clock(clock())
            .with_revocations(revocations.clone());
        if let Some(filter) = self.filter {
            verifier = verifier.with_filter(move |token: &VerifiedToken| filter.accepts(token));
        }
        issuer = issuer.with_extra_claims(&self.extra_claims)?;
        if let Some(lifetime) = self.lifetime {
            issuer = issuer.with_lifetime(lifetime)?;
        }
        if let Some(leeway) = self.leeway {
            verifier = verifier.with_leeway(leeway)?;
        }
        if let Some(tokens) = self.cache_capacity {
            verifier = verifier.with_cache_capacity(tokens);
        }
        if let Some(name) = &self.issuer {
            issuer = issuer.with_issuer(name)?;
            verifier = verifier.with_issuer(name)?;
        }
        if let Some(name) = &self.audience {
            issuer = issuer.with_audience(name)?;
            verifier = verifier.with_audience(name)?;
        }
        Ok(Tokens {
            issuer,
            verifier,
            revocations,
        })
    }
}

pub(super) fn missing(what: &str) -> ConfigError {
    ConfigError::new(ConfigErrorKind::Missing, format!("{what} is missing"))
}
