use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower::{Layer, Service};

use super::authenticate::Config;
use super::{JwtAuthLayer, TokenVerifier};
use crate::body::ResponseBody;
use crate::future::ResponseFuture;
use crate::headers::WireProtocol;
use crate::report::TokenCheck;

/// Lets requests with a good token pass to `S`, and answers the others itself.
///
/// See the [module docs](super).
#[derive(Clone, Debug)]
pub struct JwtAuth<S> {
    inner: S,
    config: Arc<Config>,
}

impl<S> JwtAuth<S> {
    /// Demands a good token before `inner`. See [`JwtAuthLayer`] for what can be configured.
    pub fn new(inner: S, verifier: TokenVerifier) -> Self {
        JwtAuthLayer::new(verifier).layer(inner)
    }

    /// The layer that makes such services.
    pub fn layer(verifier: TokenVerifier) -> JwtAuthLayer {
        JwtAuthLayer::new(verifier)
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

    // The decision is made here and now, so the inner service is called as it was made ready.
    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        self.call_telling(request, &mut None)
    }
}

impl<S> JwtAuth<S> {
    /// As `call`, and tells how the token was found good.
    pub(crate) fn call_telling<ReqBody>(
        &mut self,
        mut request: Request<ReqBody>,
        told: &mut Option<TokenCheck>,
    ) -> ResponseFuture<S::Future>
    where
        S: Service<Request<ReqBody>>,
    {
        match self.config.admit(&mut request) {
            Ok(check) => {
                *told = check;
                ResponseFuture::inner(self.inner.call(request))
            }
            Err(rejection) => {
                let protocol = WireProtocol::from_headers(request.headers());
                ResponseFuture::answer(self.config.answer(rejection, protocol))
            }
        }
    }
}
