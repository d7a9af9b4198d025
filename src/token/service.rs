use std::error::Error;
use std::fmt;
use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::Full;
use tower::Service;

use super::api_token_cache::ApiTokenCache;
use super::request::MintRequest;
use super::response::token_response;
use super::tenant_call::{MintError, ParsedRequest, look_up};
use super::{IssuedToken, TokenIssuer};
use crate::body::Body;
use crate::error::{BoxError, ConfigError, ConfigErrorKind};
use crate::headers::{Bearer, CredentialsError, WireProtocol, is_unencoded};
use crate::identity::Subject;
use crate::read::{CollectError, ReadTimeout};
use crate::rejection::{Rejection, RejectionKind, options};
use crate::report::Report;
use crate::tenant::ApiToken;

/// The service of `POST /auth/token`: exchanges an API token and an id for an ID token.
///
/// `S` is the tenant, called with targets relative to the base path of its API. The look-up of the
/// profile uses the caller's API token, so the tenant checks that token;
/// [`with_pinned_tokens`](Self::with_pinned_tokens) checks it here instead. Errors of `S` are
/// returned; each response of `S` is replaced by one of this crate.
///
/// See the [module docs](super).
#[derive(Clone)]
pub struct TokenEndpoint<S> {
    inner: S,
    config: Arc<Config>,
}

#[derive(Clone)]
struct Config {
    issuer: TokenIssuer,
    /// `None`: the tenant checks API tokens.
    pinned: Option<Box<[ApiToken]>>,
    /// `None`: the tenant checks an API token for each request.
    api_token_cache: Option<Arc<ApiTokenCache>>,
    read_timeout: ReadTimeout,
}

const ALLOWED: &str = "POST";
/// How long an API token may be cached, in seconds: a revoked token stays usable for so long.
const VERIFY_CACHE_TTL: RangeInclusive<u64> = 1..=60;
/// An id and a handle have at most 255 bytes each; the rest allows for escapes and unknown members.
const MAX_REQUEST_LEN: usize = 16 * 1024;

impl<S> TokenEndpoint<S> {
    /// Issues tokens to callers with an API token that the tenant accepts.
    pub fn new(inner: S, issuer: TokenIssuer) -> Self {
        Self {
            inner,
            config: Arc::new(Config {
                issuer,
                pinned: None,
                api_token_cache: None,
                read_timeout: ReadTimeout::default(),
            }),
        }
    }

    /// Replaces the tenant's check of API tokens: only these tokens are accepted, compared here in
    /// constant time. Look-ups then use the configured token; an anonymous token needs no call.
    ///
    /// Default is to let the tenant check.
    #[must_use]
    pub fn with_pinned_tokens(mut self, tokens: impl IntoIterator<Item = ApiToken>) -> Self {
        Arc::make_mut(&mut self.config).pinned = Some(tokens.into_iter().collect());
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
        let seconds = ttl.as_secs();
        if ttl.subsec_nanos() != 0 || !VERIFY_CACHE_TTL.contains(&seconds) {
            return Err(ConfigError::new(
                ConfigErrorKind::InvalidDuration,
                "a check of an API token is cached for 1 to 60 seconds, in whole seconds",
            ));
        }
        let cache = Arc::new(ApiTokenCache::new(seconds));
        Arc::make_mut(&mut self.config).api_token_cache = Some(cache);
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
            let mut report = Report::default();
            let mut response = match config.mint(not_ready_inner, request, &mut report).await {
                Ok(token) => token_response(&token),
                Err(MintError::Rejected(rejection)) => {
                    log_rejected(&rejection);
                    rejection.into_response(protocol)
                }
                Err(MintError::Inner(error)) => return Err(error),
            };
            response.extensions_mut().insert(report);
            Ok(response)
        })
    }
}

impl Config {
    /// Reads the request, looks up its subject, and issues the token.
    async fn mint<S, ReqBody, ResBody>(
        &self,
        tenant: S,
        request: Request<ReqBody>,
        report: &mut Report,
    ) -> Result<IssuedToken, MintError<S::Error>>
    where
        S: Service<Request<Body>, Response = Response<ResBody>>,
        ReqBody: http_body::Body<Error: Into<BoxError>>,
        ResBody: http_body::Body<Error: Into<BoxError>>,
    {
        let request = self.read(request).await?;
        let subject = match (&request.mint, &request.call_as) {
            // The caller was checked here, and an anonymous token needs no look-up.
            (MintRequest::Anonymous, None) => Subject::Anonymous,
            (MintRequest::Anonymous, Some(token)) => {
                let (cache, token) = (self.api_token_cache.as_deref(), token.clone());
                let now = self.issuer.now();
                if !cache.is_some_and(|cache| cache.contains(&token, now)) {
                    look_up(tenant, request, report).await?;
                    if let Some(cache) = cache {
                        cache.insert(token, now);
                    }
                }
                Subject::Anonymous
            }
            _ => look_up(tenant, request, report).await?,
        };
        // A ring without a signing key is a configuration error.
        let token = self
            .issuer
            .issue(&subject)
            .map_err(|error| Rejection::new(RejectionKind::NoSigningKey).because(error))?;
        Ok(token)
    }

    /// Reads and validates the request as far as possible without the tenant, credential first.
    async fn read<B>(&self, request: Request<B>) -> Result<ParsedRequest, Rejection>
    where
        B: http_body::Body<Error: Into<BoxError>>,
    {
        if request.method() != Method::POST {
            return Err(Rejection::method_not_allowed(ALLOWED));
        }
        let credential = credential(request.headers())?;
        let call_as = match &self.pinned {
            Some(pinned) => {
                check_pinned(pinned, credential)?;
                None
            }
            None => Some(api_token(credential)?),
        };
        if !is_unencoded(request.headers()) {
            return Err(RejectionKind::UnsupportedMediaType.into());
        }
        let (parts, body) = request.into_parts();
        let body = self.read_timeout.collect(body, MAX_REQUEST_LEN).await;
        let body = body.map_err(CollectError::into_request_rejection)?;
        Ok(ParsedRequest {
            mint: MintRequest::parse(&body)?,
            call_as,
            headers: parts.headers,
            extensions: parts.extensions,
        })
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
    let is_pinned = pinned
        .iter()
        .fold(false, |found, pinned| found | pinned.equals(credential));
    match is_pinned {
        true => Ok(()),
        false => Err(RejectionKind::InvalidToken.into()),
    }
}

/// Logs the code and the cause; neither contains data of the request.
fn log_rejected(rejection: &Rejection) {
    #[cfg(feature = "tracing")]
    tracing::debug!(
        error.type = rejection.kind().code(),
        cause = rejection.source().map(tracing::field::display),
        "no token was minted",
    );
    #[cfg(not(feature = "tracing"))]
    let _ = rejection;
}

impl<S> fmt::Debug for TokenEndpoint<S>
where
    S: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenEndpoint")
            .field("inner", &self.inner)
            .field("issuer", &self.config.issuer)
            .field(
                "pinned",
                &self.config.pinned.as_ref().map(|tokens| tokens.len()),
            )
            .field(
                "verify_cache",
                &self
                    .config
                    .api_token_cache
                    .as_ref()
                    .map(|cache| cache.ttl()),
            )
            .finish()
    }
}
