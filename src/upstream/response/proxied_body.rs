use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::filter::ResponseFilter;
use super::secret_scanner::{SecretFound, SecretScanner};
use crate::body::IdleTimeout;
use crate::error::BoxError;

pin_project! {
    /// The body of a forwarded response: with an idle timeout, filtered trailers, a scan for a
    /// secret, and a filter until it ends.
    pub(crate) struct ProxiedBody<B> {
        #[pin]
        body: IdleTimeout<B>,
        // `None` after the body has ended.
        filter: Option<ResponseFilter>,
        // The data frame that `poll_first` has read.
        first: Option<Bytes>,
        scanner: SecretScanner,
        // Returned after the data that the scanner has buffered.
        trailers: Option<HeaderMap>,
        // Returned by the next poll.
        error: Option<BoxError>,
    }
}

impl<B> ProxiedBody<B> {
    pub(crate) fn new(body: B, idle_timeout: Duration, filter: ResponseFilter) -> Self {
        Self {
            body: IdleTimeout::new(body, idle_timeout),
            filter: Some(filter),
            first: None,
            scanner: SecretScanner::default(),
            trailers: None,
            error: None,
        }
    }
}

impl<B> ProxiedBody<B>
where
    B: Body<Data: Buf, Error: Into<BoxError>>,
{
    /// Reads the first frame if it is ready, and stores it for `poll_frame`.
    ///
    /// # Errors
    /// The error of the body and its filter, if the body fails before that frame: the response
    /// head can still be replaced.
    pub(crate) fn poll_first(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Result<(), (BoxError, ResponseFilter)> {
        let frame = self.as_mut().poll_frame(cx);
        let this = self.project();
        if this.error.is_some()
            && let (Some(error), Some(filter)) = (this.error.take(), this.filter.take())
        {
            return Err((error, filter));
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

impl<B> Body for ProxiedBody<B>
where
    B: Body<Data: Buf, Error: Into<BoxError>>,
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
        if let Some(error) = this.error.take() {
            *this.filter = None;
            return Poll::Ready(Some(Err(error)));
        }
        loop {
            if let Some(trailers) = this.trailers.take() {
                return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
            }
            // The body has ended, and the scanner has returned its buffer.
            let Some(filter) = this.filter.as_ref() else {
                return Poll::Ready(None);
            };
            let frame = match ready!(this.body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return fail_next_poll(this.error, error, cx),
                None => {
                    *this.filter = None;
                    let rest = this.scanner.finish();
                    return Poll::Ready(rest.map(|data| Ok(Frame::data(data))));
                }
            };
            match frame.into_data() {
                Ok(mut data) => {
                    let data = data.copy_to_bytes(data.remaining());
                    let Some(secret) = filter.secret() else {
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    };
                    match this.scanner.scan(data, secret) {
                        Ok(data) if data.is_empty() => {}
                        Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                        Err(SecretFound) => {
                            filter.on_secret_found();
                            return fail_next_poll(this.error, SecretFound.into(), cx);
                        }
                    }
                }
                Err(frame) => {
                    let Ok(mut trailers) = frame.into_trailers() else {
                        continue;
                    };
                    filter.filter_trailers(&mut trailers);
                    *this.trailers = Some(trailers);
                    if let Some(data) = this.scanner.finish() {
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none()
            && self.scanner.buffered() == 0
            && self.trailers.is_none()
            && self.error.is_none()
            && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let first = self.first.as_ref().map_or(0, Bytes::len);
        let buffered = self.scanner.buffered() + first as u64;
        if buffered > 0 {
            if let Some(upper) = hint.upper() {
                hint.set_upper(upper + buffered);
            }
            hint.set_lower(hint.lower() + buffered);
        }
        hint
    }
}

/// Fails the body at its next poll. hyper discards the part of a response that it has buffered when
/// the body fails; while the body is pending, it writes that part.
fn fail_next_poll<T>(slot: &mut Option<BoxError>, error: BoxError, cx: &Context<'_>) -> Poll<T> {
    *slot = Some(error);
    cx.waker().wake_by_ref();
    Poll::Pending
}

impl<B> fmt::Debug for ProxiedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProxiedBody").field(&self.body).finish()
    }
}
