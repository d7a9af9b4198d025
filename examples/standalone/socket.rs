//! A connection's socket, as `hyper` sees it: what was read before comes first, and when the client
//! takes no more, the connection's timer hears of it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::activity::Activity;

#[derive(Debug)]
pub(crate) struct Socket<T> {
    inner: T,
    /// Was read, and is still to be read by `hyper`.
    first: Bytes,
    activity: Arc<Activity>,
}

impl<T> Socket<T> {
    pub(crate) fn new(inner: T, activity: Arc<Activity>) -> Self {
        Self {
            inner,
            first: Bytes::new(),
            activity,
        }
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    pub(crate) fn has_first(&self) -> bool {
        !self.first.is_empty()
    }

    /// Bytes that `hyper` has read, and gives back.
    pub(crate) fn put_back(&mut self, bytes: Bytes) {
        self.first = join(bytes, &self.first);
    }

    /// Between two requests: line ends that come before the next one are no part of it. RFC 9112
    /// §2.2: "a server [...] SHOULD ignore at least one empty line (CRLF) received prior to the
    /// request-line".
    pub(crate) fn skip_line_ends(&mut self) {
        let is_line_end = |byte: &&u8| matches!(byte, b'\r' | b'\n');
        let length = self.first.iter().take_while(is_line_end).count();
        self.first = join(self.first.split_off(length), &[]);
    }

    /// Bytes that `hyper` has not read. All that it has to read first.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> &[u8] {
        self.first = join(std::mem::take(&mut self.first), bytes);
        &self.first
    }
}

fn join(begin: Bytes, end: &[u8]) -> Bytes {
    match (begin.is_empty(), end.is_empty()) {
        // Not `begin`: an empty one still holds the whole buffer it was taken from.
        (true, true) => Bytes::new(),
        (true, false) => Bytes::copy_from_slice(end),
        (false, true) => begin,
        (false, false) => [&begin, end].concat().into(),
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Socket<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.activity.is_withheld() {
            // Asked for by who gives it back, and polls again: nobody waits for this.
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        if self.has_first() {
            let count = self.first.len().min(buffer.remaining());
            buffer.put_slice(&self.first.split_to(count));
        } else {
            ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        }
        let read = buffer.filled().get(before..).unwrap_or_default();
        self.activity.note_read(read);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Socket<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.activity.note_full(wrote.is_pending());
        wrote
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.activity.note_full(wrote.is_pending());
        wrote
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.activity.is_withheld() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
