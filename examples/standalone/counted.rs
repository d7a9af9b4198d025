//! A service whose requests and answers are counted, so that a connection's timer can tell what it
//! does.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use hyper::body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower::Service;

use crate::activity::{Activity, Turn};
use crate::upload::Upload;

/// A service whose requests and answers are counted.
#[derive(Clone, Debug)]
pub(crate) struct Counted<S> {
    inner: S,
    activity: Arc<Activity>,
}

impl<S> Counted<S> {
    pub(crate) fn new(inner: S, activity: Arc<Activity>) -> Self {
        Self { inner, activity }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Counted<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ReqBody: Body,
{
    type Response = Response<Answer<ResBody>>;
    type Error = S::Error;
    type Future = Counting<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        if !self.activity.speaks_http2() && !request.body().is_end_stream() {
            let upload = Upload::begin(&self.activity);
            request.extensions_mut().insert(upload);
        }
        Counting {
            turn: Some(Turn::begin(&self.activity)),
            inner: self.inner.call(request),
        }
    }
}

pin_project! {
    /// The response of [`Counted`].
    pub(crate) struct Counting<F> {
        // `None` once it is the answer's.
        turn: Option<Turn>,
        #[pin]
        inner: F,
    }
}

impl<F, B, E> Future for Counting<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Answer<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        let mut turn = this.turn.take();
        if let Some(turn) = &mut turn {
            turn.go_on();
            if turn.activity().is_ending() && !turn.activity().speaks_http2() {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
        }
        Poll::Ready(Ok(response.map(|body| Answer { body, turn })))
    }
}

pin_project! {
    /// An answer's body, counted as its client takes it.
    pub(crate) struct Answer<B> {
        #[pin]
        body: B,
        turn: Option<Turn>,
    }
}

impl<B: Body> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = this.body.poll_frame(cx);
        if let Some(turn) = this.turn {
            match frame.is_pending() {
                true => turn.wait(),
                false => turn.go_on(),
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
