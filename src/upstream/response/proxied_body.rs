use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::secret_scanner::SecretFound;
use super::secret_scanner::{Secret, SecretScanner};
use crate::body::IdleTimeout;
use crate::error::BoxError;

/// Keeps watch over a body that comes from elsewhere, until it has ended or is dropped.
pub(crate) trait BodyObserver: Send + 'static {
    /// Cleans the trailers, which nobody has seen yet.
    fn clean_trailers(&self, trailers: &mut HeaderMap);

    /// What must not occur in the body, if it can be looked for.
    fn secret(&self) -> Option<&Secret>;

    /// The secret was found, and the body broken off.
    fn found(&self);
}

pin_project! {
    /// A tenant's body on its way to the client: with an idle timeout, its trailers cleaned, and
    /// watched until it ends.
    pub(crate) struct ProxiedBody<B, W> {
        #[pin]
        body: IdleTimeout<B>,
        // `None` once the body has ended.
        watch: Option<W>,
        // Data that `poll_first` has read.
        first: Option<Bytes>,
        screen: SecretScanner,
        // Behind what the screen has held back.
        trailers: Option<HeaderMap>,
        failure: Option<BoxError>,
    }
}

impl<B, W> ProxiedBody<B, W> {
    pub(crate) fn new(body: B, idle_timeout: Duration, watch: W) -> Self {
        Self {
            body: IdleTimeout::new(body, idle_timeout),
            watch: Some(watch),
            first: None,
            screen: SecretScanner::default(),
            trailers: None,
            failure: None,
        }
    }
}

impl<B, W> ProxiedBody<B, W>
where
    B: Body<Data: Buf, Error: Into<BoxError>>,
    W: BodyObserver,
{
    /// Reads the first frame if it has arrived, and keeps it for `poll_frame`.
    ///
    /// # Errors
    /// The error of the body and its watch, if the body fails before that frame: the head can still
    /// be replaced.
    pub(crate) fn poll_first(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Result<(), (BoxError, W)> {
        let frame = self.as_mut().poll_frame(cx);
        let this = self.project();
        if this.failure.is_some()
            && let (Some(error), Some(watch)) = (this.failure.take(), this.watch.take())
        {
            return Err((error, watch));
        }
        if let Poll::Ready(Some(Ok(frame))) = frame {
            match frame.into_data() {
                Ok(data) => *this.first = Some(data),
                Err(frame) => *this.trailers = frame.into_trailers().ok(),
            }
        }
        Ok(())
    }
}

impl<B, W> Body for ProxiedBody<B, W>
where
    B: Body,
    B::Data: Buf,
    B::Error: Into<BoxError>,
    W: BodyObserver,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if let Some(error) = this.failure.take() {
            *this.watch = None;
            return Poll::Ready(Some(Err(error)));
        }
        loop {
            if let Some(trailers) = this.trailers.take() {
                return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
            }
            // The body has ended; the screen may still have held back data.
            let Some(watch) = this.watch.as_ref() else {
                return Poll::Ready(None);
            };
            let frame = match ready!(this.body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return fail(this.failure, error, cx),
                None => {
                    *this.watch = None;
                    return Poll::Ready(this.screen.finish().map(|held| Ok(Frame::data(held))));
                }
            };
            match frame.into_data() {
                Ok(mut data) => {
                    let data = data.copy_to_bytes(data.remaining());
                    let Some(secret) = watch.secret() else {
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    };
                    match this.screen.pass(data, secret) {
                        Ok(data) if data.is_empty() => {}
                        Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                        Err(SecretFound) => {
                            watch.found();
                            return fail(this.failure, SecretFound.into(), cx);
                        }
                    }
                }
                Err(frame) => {
                    let Ok(mut trailers) = frame.into_trailers() else {
                        continue;
                    };
                    watch.clean_trailers(&mut trailers);
                    *this.trailers = Some(trailers);
                    if let Some(held) = this.screen.finish() {
                        return Poll::Ready(Some(Ok(Frame::data(held))));
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none()
            && self.screen.held() == 0
            && self.trailers.is_none()
            && self.failure.is_none()
            && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let first = self.first.as_ref().map_or(0, Bytes::len);
        let held = self.screen.held() + first as u64;
        if held > 0 {
            if let Some(upper) = hint.upper() {
                hint.set_upper(upper + held);
            }
            hint.set_lower(hint.lower() + held);
        }
        hint
    }
}

/// Fails the body at its next poll. hyper discards the part of an answer that it has buffered when
/// the body fails, and writes it while the body is pending.
fn fail<T>(failure: &mut Option<BoxError>, error: BoxError, cx: &Context<'_>) -> Poll<T> {
    *failure = Some(error);
    cx.waker().wake_by_ref();
    Poll::Pending
}

impl<B, W> fmt::Debug for ProxiedBody<B, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProxiedBody").field(&self.body).finish()
    }
}
