use std::task::{Context, Poll};

use http::{Request, Response};
use tower::Service;

use super::rule::apply;
use crate::body::ResponseBody;
use crate::future::ResponseFuture;

/// Middleware that turns `/profiles/me` into the path of the subject's profile.
///
/// See the [module docs](super) for an example.
#[derive(Clone, Copy, Debug)]
pub struct MeRewrite<S> {
    inner: S,
    mount: usize,
}

impl<S> MeRewrite<S> {
    /// Rewrites what goes to `inner`.
    pub const fn new(inner: S) -> Self {
        Self::behind_mount(inner, 0)
    }

    pub(super) const fn behind_mount(inner: S, mount: usize) -> Self {
        Self { inner, mount }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, mutably.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Gives the inner service back.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B, ResBody> Service<Request<B>> for MeRewrite<S>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match apply(&mut request, None, self.mount) {
            Ok(_) => ResponseFuture::inner(self.inner.call(request)),
            Err(stop) => ResponseFuture::answer(stop.into_response(request.headers())),
        }
    }
}
