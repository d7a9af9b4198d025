use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response};
use http_body_util::Full;
use tower::Service;

use super::config::{Previous, Refresh};
use super::refusal::RefreshRefusal;
use crate::body::Body;
use crate::error::BoxError;
use crate::headers::WireProtocol;
use crate::identity::{ProfileId, Subject, VerifiedToken};
use crate::rejection::{Rejection, RejectionKind, options};
use crate::revocation::{Revocations, RevokeErrorKind};
use crate::token::events::log_not_revoked;
use crate::token::lookup::{CallError, Caller, Lookup, TenantClient};
use crate::token::response::token_response;
use crate::token::{IssuedToken, TokenIssuer};

/// The service of `POST /auth/refresh`: exchanges a valid ID token for a new one, until the session
/// has the configured age.
///
/// Put it behind [`JwtAuthLayer`](crate::JwtAuthLayer), whose verifier has the same
/// [`Revocations`]: the service refreshes the [`VerifiedToken`] in the request's extensions, and
/// responds like [`TokenEndpoint`](crate::TokenEndpoint). These requests are rejected with 401: one
/// without a token, one with an anonymous token, one with a token that has neither `auth_time` nor
/// `iat`, and one whose session is too old.
///
/// `S` is the tenant. It is called with the configured API token, to look up the profile. If the
/// profile does not exist, its tokens end, and the response is a 401. A token that is ended while
/// the tenant is called is not refreshed. The new token has the claims of a minted one,
/// `auth_time`, and those extra claims of the previous token that the issuer
/// [may issue](TokenIssuer::with_extra_claims). The request body is not read.
///
/// See the [module docs](crate::token).
#[derive(Clone)]
pub struct RefreshEndpoint<S> {
    inner: S,
    config: Arc<Config>,
}

struct Config {
    issuer: TokenIssuer,
    revocations: Revocations,
    refresh: Refresh,
}

const ALLOWED: &str = "POST";

impl<S> RefreshEndpoint<S> {
    /// Refreshes tokens with this issuer. `revocations` is the set of the issuer and of the
    /// verifier.
    pub fn new(inner: S, issuer: TokenIssuer, revocations: Revocations, refresh: Refresh) -> Self {
        Self {
            inner,
            config: Arc::new(Config {
                issuer,
                revocations,
                refresh,
            }),
        }
    }

    /// The same endpoint over another service of the same tenant.
    pub fn with_inner<T>(&self, inner: T) -> RefreshEndpoint<T> {
        RefreshEndpoint {
            inner,
            config: Arc::clone(&self.config),
        }
    }

    define_inner_service_accessors!();
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for RefreshEndpoint<S>
where
    S: Service<Request<Body>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    ResBody: http_body::Body<Error: Into<BoxError>> + Send,
    ResBody::Data: Send,
{
    type Response = Response<Full<Bytes>>;
    type Error = S::Error;
    // Boxed: the call of the tenant costs far more than a box.
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        // The readiness that `poll_ready` reserved is released: most rejected requests call no
        // tenant. `look_up` polls for readiness again.
        let not_ready_inner = self.inner.clone();
        self.inner = not_ready_inner.clone();
        let config = Arc::clone(&self.config);
        let protocol = WireProtocol::from_headers(request.headers());
        let (parts, _) = request.into_parts();
        Box::pin(async move {
            if parts.method == Method::OPTIONS {
                return Ok(options(ALLOWED));
            }
            let mut tenant = TenantClient::new(not_ready_inner);
            let result = config.refresh(&mut tenant, parts).await;
            let result = result.map(|token| token_response(&token));
            tenant.respond(result, protocol, "no token was refreshed")
        })
    }
}

impl Config {
    async fn refresh<S, ResBody>(
        &self,
        tenant: &mut TenantClient<S>,
        request: Parts,
    ) -> Result<IssuedToken, CallError<S::Error>>
    where
        S: Service<Request<Body>, Response = Response<ResBody>>,
        ResBody: http_body::Body<Error: Into<BoxError>>,
    {
        if request.method != Method::POST {
            return Err(Rejection::method_not_allowed(ALLOWED).into());
        }
        let token: VerifiedToken = match request.extensions.get() {
            Some(token) => VerifiedToken::clone(token),
            None => return Err(RejectionKind::MissingCredentials.into()),
        };
        let token = token.claims();
        let profile = token.subject.profile().ok_or(RefreshRefusal::Anonymous)?;
        let clock = self.issuer.clock();
        let session = self.refresh.session(token, clock.now());
        let session = session.ok_or(RefreshRefusal::NoStart)?;
        if clock.now() >= session.ends_at {
            return Err(RefreshRefusal::TooOld.into());
        }
        let subject = self.look_up(tenant, profile, request).await?;
        // The session may have ended during the call of the tenant.
        if clock.now() >= session.ends_at {
            return Err(RefreshRefusal::TooOld.into());
        }
        let issued = self
            .issuer
            .refresh(&subject, token, session.started_at, session.ends_at)?;
        // After the new token was signed. A revocation before this check ends the previous token,
        // which the check detects; a later one ends the new token, too, as its `iat` has passed.
        if self.revocations.is_revoked(token) {
            return Err(RefreshRefusal::Ended.into());
        }
        match self.refresh.previous {
            Previous::Keep => {}
            Previous::End => match self.revocations.revoke_token(token).await {
                Ok(()) => {}
                // The previous token was ended in this process, so the client needs the new one.
                Err(error) if error.kind() == RevokeErrorKind::Store => log_not_revoked(&error),
                Err(error) => return Err(error.into()),
            },
        }
        Ok(issued)
    }

    /// Looks up the profile with the configured API token. If it does not exist, its tokens end.
    async fn look_up<S, ResBody>(
        &self,
        tenant: &mut TenantClient<S>,
        profile: &ProfileId,
        request: Parts,
    ) -> Result<Subject, CallError<S::Error>>
    where
        S: Service<Request<Body>, Response = Response<ResBody>>,
        ResBody: http_body::Body<Error: Into<BoxError>>,
    {
        let lookup = Lookup::Profile {
            id: profile.as_str().to_owned(),
        };
        let caller = Caller {
            headers: request.headers,
            extensions: request.extensions,
        };
        match tenant.look_up(&lookup, None, caller).await {
            Err(CallError::Rejected(rejection)) if rejection.kind() == RejectionKind::NotFound => {}
            found => return found,
        }
        if let Err(error) = self.revocations.revoke_profile(profile).await {
            log_not_revoked(&error);
        }
        Err(RefreshRefusal::NoProfile.into())
    }
}

impl<S> fmt::Debug for RefreshEndpoint<S>
where
    S: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshEndpoint")
            .field("inner", &self.inner)
            .field("issuer", &self.config.issuer)
            .field("refresh", &self.config.refresh)
            .finish_non_exhaustive()
    }
}
