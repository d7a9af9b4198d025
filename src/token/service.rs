use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Extensions, HeaderMap, Method, Request, Response};
use http_body_util::Full;
use tower::Service;

use super::answer::granted;
use super::api_token_cache::KnownTokens;
use super::lookup::{self, Credential};
use super::request::MintRequest;
use super::{IssuedToken, TokenIssuer};
use crate::body::Body;
use crate::error::{BoxError, ConfigError, ConfigErrorKind};
use crate::headers::{Bearer, CredentialsError, WireProtocol, is_unencoded};
use crate::identity::{Subject, VerifiedToken};
use crate::path::MeRequest;
use crate::read::{ReadTimeout, Unread, collect};
use crate::rejection::{Rejection, RejectionKind, options};
use crate::report::Report;
use crate::tenant::{AllowForward, ApiToken, CallAs, Replayable};

/// The service behind `POST /auth/token`: an API token and an id in, an ID token out.
///
/// `S` is the tenant, called with targets relative to the base of its API. It judges the caller's
/// API token, with the very question that finds the profile; see
/// [`with_pinned_tokens`](Self::with_pinned_tokens) for judging it here. Errors of `S` are passed
/// on, everything that it answers becomes one of this crate's own answers.
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
    /// `None`: the tenant judges.
    pinned: Option<Box<[ApiToken]>>,
    /// `None`: the tenant is asked each time.
    known: Option<Arc<KnownTokens>>,
    read_timeout: ReadTimeout,
}

const ALLOWED: &str = "POST";
const VERIFY_CACHE_LIFE: RangeInclusive<u64> = 1..=60;
const MAX_REQUEST_LEN: usize = 16 * 1024;
const MAX_ANSWER_LEN: usize = 1024 * 1024;

impl<S> TokenEndpoint<S> {
    /// Hands out tokens of this issuer to whoever has an API token that the tenant takes.
    pub fn new(inner: S, issuer: TokenIssuer) -> Self {
        Self {
            inner,
            config: Arc::new(Config {
                issuer,
                pinned: None,
                known: None,
                read_timeout: ReadTimeout::default(),
            }),
        }
    }

    /// Takes these API tokens and no others, judged here, in a time that does not depend on which
    /// or how much of them is right. The tenant is then asked with its own configured token, and
    /// not at all for an anonymous one.
    ///
    /// Default is to let the tenant judge.
    #[must_use]
    pub fn with_pinned_tokens(mut self, tokens: impl IntoIterator<Item = ApiToken>) -> Self {
        Arc::make_mut(&mut self.config).pinned = Some(tokens.into_iter().collect());
        self
    }

    /// Remembers for so long, in whole seconds, that the tenant has called an API token good, and
    /// asks it once in that time before handing out anonymous tokens. Of up to 32 API tokens;
    /// nothing is remembered of a bad one. Look-ups of profiles ask each time.
    ///
    /// An API token that is withdrawn still gets anonymous tokens until then. For one tenant: where
    /// `S` chooses among several, what is good at one would count at another.
    ///
    /// Default is to ask each time.
    ///
    /// # Errors
    /// If it has a fraction of a second, or is not from 1 to 60 seconds.
    pub fn with_verify_cache(mut self, life: Duration) -> Result<Self, ConfigError> {
        let seconds = life.as_secs();
        if life.subsec_nanos() != 0 || !VERIFY_CACHE_LIFE.contains(&seconds) {
            return Err(ConfigError::new(
                ConfigErrorKind::InvalidDuration,
                "that an API token is good is remembered for 1 to 60 seconds, in whole ones",
            ));
        }
        let known = Arc::new(KnownTokens::new(seconds));
        Arc::make_mut(&mut self.config).known = Some(known);
        Ok(self)
    }

    /// Sets how long a caller may take to send its body, in total (408 after that).
    /// [`Duration::MAX`] is for ever. It needs the time driver of a tokio runtime.
    ///
    /// Default is no limit; [`OmneoId`](crate::OmneoId) sets 30 seconds.
    #[cfg(feature = "client")]
    #[cfg_attr(docsrs, doc(cfg(feature = "client")))]
    #[must_use]
    pub fn with_read_timeout(mut self, timeout: Duration) -> Self {
        Arc::make_mut(&mut self.config).read_timeout = ReadTimeout::new(timeout);
        self
    }

    /// The same endpoint in front of another service, of the same tenant: what is remembered goes
    /// along.
    pub fn with_inner<T>(&self, inner: T) -> TokenEndpoint<T> {
        TokenEndpoint {
            inner,
            config: Arc::clone(&self.config),
        }
    }

    /// The tenant.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The tenant.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The tenant.
    pub fn into_inner(self) -> S {
        self.inner
    }
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
    // Boxed: this is the rare path of a service, and dwarfed by the call that it makes.
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        // The readiness that `poll_ready` reserved is released: a caller that sends its body slowly
        // must not occupy a slot of a concurrency limit. `ask` polls for readiness again.
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
                Ok(token) => granted(&token),
                Err(Stop::Rejected(rejection)) => {
                    log_refused(&rejection);
                    rejection.into_response(protocol)
                }
                Err(Stop::Failed(error)) => return Err(error),
            };
            response.extensions_mut().insert(report);
            Ok(response)
        })
    }
}

