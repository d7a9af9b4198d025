use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::{Request, Response};
use http_body_util::Full;
use pin_project_lite::pin_project;

use super::trace::Trace;
use crate::body::{Body, ResponseBody};
use crate::error::BoxError;
use crate::future::ResponseFuture;
use crate::headers::WireProtocol;
use crate::rejection::Rejection;
use crate::report::Report;
use crate::upstream;

/// One layer in front of the tenant. `F` is the future of the client.
type OneLayer<F> = ResponseFuture<upstream::ResponseFuture<F>, Body, Infallible>;
/// Two layers in front of the tenant.
type TwoLayers<F> = ResponseFuture<OneLayer<F>, ResponseBody<Body>, Infallible>;
/// The endpoints for tokens box their futures, which are rare.
type Endpoint = Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send>>;
/// An endpoint behind the auth layer.
type Authenticated = ResponseFuture<Endpoint, Full<Bytes>, Infallible>;
/// The deletion of a profile, followed by the end of its sessions.
pub(super) type Deletion = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

pin_project! {
    /// The response future of [`OmneoId`](super::OmneoId).
    pub struct OmneoIdFuture<F> {
        #[pin]
        pub(super) kind: Kind<F>,
        // The route of the request and the check of its token.
        pub(super) report: Report,
        pub(super) trace: Trace,
    }
}

pin_project! {
    /// The stack of layers that handles the request.
    #[project = KindProj]
    pub(super) enum Kind<F> {
        OneLayer { #[pin] future: OneLayer<F> },
        TwoLayers { #[pin] future: TwoLayers<F> },
        Endpoint { future: Endpoint },
        Authenticated { #[pin] future: Authenticated },
        Deletion { future: Deletion },
    }
}

impl<F> OmneoIdFuture<F> {
    /// Rejects a request that belongs to no tenant, as [`OmneoId`](super::OmneoId) rejects a
    /// request without a route.
    pub(crate) fn rejected<B>(request: &Request<B>, rejection: Rejection) -> Self {
        let trace = Trace::new(request, None);
        let protocol = WireProtocol::from_headers(request.headers());
        let response = trace.in_scope(|| rejection.into_response(protocol));
        Self {
            kind: Kind::ready(response),
            report: Report::default(),
            trace,
        }
    }
}

impl<F> Kind<F> {
    /// A response that is made before any layer is called.
    pub(super) fn ready(response: Response<Full<Bytes>>) -> Self {
        let future = ResponseFuture::ready(response);
        Self::OneLayer { future }
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
        let Ok(mut response) = ready!(this.trace.in_scope(|| this.kind.poll_response(cx)));
        this.report.merge_into(response.extensions_mut());
        this.trace.record_response(&response);
        Poll::Ready(Ok(response))
    }
}

impl<F, B, E> Kind<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: http_body::Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    E: Into<BoxError>,
{
    fn poll_response(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<Body>, Infallible>> {
        match self.project() {
            KindProj::OneLayer { future } => future.poll(cx).map_ok(into_body),
            KindProj::TwoLayers { future } => future.poll(cx).map_ok(into_body),
            KindProj::Endpoint { future } => future.as_mut().poll(cx).map_ok(into_body),
            KindProj::Authenticated { future } => future.poll(cx).map_ok(into_body),
            KindProj::Deletion { future } => future.as_mut().poll(cx),
        }
    }
}

/// Unwraps the body from the bodies of the layers, without a box.
fn into_body<B: Into<Body>>(response: Response<B>) -> Response<Body> {
    response.map(Into::into)
}

impl<F> fmt::Debug for OmneoIdFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OmneoIdFuture").finish_non_exhaustive()
    }
}
