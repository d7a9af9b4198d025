use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::Response;
use http_body_util::Full;
use pin_project_lite::pin_project;

use super::facts::Facts;
use super::trace::Trace;
use crate::body::Body;
use crate::error::BoxError;
use crate::future;
use crate::me;
use crate::upsert;
use crate::upstream;

/// A call of the tenant, `F` being the client's.
type Upstream<F> = upstream::ResponseFuture<F>;
/// A layer that refuses or lets the inner service answer.
type Guarded<F> = future::ResponseFuture<F>;
type RestrictedMe<F> = me::RestrictedFuture<Upstream<F>, Body, Infallible>;
type Upsert<F> = upsert::ResponseFuture<Upstream<F>, Body, Infallible>;
/// Minting is rare and boxed where it is made.
type Token = Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send>>;

pin_project! {
    /// The response of [`OmneoId`](super::OmneoId).
    pub struct OmneoIdFuture<F> {
        #[pin]
        pub(super) kind: Kind<F>,
        pub(super) facts: Facts,
        pub(super) trace: Trace,
    }
}

pin_project! {
    /// The stack that answers.
    #[project = KindProj]
    pub(super) enum Kind<F> {
        Me { #[pin] future: Guarded<Guarded<Upstream<F>>> },
        RestrictedMe { #[pin] future: Guarded<RestrictedMe<F>> },
        Locations { #[pin] future: Guarded<Upstream<F>> },
        Upsert { #[pin] future: Guarded<Upsert<F>> },
        TrustedUpsert { #[pin] future: Upsert<F> },
        Token { future: Token },
        // `None` once it has been given out.
        Answer { response: Option<Response<Full<Bytes>>> },
    }
}

impl<F> Kind<F> {
    pub(super) fn answer(response: Response<Full<Bytes>>) -> Self {
        let response = Some(response);
        Self::Answer { response }
    }
}

impl<F, B, E> Future for OmneoIdFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: http_body::Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    E: Into<BoxError>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(mut response) = ready!(this.trace.in_scope(|| this.kind.poll_answer(cx)));
        this.facts.tell(&mut response);
        this.trace.answered(&response);
        Poll::Ready(Ok(response))
    }
}

impl<F, B, E> Kind<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: http_body::Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    E: Into<BoxError>,
{
    fn poll_answer(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<Body>, Infallible>> {
        match self.project() {
            KindProj::Me { future } => future.poll(cx).map_ok(into_body),
            KindProj::RestrictedMe { future } => future.poll(cx).map_ok(into_body),
            KindProj::Locations { future } => future.poll(cx).map_ok(into_body),
            KindProj::Upsert { future } => future.poll(cx).map_ok(into_body),
            KindProj::TrustedUpsert { future } => future.poll(cx).map_ok(into_body),
            KindProj::Token { future } => future.as_mut().poll(cx).map_ok(into_body),
            KindProj::Answer { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(into_body(response))),
                // Polled after completion, which the contract of `Future` leaves open: never again.
                None => Poll::Pending,
            },
        }
    }
}

/// Layers wrap bodies; what is inside is ours or the tenant's, and neither needs another box.
fn into_body<B: Into<Body>>(response: Response<B>) -> Response<Body> {
    response.map(Into::into)
}

impl<F> fmt::Debug for OmneoIdFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OmneoIdFuture").finish_non_exhaustive()
    }
}
