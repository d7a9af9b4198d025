use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Frame, SizeHint};
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
    /// A tenant's body on its way to the client: bounded while it stands still, its trailers
    /// cleaned, and watched until it ends.
    pub(crate) struct ProxiedBody<B, W> {
        #[pin]
        body: IdleTimeout<B>,
        watch: Option<W>,
        screen: SecretScanner,
        // Behind what the screen has held back.
        trailers: Option<HeaderMap>,
    }
}

impl<B, W> ProxiedBody<B, W> {
    pub(crate) fn new(body: B, idle_timeout: Duration, watch: W) -> Self {
        Self {
            body: IdleTimeout::new(body, idle_timeout),
            watch: Some(watch),
            screen: SecretScanner::default(),
            trailers: None,
        }
    }
}

impl<B, W> http_body::Body for ProxiedBody<B, W>
where
    B: http_body::Body,
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
        loop {
            if let Some(trailers) = this.trailers.take() {
                return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
            }
            // Over, but for an end that may have been held back.
            let Some(watch) = this.watch.as_ref() else {
                return Poll::Ready(None);
            };
            let frame = match ready!(this.body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    *this.watch = None;
                    return Poll::Ready(Some(Err(error)));
                }
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
                            *this.watch = None;
                            return Poll::Ready(Some(Err(SecretFound.into())));
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
        self.screen.held() == 0 && self.trailers.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let held = self.screen.held();
        if held > 0 {
            if let Some(upper) = hint.upper() {
                hint.set_upper(upper + held);
            }
            hint.set_lower(hint.lower() + held);
        }
        hint
    }
}

impl<B, W> fmt::Debug for ProxiedBody<B, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProxiedBody").field(&self.body).finish()
    }
}
