use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use pin_project_lite::pin_project;

use crate::body::ResponseBody;
use crate::future::ResponseFuture;

/// A call that waits for the client's content first. Boxed: few requests have to.
type Reading<B, E> = Pin<Box<dyn Future<Output = Result<Response<ResponseBody<B>>, E>> + Send>>;

pin_project! {
    /// The response of [`RestrictedMe`](super::RestrictedMe).
    pub struct RestrictedFuture<F, B, E> {
        #[pin]
        kind: Kind<F, B, E>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<F, B, E> {
        Decided { #[pin] future: ResponseFuture<F> },
        Reading { future: Reading<B, E> },
    }
}

impl<F, B, E> RestrictedFuture<F, B, E> {
    pub(super) fn inner(future: F) -> Self {
        let future = ResponseFuture::inner(future);
        Kind::Decided { future }.into()
    }

    pub(super) fn answer(response: Response<Full<Bytes>>) -> Self {
        let future = ResponseFuture::answer(response);
        Kind::Decided { future }.into()
    }

    pub(super) fn reading<O>(future: O) -> Self
    where
        O: Future<Output = Result<Response<ResponseBody<B>>, E>> + Send + 'static,
    {
        let future = Box::pin(future);
        Kind::Reading { future }.into()
    }
}

impl<F, B, E> From<Kind<F, B, E>> for RestrictedFuture<F, B, E> {
    fn from(kind: Kind<F, B, E>) -> Self {
        Self { kind }
    }
}

impl<F, B, E> Future for RestrictedFuture<F, B, E>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProj::Decided { future } => future.poll(cx),
            KindProj::Reading { future } => future.as_mut().poll(cx),
        }
    }
}

impl<F, B, E> fmt::Debug for RestrictedFuture<F, B, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestrictedFuture").finish_non_exhaustive()
    }
}
