use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower::Service;

use super::TokenVerifier;
use super::authenticate::Config;
use crate::body::ResponseBody;
use crate::future::ResponseFuture;
use crate::headers::WireProtocol;
use crate::report::TokenCheck;

/// Forwards requests with a valid token to `S` and rejects all others.
///
/// See the [module docs](super).
#[derive(Clone, Debug)]
pub struct JwtAuth<S> {
    inner: S,
    config: Arc<Config>,
}

impl<S> JwtAuth<S> {
    /// Requires a valid token in front of `inner`. [`JwtAuthLayer`](super::JwtAuthLayer) has the
    /// configuration.
    pub fn new(inner: S, verifier: TokenVerifier) -> Self {
        Self::with_config(inner, Arc::new(Config::new(verifier)))
    }

    pub(super) fn with_config(inner: S, config: Arc<Config>) -> Self {
        Self { inner, config }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for JwtAuth<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    // The decision needs no await, so this calls the inner service that `poll_ready` made ready.
    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        self.call_telling(request, &mut None)
    }
}

impl<S> JwtAuth<S> {
    /// As `call`; also reports whether the valid token came from the cache.
    pub(crate) fn call_telling<ReqBody>(
        &mut self,
        mut request: Request<ReqBody>,
        token_check: &mut Option<TokenCheck>,
    ) -> ResponseFuture<S::Future>
    where
        S: Service<Request<ReqBody>>,
    {
        match self.config.authenticate(&mut request) {
            Ok(check) => {
                *token_check = check;
                ResponseFuture::inner(self.inner.call(request))
            }
            Err(rejection) => {
                let protocol = WireProtocol::from_headers(request.headers());
                ResponseFuture::answer(self.config.respond(rejection, protocol))
            }
        }
    }
}
