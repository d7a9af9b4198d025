//! Coalesces the small writes of an HTTP/2 connection into one system call. `h2` writes each
//! response that is not tiny by itself, even if others are ready, and the system call is most of
//! the cost of a small response.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Size of the buffer: about ten responses of 1 to 2 KB. A write that does not fit goes to the
/// socket without a copy.
const CAPACITY: usize = 16 * 1024;

/// A socket that buffers writes until `poll_send`. `h2` writes through one handle. The task that
/// polls `h2` holds the other handle and sends after each poll; a flush does not send.
pub(crate) struct CoalescingWriter<T>(Arc<Mutex<Inner<T>>>);

struct Inner<T> {
    socket: T,
    /// Allocated by the first write and freed when all is sent: an idle connection has no buffer.
    unsent: BytesMut,
}

impl<T> CoalescingWriter<T> {
    pub(crate) fn new(socket: T) -> Self {
        let unsent = BytesMut::new();
        Self(Arc::new(Mutex::new(Inner { socket, unsent })))
    }

    pub(crate) fn handle(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// The lock is never contended: one task uses both handles.
    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: AsyncWrite + Unpin> CoalescingWriter<T> {
    /// Sends all buffered bytes, including those that TLS has encrypted.
    pub(crate) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lock().poll_send(cx)
    }
}

impl<T: AsyncWrite + Unpin> Inner<T> {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_write(cx, &self.unsent))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.unsent.advance(count),
            }
        }
        if self.unsent.capacity() > 0 {
            self.unsent = BytesMut::new();
        }
        Pin::new(&mut self.socket).poll_flush(cx)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for CoalescingWriter<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.lock().socket).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for CoalescingWriter<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.lock();
        let length = slices.iter().map(|slice| slice.len()).sum();
        if inner.unsent.len() + length > CAPACITY {
            ready!(inner.poll_send(cx))?;
            return Pin::new(&mut inner.socket).poll_write_vectored(cx, slices);
        }
        if inner.unsent.capacity() == 0 {
            inner.unsent.reserve(CAPACITY);
        }
        for slice in slices {
            inner.unsent.extend_from_slice(slice);
        }
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        self.lock().socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.lock();
        ready!(inner.poll_send(cx))?;
        Pin::new(&mut inner.socket).poll_shutdown(cx)
    }
}
