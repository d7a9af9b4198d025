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

    define_inner_service_accessors!();
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for JwtAuth<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResBody, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (_, future) = self.authenticate_and_call(request);
        future
    }
}

impl<S> JwtAuth<S> {
    /// As `call`, and returns how a valid token was checked.
    pub(crate) fn authenticate_and_call<ReqBody, ResBody>(
        &mut self,
        mut request: Request<ReqBody>,
    ) -> (
        Option<TokenCheck>,
        ResponseFuture<S::Future, ResBody, S::Error>,
    )
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    {
        match self.config.admit(&mut request) {
            // The decision needs no await: `inner` is called with the readiness of `poll_ready`.
            Ok(check) => (check, ResponseFuture::inner(self.inner.call(request))),
            Err(rejection) => {
                let protocol = WireProtocol::of(request.headers());
                let response = self.config.answer(rejection, protocol);
                (None, ResponseFuture::ready(response))
            }
        }
    }
}
