use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Request, Response};
use tower::Service;

use super::cache::ApiTokenCache;
use crate::body::Body;
use crate::clock::Clock;
use crate::error::{BoxError, ConfigError};
use crate::headers::{Bearer, CredentialsError};
use crate::identity::Subject;
use crate::rejection::{Rejection, RejectionKind};
use crate::tenant::ApiToken;
use crate::token::lookup::{CallError, Caller, Lookup, TenantClient};

/// The check of the API token of a caller. Clones share the cache.
#[derive(Clone)]
pub(in crate::token) struct ApiTokenCheck {
    clock: Arc<dyn Clock>,
    /// `None`: the tenant checks API tokens.
    pinned: Option<Arc<[ApiToken]>>,
    /// `None`: the tenant checks an API token for each request.
    cache: Option<Arc<ApiTokenCache>>,
}

impl ApiTokenCheck {
    /// The tenant checks the API token of each request.
    pub(in crate::token) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            pinned: None,
            cache: None,
        }
    }

    pub(in crate::token) fn set_clock(&mut self, clock: Arc<dyn Clock>) {
        self.clock = clock;
    }

    /// Accepts these tokens only, without a call of the tenant.
    pub(in crate::token) fn set_pinned(&mut self, tokens: impl IntoIterator<Item = ApiToken>) {
        self.pinned = Some(tokens.into_iter().collect());
    }

    /// Caches successful checks by the tenant.
    ///
    /// # Errors
    /// If the time has a fraction of a second, or is not from 1 to 60 seconds.
    pub(in crate::token) fn set_cache(&mut self, ttl: Duration) -> Result<(), ConfigError> {
        self.cache = Some(Arc::new(ApiTokenCache::new(ttl)?));
        Ok(())
    }

    /// Checks the credential of a request as far as possible without the tenant. Returns the API
    /// token that the tenant has to check, or `None` if it was checked here.
    pub(in crate::token) fn authenticate(
        &self,
        headers: &HeaderMap,
    ) -> Result<Option<ApiToken>, Rejection> {
        let credential = credential(headers)?;
        match &self.pinned {
            Some(pinned) => check_pinned(pinned, credential).map(|()| None),
            None => api_token(credential).map(Some),
        }
    }

    /// Looks up a subject at the tenant, which also checks the API token `call_as`. No call is made
    /// for an API token that needs no further check.
    pub(in crate::token) async fn look_up<S, ResBody>(
        &self,
        tenant: &mut TenantClient<S>,
        lookup: &Lookup,
        call_as: Option<ApiToken>,
        caller: Caller,
    ) -> Result<Subject, CallError<S::Error>>
    where
        S: Service<Request<Body>, Response = Response<ResBody>>,
        ResBody: http_body::Body<Error: Into<BoxError>>,
    {
        if *lookup != Lookup::ApiToken {
            return tenant.look_up(lookup, call_as, caller).await;
        }
        let Some(token) = call_as else {
            return Ok(Subject::Anonymous);
        };
        let (cache, now) = (self.cache.as_deref(), self.clock.now());
        if !cache.is_some_and(|cache| cache.contains(&token, now)) {
            tenant.look_up(lookup, Some(token.clone()), caller).await?;
            if let Some(cache) = cache {
                cache.insert(token, now);
            }
        }
        Ok(Subject::Anonymous)
    }
}

/// The bytes of the bearer credential, not restricted to the alphabet of RFC 6750: API tokens of
/// tenants (`7|4fzK…`) have other characters.
fn credential(headers: &HeaderMap) -> Result<&[u8], Rejection> {
    match Bearer::unvalidated(headers) {
        Ok(Some(credential)) => Ok(credential),
        Ok(None) => Err(RejectionKind::MissingCredentials.into()),
        Err(error @ CredentialsError::Ambiguous) => {
            Err(Rejection::new(RejectionKind::AmbiguousCredentials).because(error))
        }
        Err(error) => Err(Rejection::new(RejectionKind::InvalidToken).because(error)),
    }
}

fn api_token(credential: &[u8]) -> Result<ApiToken, Rejection> {
    let text = std::str::from_utf8(credential).map_err(invalid_token)?;
    ApiToken::new(text).map_err(invalid_token)
}

fn invalid_token(cause: impl Error + Send + Sync + 'static) -> Rejection {
    Rejection::new(RejectionKind::InvalidToken).because(cause)
}

/// Compares with all pinned tokens, so that the duration does not depend on the match.
fn check_pinned(pinned: &[ApiToken], credential: &[u8]) -> Result<(), Rejection> {
    let is_pinned = pinned.iter().fold(false, |found, pinned| {
        found | pinned.matches_bytes(credential)
    });
    match is_pinned {
        true => Ok(()),
        false => Err(RejectionKind::InvalidToken.into()),
    }
}

impl fmt::Debug for ApiTokenCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pinned = self.pinned.as_ref().map(|tokens| tokens.len());
        let cache = self.cache.as_ref().map(|cache| cache.ttl());
        f.debug_struct("ApiTokenCheck")
            .field("pinned", &pinned)
            .field("verify_cache", &cache)
            .finish()
    }
}
