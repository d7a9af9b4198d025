use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use http::Response;
use pin_project_lite::pin_project;

use super::deadline::HeadDeadline;
use super::exchange::Exchange;
use crate::body::Body;
use crate::error::BoxError;
use crate::headers::WireProtocol;
use crate::rejection::Rejection;

pin_project! {
    /// The response of [`Upstream`](super::Upstream). Dropping it cancels the call of the tenant.
    pub struct ResponseFuture<F> {
        #[pin]
        kind: Kind<F>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<F> {
        Call {
            #[pin]
            future: F,
            #[pin]
            deadline: HeadDeadline,
            // `None` after completion.
            exchange: Option<Exchange>,
        },
        // `None` after completion.
        Response { response: Option<Response<Body>> },
    }
}

impl<F> ResponseFuture<F> {
    pub(in crate::upstream) fn call(future: F, exchange: Exchange) -> Self {
        Self {
            kind: Kind::Call {
                future,
                deadline: HeadDeadline::new(exchange.config.head_timeout, exchange.started),
                exchange: Some(exchange),
            },
        }
    }

    pub(in crate::upstream) fn rejected(rejection: Rejection, protocol: WireProtocol) -> Self {
        #[cfg(feature = "tracing")]
        super::events::request_rejected(&rejection);
        Self {
            kind: Kind::Response {
                response: Some(rejection.into_response(protocol).map(Body::from)),
            },
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: http_body::Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    E: Into<BoxError>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut kind = self.project().kind;
        let response = match kind.as_mut().project() {
            KindProj::Call {
                future,
                deadline,
                exchange,
            } => {
                let Some(response) = poll_call(future, deadline, exchange, cx) else {
                    return Poll::Pending;
                };
                Some(response)
            }
            KindProj::Response { response } => response.take(),
        };
        // Drop the call now: the caller may keep a completed future for long.
        kind.set(Kind::Response { response: None });
        match response {
            Some(response) => Poll::Ready(Ok(response)),
            // Polled after completion, for which `Future` defines no behaviour.
            None => Poll::Pending,
        }
    }
}

/// The response to the client, once it is ready. The call is polled before the deadline, so a
/// response that has arrived is never too late.
fn poll_call<F, B, E>(
    future: Pin<&mut F>,
    deadline: Pin<&mut HeadDeadline>,
    exchange: &mut Option<Exchange>,
    cx: &mut Context<'_>,
) -> Option<Response<Body>>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: http_body::Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    E: Into<BoxError>,
{
    if let Poll::Ready(result) = future.poll(cx) {
        let exchange = exchange.take()?;
        return Some(match result {
            Ok(response) => exchange.on_response(response, cx),
            Err(error) => exchange.on_error(error.into()),
        });
    }
    let upload = exchange
        .as_ref()
        .and_then(|exchange| exchange.upload.as_ref());
    match deadline.poll_expired(cx, upload) {
        Poll::Ready(()) => exchange.take().map(Exchange::on_timeout),
        Poll::Pending => None,
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