/// Why there is no token: an answer for the caller, or an error of the inner service.
enum Stop<E> {
    Rejected(Rejection),
    Failed(E),
}

impl<E, R> From<R> for Stop<E>
where
    R: Into<Rejection>,
{
    fn from(rejection: R) -> Self {
        Self::Rejected(rejection.into())
    }
}

/// What is left of a request once it is read.
struct Asked {
    request: MintRequest,
    /// The caller's own API token, unless it was judged here.
    call_as: Option<ApiToken>,
    headers: HeaderMap,
    extensions: Extensions,
}

impl Config {
    /// The whole exchange: who asks, for whom, what the tenant says to it, and the token.
    async fn mint<S, ReqBody, ResBody>(
        &self,
        tenant: S,
        request: Request<ReqBody>,
        report: &mut Report,
    ) -> Result<IssuedToken, Stop<S::Error>>
    where
        S: Service<Request<Body>, Response = Response<ResBody>>,
        ReqBody: http_body::Body<Error: Into<BoxError>>,
        ResBody: http_body::Body<Error: Into<BoxError>>,
    {
        let asked = self.read(request).await?;
        let subject = match (&asked.request, &asked.call_as) {
            // The caller is known to be good, and there is nothing to look up.
            (MintRequest::Anonymous, None) => Subject::Anonymous,
            (MintRequest::Anonymous, Some(token)) => {
                let (known, token) = (self.known.as_deref(), token.clone());
                let now = self.issuer.now();
                if !known.is_some_and(|known| known.contains(&token, now)) {
                    ask(tenant, asked, report).await?;
                    if let Some(known) = known {
                        known.insert(token, now);
                    }
                }
                Subject::Anonymous
            }
            _ => ask(tenant, asked, report).await?,
        };
        // A ring without a signing key is for the operator to fix.
        let unsigned = |error| Rejection::new(RejectionKind::NoSigningKey).because(error);
        Ok(self.issuer.issue(&subject).map_err(unsigned)?)
    }

    /// Everything about the request that can be judged without the tenant, credential first.
    async fn read<B>(&self, request: Request<B>) -> Result<Asked, Rejection>
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
        let body = body.map_err(Unread::blame_client)?;
        Ok(Asked {
            request: MintRequest::parse(&body)?,
            call_as,
            headers: parts.headers,
            extensions: parts.extensions,
        })
    }
}

/// The bearer credential, whatever its bytes are: the tenants' own (`7|4fzK…`) are not all of the
/// alphabet that RFC 6750 has for them.
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
    let invalid = || Rejection::new(RejectionKind::InvalidToken);
    let text = std::str::from_utf8(credential).map_err(|error| invalid().because(error))?;
    ApiToken::new(text).map_err(|error| invalid().because(error))
}

/// Compares with all of them, whichever fits.
fn check_pinned(pinned: &[ApiToken], credential: &[u8]) -> Result<(), Rejection> {
    let compare = |fits, pinned: &ApiToken| fits | pinned.equals(credential);
    match pinned.iter().fold(false, compare) {
        true => Ok(()),
        false => Err(RejectionKind::InvalidToken.into()),
    }
}

/// One call to the tenant, when it is ready for it.
async fn ask<S, ResBody>(
    mut tenant: S,
    asked: Asked,
    report: &mut Report,
) -> Result<Subject, Stop<S::Error>>
where
    S: Service<Request<Body>, Response = Response<ResBody>>,
    ResBody: http_body::Body<Error: Into<BoxError>>,
{
    let mut question = lookup::question(&asked.request, &asked.headers);
    // What the host application has put there goes along, but not what says who is asking.
    let extensions = question.extensions_mut();
    *extensions = asked.extensions;
    extensions.remove::<VerifiedToken>();
    extensions.remove::<Subject>();
    extensions.remove::<CallAs>();
    extensions.remove::<MeRequest>();
    extensions.remove::<AllowForward>();
    let credential = match asked.call_as {
        Some(token) => {
            extensions.insert(CallAs(token));
            Credential::Callers
        }
        None => {
            // The question is made here, not by the caller: it may go up.
            extensions.insert(AllowForward::new());
            Credential::Own
        }
    };
    // Each question only reads, `search-id` by POST.
    extensions.insert(Replayable);
    poll_fn(|cx| tenant.poll_ready(cx))
        .await
        .map_err(Stop::Failed)?;
    let answer = tenant.call(question).await.map_err(Stop::Failed)?;
    let (answer, body) = answer.into_parts();
    report.add_call(&answer.extensions);
    // The way to the tenant has said already what went wrong on it.
    if let Some(rejection) = answer.extensions.get::<Rejection>() {
        return Err(rejection.clone().into());
    }
    lookup::check_status(&asked.request, credential, answer.status, &answer.headers)?;
    let body = collect(body, MAX_ANSWER_LEN)
        .await
        .map_err(Unread::blame_tenant)?;
    Ok(lookup::subject(&asked.request, &answer.headers, &body)?)
}

/// The code and the cause, which hold nothing of the request.
fn log_refused(rejection: &Rejection) {
    #[cfg(feature = "tracing")]
    tracing::debug!(
        error.type = rejection.kind().code(),
        cause = std::error::Error::source(rejection).map(tracing::field::display),
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
                &self.config.known.as_ref().map(|known| known.life()),
            )
            .finish()
    }
}
