//! The response future of the layers: the inner service's, a ready response, or a boxed call.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use pin_project_lite::pin_project;

use crate::body::ResponseBody;

/// A call that first awaits something else, such as the request body. It is the rare case.
type BoxFuture<B, E> = Pin<Box<dyn Future<Output = Result<Response<ResponseBody<B>>, E>> + Send>>;

pin_project! {
    /// The response future of [`JwtAuth`](crate::auth::JwtAuth),
    /// [`MeRewrite`](crate::me::MeRewrite) and the other layers of this crate.
    ///
    /// `F` is the future of the inner service, `B` its response body and `E` its error. It is held
    /// without a box.
    pub struct ResponseFuture<F, B, E> {
        #[pin]
        kind: Kind<F, B, E>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<F, B, E> {
        Inner { #[pin] future: F },
        // `None` after the response was returned.
        Ready { response: Option<Response<Full<Bytes>>> },
        Boxed { future: BoxFuture<B, E> },
    }
}

impl<F, B, E> ResponseFuture<F, B, E> {
    /// The inner service responds.
    pub(crate) fn inner(future: F) -> Self {
        Kind::Inner { future }.into()
    }

    /// The layer responds at once, without the inner service.
    pub(crate) fn ready(response: Response<Full<Bytes>>) -> Self {
        let response = Some(response);
        Kind::Ready { response }.into()
    }

    /// The layer awaits something before it responds or calls the inner service.
    pub(crate) fn boxed<O>(future: O) -> Self
    where
        O: Future<Output = Result<Response<ResponseBody<B>>, E>> + Send + 'static,
    {
        let future = Box::pin(future);
        Kind::Boxed { future }.into()
    }
}

impl<F, B, E> From<Kind<F, B, E>> for ResponseFuture<F, B, E> {
    fn from(kind: Kind<F, B, E>) -> Self {
        Self { kind }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B, E>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProj::Inner { future } => {
                let response = ready!(future.poll(cx))?;
                Poll::Ready(Ok(response.map(ResponseBody::inner)))
            }
            KindProj::Ready { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map(ResponseBody::from_layer))),
                // Polled after completion. The contract of `Future` allows any result but
                // undefined behaviour; a panic would end the connection.
                None => Poll::Pending,
            },
            KindProj::Boxed { future } => future.as_mut().poll(cx),
        }
    }
}

impl<F, B, E> fmt::Debug for ResponseFuture<F, B, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
