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

use super::request;
use crate::body::Body;
use crate::error::{BoxError, ConfigError};
use crate::headers::WireProtocol;
use crate::read::ReadTimeout;
use crate::rejection::options;
use crate::revocation::Revocations;
use crate::tenant::ApiToken;
use crate::token::api_token::ApiTokenCheck;
use crate::token::lookup::{CallError, TenantClient};
use crate::token::response::token_response;
use crate::token::server_request::{ALLOWED, ServerRequest};
use crate::token::{IssuedToken, RevokeEndpoint, TokenIssuer};

/// The service of `POST /auth/token`: exchanges an API token and an id for an ID token.
///
/// `S` is the tenant, called with targets relative to the base path of its API. The look-up of the
/// profile uses the caller's API token, so the tenant checks that token;
/// [`with_pinned_api_tokens`](Self::with_pinned_api_tokens) checks it here instead. Errors of `S`
/// are returned; each response of `S` is replaced by one of this crate.
///
/// See the [module docs](crate::token).
#[derive(Clone)]
pub struct TokenEndpoint<S> {
    inner: S,
    config: Arc<Config>,
}

#[derive(Clone)]
struct Config {
    issuer: TokenIssuer,
    api_tokens: ApiTokenCheck,
    read_timeout: ReadTimeout,
}

impl<S> TokenEndpoint<S> {
    /// Issues tokens to callers with an API token that the tenant accepts.
    pub fn new(inner: S, issuer: TokenIssuer) -> Self {
        Self {
            inner,
            config: Arc::new(Config {
                api_tokens: ApiTokenCheck::new(issuer.clock()),
                issuer,
                read_timeout: ReadTimeout::default(),
            }),
        }
    }

    /// Replaces the tenant's check of API tokens: only these tokens are accepted, compared here in
    /// constant time. Look-ups then use the configured token; an anonymous token needs no call.
    ///
    /// Default is to let the tenant check.
    #[must_use]
    pub fn with_pinned_api_tokens(mut self, tokens: impl IntoIterator<Item = ApiToken>) -> Self {
        let config = Arc::make_mut(&mut self.config);
        config.api_tokens.set_pinned(tokens);
        self
    }

    /// Replaces how long a successful check of an API token is cached, in whole seconds. Within
    /// this time, further anonymous tokens need no call to the tenant. Up to 32 API tokens are
    /// cached; rejected ones are not. Look-ups of profiles always call the tenant.
    ///
    /// A revoked API token still gets anonymous tokens until the entry expires. Use the cache for
    /// one tenant only: if `S` selects among tenants, a token of one would be valid for another.
    ///
    /// Default is to call the tenant for each token.
    ///
    /// # Errors
    /// If the time has a fraction of a second, or is not from 1 to 60 seconds.
    pub fn with_verify_cache(mut self, ttl: Duration) -> Result<Self, ConfigError> {
        let config = Arc::make_mut(&mut self.config);
        config.api_tokens.set_cache(ttl)?;
        Ok(self)
    }

    /// Replaces the total time in which the caller must send its body; 408 after that.
    /// [`Duration::MAX`] disables the limit. Needs the time driver of a tokio runtime.
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
    pub fn with_inner<T>(&self, inner: T) -> TokenEndpoint<T> {
        TokenEndpoint {
            inner,
            config: Arc::clone(&self.config),
        }
    }

    /// The issuer.
    pub fn issuer(&self) -> &TokenIssuer {
        &self.config.issuer
    }

    /// The endpoint that ends tokens for the same callers: it has the pinned tokens, the cache of
    /// checked API tokens and the read timeout of this one.
    pub fn revoke_endpoint(&self, revocations: Revocations) -> RevokeEndpoint<S>
    where
        S: Clone,
    {
        let Config {
            api_tokens,
            read_timeout,
            ..
        } = &*self.config;
        let inner = self.inner.clone();
        RevokeEndpoint::with_check(inner, revocations, api_tokens.clone(), *read_timeout)
    }

    define_inner_service_accessors!();
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for TokenEndpoint<S>
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
    // Boxed: tokens are minted rarely, and the call of the tenant costs far more than a box.
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        // The readiness that `poll_ready` reserved is released: a caller that sends its body slowly
        // must not occupy a slot of a concurrency limit. `look_up` polls for readiness again.
        let not_ready_inner = self.inner.clone();
        self.inner = not_ready_inner.clone();
        let config = Arc::clone(&self.config);
        let protocol = WireProtocol::from_headers(request.headers());
        Box::pin(async move {
            if request.method() == Method::OPTIONS {
                return Ok(options(ALLOWED));
            }
            let mut tenant = TenantClient::new(not_ready_inner);
            let result = config.mint(&mut tenant, request).await;
            let result = result.map(|token| token_response(&token));
            tenant.respond(result, protocol, "no token was minted")
        })
    }
}

impl Config {
    /// Reads the request, looks up its subject, and issues the token.
    async fn mint<S, ReqBody, ResBody>(
        &self,
        tenant: &mut TenantClient<S>,
        request: Request<ReqBody>,
    ) -> Result<IssuedToken, CallError<S::Error>>
    where
        S: Service<Request<Body>, Response = Response<ResBody>>,
        ReqBody: http_body::Body<Error: Into<BoxError>>,
        ResBody: http_body::Body<Error: Into<BoxError>>,
    {
        let request = ServerRequest::read(request, &self.api_tokens, self.read_timeout).await?;
        let lookup = request::parse(&request.body)?;
        let ServerRequest {
            call_as, caller, ..
        } = request;
        let subject = self
            .api_tokens
            .look_up(tenant, &lookup, call_as, caller)
            .await?;
        Ok(self.issuer.issue(&subject)?)
    }
}

impl<S> fmt::Debug for TokenEndpoint<S>
where
    S: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenEndpoint")
            .field("inner", &self.inner)
            .field("issuer", &self.config.issuer)
            .field("api_tokens", &self.config.api_tokens)
            .finish()
    }
}
