//! A service that records its requests and response bodies in [`ConnectionActivity`].

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use hyper::body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower::Service;

use super::connection_activity::{ConnectionActivity, RequestActivity};
use super::upload::Upload;

/// Records the requests of a connection for its timer.
#[derive(Clone, Debug)]
pub(crate) struct TrackedService<S> {
    inner: S,
    activity: Arc<ConnectionActivity>,
}

impl<S> TrackedService<S> {
    pub(crate) fn new(inner: S, activity: Arc<ConnectionActivity>) -> Self {
        Self { inner, activity }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for TrackedService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ReqBody: Body,
{
    type Response = Response<TrackedBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        if !self.activity.is_http2() && !request.body().is_end_stream() {
            let upload = Upload::begin(&self.activity);
            request.extensions_mut().insert(upload);
        }
        ResponseFuture {
            activity: Some(RequestActivity::begin(&self.activity)),
            inner: self.inner.call(request),
        }
    }
}

pin_project! {
    /// The response future of [`TrackedService`].
    pub(crate) struct ResponseFuture<F> {
        // Moved into the body with the response.
        activity: Option<RequestActivity>,
        #[pin]
        inner: F,
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<TrackedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        let mut activity = this.activity.take();
        if let Some(activity) = &mut activity {
            activity.record_frame();
            let connection = activity.connection();
            if connection.is_closing() && !connection.is_http2() {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
        }
        Poll::Ready(Ok(response.map(|body| TrackedBody { body, activity })))
    }
}

pin_project! {
    /// The response body of [`TrackedService`]. It records each frame that the connection takes.
    pub(crate) struct TrackedBody<B> {
        #[pin]
        body: B,
        activity: Option<RequestActivity>,
    }
}

impl<B: Body> Body for TrackedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = this.body.poll_frame(cx);
        if let Some(activity) = this.activity {
            match frame.is_pending() {
                true => activity.record_pending(),
                false => activity.record_frame(),
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
