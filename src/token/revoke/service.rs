use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use tower::Service;

use super::request::RevokeRequest;
use crate::body::Body;
use crate::clock::{Clock, SystemClock};
use crate::error::{BoxError, ConfigError};
use crate::headers::WireProtocol;
use crate::identity::Subject;
use crate::read::ReadTimeout;
use crate::rejection::{RejectionKind, no_content, options};
use crate::revocation::Revocations;
use crate::tenant::ApiToken;
use crate::token::api_token::ApiTokenCheck;
use crate::token::lookup::{CallError, Lookup, TenantClient};
use crate::token::server_request::{ALLOWED, ServerRequest};

/// The service of `POST /auth/revoke`: a server ends ID tokens before they expire.
///
/// The body is one of these JSON objects, without further members; any other body is rejected with
/// 422:
///
/// | body | ended tokens |
/// | --- | --- |
/// | `{"jti": "…"}` | the token with this id |
/// | `{"id": "…"}` | the tokens of this profile that were issued up to now |
/// | `{"id": "…", "id_handle": "…"}` | the same, for the profile with this identity |
/// | `{"all": true}` | all tokens that were issued up to now |
///
/// The response is a 204, also if there were no such tokens. The API token is checked as by
/// [`TokenEndpoint`](crate::TokenEndpoint). Only a body with `id_handle` looks up a profile (404 if
/// it does not exist), so the tokens of a deleted profile can be ended by its id. If the set is
/// full or its store fails, the response is a 503.
///
/// `S` is the tenant, as for the token endpoint. See the [module docs](crate::token).
#[derive(Clone)]
pub struct RevokeEndpoint<S> {
    inner: S,
    config: Arc<Config>,
}

#[derive(Clone)]
struct Config {
    revocations: Revocations,
    api_tokens: ApiTokenCheck,
    read_timeout: ReadTimeout,
}

impl<S> RevokeEndpoint<S> {
    /// Ends tokens for callers with an API token that the tenant accepts.
    pub fn new(inner: S, revocations: Revocations) -> Self {
        let check = ApiTokenCheck::new(Arc::new(SystemClock));
        Self::with_check(inner, revocations, check, ReadTimeout::default())
    }

    pub(in crate::token) fn with_check(
        inner: S,
        revocations: Revocations,
        api_tokens: ApiTokenCheck,
        read_timeout: ReadTimeout,
    ) -> Self {
        Self {
            inner,
            config: Arc::new(Config {
                revocations,
                api_tokens,
                read_timeout,
            }),
        }
    }

    /// As [`TokenEndpoint::with_pinned_api_tokens`](crate::TokenEndpoint::with_pinned_api_tokens).
    ///
    /// Default is to let the tenant check.
    #[must_use]
    pub fn with_pinned_api_tokens(mut self, tokens: impl IntoIterator<Item = ApiToken>) -> Self {
        let config = Arc::make_mut(&mut self.config);
        config.api_tokens.set_pinned(tokens);
        self
    }

    /// Replaces how long a successful check of an API token is cached, as for
    /// [`TokenEndpoint::with_verify_cache`](crate::TokenEndpoint::with_verify_cache).
    ///
    /// Default is to call the tenant for each request.
    ///
    /// # Errors
    /// If the time has a fraction of a second, or is not from 1 to 60 seconds.
    pub fn with_verify_cache(mut self, ttl: Duration) -> Result<Self, ConfigError> {
        let config = Arc::make_mut(&mut self.config);
        config.api_tokens.set_cache(ttl)?;
        Ok(self)
    }

    /// Replaces the clock of the cache of checked API tokens.
    ///
    /// Default is the [system's](SystemClock).
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        let config = Arc::make_mut(&mut self.config);
        config.api_tokens.set_clock(Arc::new(clock));
        self
    }

    /// As [`TokenEndpoint::with_read_timeout`](crate::TokenEndpoint::with_read_timeout).
    ///
    /// Default is unlimited; [`OmneoId`](crate::OmneoId) sets 30 seconds.
    #[cfg(feature = "client")]
    #[cfg_attr(docsrs, doc(cfg(feature = "client")))]
    #[must_use]
    pub fn with_read_timeout(mut self, timeout: Duration) -> Self {
        Arc::make_mut(&mut self.config).read_timeout = ReadTimeout::new(timeout);
        self
    }

    /// The same endpoint over another service of the same tenant. Both share the cache of checked
    /// API tokens.
    pub fn with_inner<T>(&self, inner: T) -> RevokeEndpoint<T> {
        RevokeEndpoint {
            inner,
            config: Arc::clone(&self.config),
        }
    }

    define_inner_service_accessors!();
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for RevokeEndpoint<S>
where
    S: Service<Request<Body>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    ReqBody: http_body::Body<Error: Into<BoxError>> + Send + 'static,
    ReqBody::Data: Send,
    ResBody: http_body::Body<Error: Into<BoxError>> + Send,
    ResBody::Data: Send,
{
    type Response = Response<Full<Bytes>>;
    type Error = S::Error;
    // Boxed: sessions are ended rarely.
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        // The readiness that `poll_ready` reserved is released, as by the token endpoint: a caller
        // that sends its body slowly must not occupy a slot of a concurrency limit.
        let not_ready_inner = self.inner.clone();
        self.inner = not_ready_inner.clone();
        let config = Arc::clone(&self.config);
        let protocol = WireProtocol::from_headers(request.headers());
        Box::pin(async move {
            if request.method() == Method::OPTIONS {
                return Ok(options(ALLOWED));
            }
            let mut tenant = TenantClient::new(not_ready_inner);
            let result = config.revoke(&mut tenant, request).await;
            let result = result.map(|()| no_content());
            tenant.respond(result, protocol, "no session was ended")
        })
    }
}

impl Config {
    /// Reads the request, checks the caller, and ends the tokens.
    async fn revoke<S, ReqBody, ResBody>(
        &self,
        tenant: &mut TenantClient<S>,
        request: Request<ReqBody>,
    ) -> Result<(), CallError<S::Error>>
    where
        S: Service<Request<Body>, Response = Response<ResBody>>,
        ReqBody: http_body::Body<Error: Into<BoxError>>,
        ResBody: http_body::Body<Error: Into<BoxError>>,
    {
        let request = ServerRequest::read(request, &self.api_tokens, self.read_timeout).await?;
        let ended = RevokeRequest::parse(&request.body)?;
        let lookup = match &ended {
            RevokeRequest::Found(lookup) => lookup,
            _ => &Lookup::ApiToken,
        };
        let ServerRequest {
            call_as, caller, ..
        } = request;
        let subject = self
            .api_tokens
            .look_up(tenant, lookup, call_as, caller)
            .await?;
        match (ended, subject) {
            (RevokeRequest::Token(id), _) => self.revocations.revoke_token_id(&id).await?,
            (RevokeRequest::Profile(profile), _)
            | (RevokeRequest::Found(_), Subject::Profile(profile)) => {
                self.revocations.revoke_profile(&profile).await?;
            }
            // The look-up of a profile finds a profile.
            (RevokeRequest::Found(_), Subject::Anonymous) => {
                return Err(RejectionKind::TenantAnswer.into());
            }
            (RevokeRequest::All, _) => self.revocations.revoke_all().await?,
        }
        Ok(())
    }
}

impl<S> fmt::Debug for RevokeEndpoint<S>
where
    S: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevokeEndpoint")
            .field("inner", &self.inner)
            .field("revocations", &self.config.revocations)
            .field("api_tokens", &self.config.api_tokens)
            .finish()
    }
}
