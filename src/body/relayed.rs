use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::HeaderMap;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;

use super::IdleTimeout;
use crate::error::BoxError;

/// Keeps watch over a body that comes from elsewhere, until it has ended or is dropped.
pub(crate) trait Watch: Send + Sync + 'static {
    /// Cleans the trailers, which nobody has seen yet.
    fn clean_trailers(&self, trailers: &mut HeaderMap);
}

pin_project! {
    /// A tenant's body on its way to the client: bounded while it stands still, its trailers
    /// cleaned, and watched until it ends.
    pub(crate) struct Relayed<B> {
        #[pin]
        body: IdleTimeout<B>,
        watch: Option<Box<dyn Watch>>,
    }
}

impl<B> Relayed<B> {
    pub(crate) fn new(body: B, idle_timeout: Duration, watch: Box<dyn Watch>) -> Self {
        Self {
            body: IdleTimeout::new(body, idle_timeout),
            watch: Some(watch),
        }
    }
}

impl<B> http_body::Body for Relayed<B>
where
    B: http_body::Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let mut frame = ready!(this.body.poll_frame(cx));
        match &mut frame {
            Some(Ok(frame)) => {
                if let (Some(trailers), Some(watch)) = (frame.trailers_mut(), this.watch.as_ref()) {
                    watch.clean_trailers(trailers);
                }
            }
            // Over: nothing is left to watch, even if the body is kept.
            Some(Err(_)) | None => *this.watch = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> fmt::Debug for Relayed<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Relayed").field(&self.body).finish()
    }
}
