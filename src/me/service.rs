use std::ops::ControlFlow;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower::Service;

use super::rewrite::rewrite;
use crate::body::ResponseBody;
use crate::future::ResponseFuture;

/// Middleware that rewrites `/profiles/me` to the path of the subject's profile.
///
/// See the [module docs](super) for an example.
#[derive(Clone, Copy, Debug)]
pub struct MeRewrite<S> {
    inner: S,
}

impl<S> MeRewrite<S> {
    /// Rewrites requests before they reach `inner`.
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }

    define_inner_service_accessors!();
}

impl<S, B, ResBody> Service<Request<B>> for MeRewrite<S>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResBody, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match rewrite(&mut request, None) {
            ControlFlow::Continue(_) => ResponseFuture::inner(self.inner.call(request)),
            ControlFlow::Break(response) => ResponseFuture::ready(response),
        }
    }
}
