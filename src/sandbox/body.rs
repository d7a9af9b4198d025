//! The body of the sandbox's responses.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tower::BoxError;

use super::fault::ConnectionReset;
use super::in_flight::InFlightGuard;

/// The body of a response, truncated if a [`Fault`](super::Fault) requires it.
///
/// The size hint is exact while the length of the response is known or declared.
#[derive(Debug, Default)]
pub struct SandboxBody {
    chunks: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
    /// Bytes that the head declares and that have not been yielded.
    declared: Option<u64>,
    end: End,
    /// Dropped with the body.
    in_flight: Option<InFlightGuard>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum End {
    /// The body ends.
    #[default]
    Complete,
    /// The connection is reset after half of the body.
    Reset,
    /// Half of the body has been yielded; the next poll resets the connection.
    Broken,
    /// The body stays pending after its first half.
    Stall,
}

impl SandboxBody {
    /// A body without content.
    pub fn empty() -> Self {
        Self::new(Bytes::new(), None, End::Complete)
    }

    pub(crate) fn new(content: Bytes, trailers: Option<HeaderMap>, end: End) -> Self {
        let length = content.len();
        let (chunk, declared) = match end {
            End::Complete => (content, Some(length)),
            // An empty body has no half: its length stays unknown, so the peer waits for data.
            End::Reset | End::Broken | End::Stall if content.is_empty() => (content, None),
            End::Reset | End::Broken | End::Stall => (content.slice(..length / 2), Some(length)),
        };
        Self {
            chunks: Some(chunk)
                .into_iter()
                .filter(|chunk| !chunk.is_empty())
                .collect(),
            declared: declared.and_then(|length| u64::try_from(length).ok()),
            trailers,
            end,
            in_flight: None,
        }
    }

    pub(crate) fn count_in_flight(&mut self, in_flight: InFlightGuard) {
        self.in_flight = Some(in_flight);
    }
}

impl From<Bytes> for SandboxBody {
    fn from(content: Bytes) -> Self {
        Self::new(content, None, End::Complete)
    }
}

impl Body for SandboxBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if let Some(chunk) = this.chunks.pop_front() {
            let yielded = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            this.declared = this.declared.map(|left| left.saturating_sub(yielded));
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        match this.end {
            // No waker is stored: a stalled response never continues until it is dropped.
            End::Stall => Poll::Pending,
            End::Reset => {
                // A server flushes when the body is pending. Without this pause the error would
                // arrive before the head was flushed.
                this.end = End::Broken;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            End::Broken => {
                this.end = End::Complete;
                this.declared = Some(0);
                Poll::Ready(Some(Err(ConnectionReset::new().into())))
            }
            End::Complete => Poll::Ready(
                this.trailers
                    .take()
                    .map(|trailers| Ok(Frame::trailers(trailers))),
            ),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.end == End::Complete && self.chunks.is_empty() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.declared
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
