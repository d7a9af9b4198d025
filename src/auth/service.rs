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
        match self.config.authenticate(&mut request) {
            // The decision needs no await: `inner` is called with the readiness of `poll_ready`.
            Ok(check) => (check, ResponseFuture::inner(self.inner.call(request))),
            Err(rejection) => {
                let protocol = WireProtocol::from_headers(request.headers());
                let response = self.config.respond(rejection, protocol);
                (None, ResponseFuture::ready(response))
            }
        }
    }
}
