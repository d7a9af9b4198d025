//! Bodies that a test scripts frame by frame.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use omneo_id::error::BoxError;
use tokio::sync::mpsc;

/// A frame of a scripted body, or its error.
pub(crate) type FrameResult = Result<Frame<Bytes>, BoxError>;

/// A data frame.
pub(crate) fn data(text: &'static str) -> FrameResult {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

/// A frame of trailers.
pub(crate) fn trailers(pairs: &[(&'static str, &'static str)]) -> FrameResult {
    let mut trailers = HeaderMap::new();
    for (name, value) in pairs {
        trailers.append(*name, value.parse().unwrap());
    }
    Ok(Frame::trailers(trailers))
}

/// Yields the frames that its sender sends, and ends when the sender is dropped.
pub(crate) struct ChannelBody(mpsc::Receiver<FrameResult>);

/// The sender of a [`ChannelBody`].
pub(crate) type Feeder = mpsc::Sender<FrameResult>;

/// A body and its sender. One frame fits into the channel.
pub(crate) fn fed() -> (Feeder, omneo_id::Body) {
    let (feeder, body) = channel();
    (feeder, omneo_id::Body::new(body))
}

/// [`fed`] with the body's own type.
pub(crate) fn channel() -> (Feeder, ChannelBody) {
    let (feeder, frames) = mpsc::channel(1);
    (feeder, ChannelBody(frames))
}

impl Body for ChannelBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<FrameResult>> {
        self.0.poll_recv(cx)
    }
}

/// The end of a [`FrameBody`], after its last frame.
#[derive(Clone, Copy, Debug)]
enum After {
    End,
    Pending,
    Panic,
}

/// Yields frames that are ready at once.
pub(crate) struct FrameBody {
    frames: VecDeque<FrameResult>,
    after: After,
    length: Option<u64>,
    /// Dropped with the body.
    guard: Option<Box<dyn Send>>,
}

/// A body of these frames, without a size hint.
pub(crate) fn frames<const N: usize>(frames: [FrameResult; N]) -> omneo_id::Body {
    omneo_id::Body::new(FrameBody::new(frames))
}

impl FrameBody {
    /// These frames, then the end.
    pub(crate) fn new(frames: impl IntoIterator<Item = FrameResult>) -> Self {
        Self {
            frames: frames.into_iter().collect(),
            after: After::End,
            length: None,
            guard: None,
        }
    }

    /// Stays pending after the last frame.
    pub(crate) fn then_pending(mut self) -> Self {
        self.after = After::Pending;
        self
    }

    /// Panics when it is polled after the last frame.
    pub(crate) fn then_panic(mut self) -> Self {
        self.after = After::Panic;
        self
    }

    /// Drops this value when the body is dropped.
    pub(crate) fn with_guard(mut self, guard: impl Send + 'static) -> Self {
        self.guard = Some(Box::new(guard));
        self
    }

    /// Declares this exact size for the rest of the body, whether it is true or not.
    pub(crate) fn with_size_hint(mut self, length: u64) -> Self {
        self.length = Some(length);
        self
    }
}

impl Body for FrameBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<FrameResult>> {
        match (self.frames.pop_front(), self.after) {
            (Some(frame), _) => Poll::Ready(Some(frame)),
            (None, After::End) => Poll::Ready(None),
            (None, After::Pending) => Poll::Pending,
            (None, After::Panic) => panic!("the body was polled after its last frame"),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

/// `left` copies of `chunk`, without a size hint. Each is counted in `made` when it is polled.
pub(crate) struct Chunks {
    pub(crate) left: usize,
    pub(crate) chunk: Bytes,
    pub(crate) made: Arc<AtomicUsize>,
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        ready!(tokio::task::coop::poll_proceed(cx)).made_progress();
        self.left -= 1;
        self.made.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(self.chunk.clone()))))
    }
}

/// `left` zeros in frames of 64 KiB of static memory, with or without a size hint.
pub(crate) struct Zeros {
    pub(crate) left: u64,
    pub(crate) is_sized: bool,
}

impl Body for Zeros {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        static CHUNK: [u8; 64 * 1024] = [0; 64 * 1024];
        if self.left == 0 {
            return Poll::Ready(None);
        }
        ready!(tokio::task::coop::poll_proceed(cx)).made_progress();
        self.left -= CHUNK.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&CHUNK)))))
    }

    fn size_hint(&self) -> SizeHint {
        match self.is_sized {
            true => SizeHint::with_exact(self.left),
            false => SizeHint::new(),
        }
    }
}
