//! The stream below `hyper`: replays bytes that were read before, and records reads and blocked
//! writes for the connection's timer.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection_activity::{ConnectionActivity, is_line_end};

/// A stream with a buffer of bytes that were already read.
#[derive(Debug)]
pub(crate) struct Socket<T> {
    inner: T,
    /// Bytes that were read from the stream and that `hyper` reads first.
    unread: Bytes,
    /// The last flush is incomplete: TLS has accepted bytes that the TCP stream has not.
    is_flushing: bool,
    activity: Arc<ConnectionActivity>,
}

impl<T> Socket<T> {
    pub(crate) fn new(inner: T, activity: Arc<ConnectionActivity>) -> Self {
        Self {
            inner,
            unread: Bytes::new(),
            is_flushing: false,
            activity,
        }
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    pub(crate) fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Prepends bytes that `hyper` has read and not used.
    pub(crate) fn unread(&mut self, bytes: Bytes) {
        self.unread = join(bytes, &self.unread);
    }

    /// Drops the empty lines in front of the next request. RFC 9112 §2.2: "a server [...] SHOULD
    /// ignore at least one empty line (CRLF) received prior to the request-line".
    pub(crate) fn skip_line_ends(&mut self) {
        let line_ends = self.unread.iter().take_while(|byte| is_line_end(byte));
        let length = line_ends.count();
        self.unread = join(self.unread.split_off(length), &[]);
    }

    /// Appends bytes that `hyper` has not read, and returns all such bytes.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> &[u8] {
        self.unread = join(std::mem::take(&mut self.unread), bytes);
        &self.unread
    }
}

fn join(begin: Bytes, end: &[u8]) -> Bytes {
    match (begin.is_empty(), end.is_empty()) {
        // Not `begin`: an empty `Bytes` can still own the whole buffer that it was split from.
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
        if self.activity.is_detaching() {
            // No waker is needed: `Connection::release_buffers` polls again.
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        if self.has_unread() {
            let count = self.unread.len().min(buffer.remaining());
            buffer.put_slice(&self.unread.split_to(count));
        } else {
            ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        }
        let read = buffer.filled().get(before..).unwrap_or_default();
        self.activity.record_read(read);
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
        self.activity.record_write(wrote.is_pending());
        wrote
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.activity.record_write(wrote.is_pending());
        wrote
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        // A flush of TCP is always ready, and says nothing about the last write.
        if flushed.is_pending() || self.is_flushing {
            self.is_flushing = flushed.is_pending();
            self.activity.record_write(self.is_flushing);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.activity.is_detaching() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
