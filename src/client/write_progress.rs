use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};

/// What became of that which hyper had for a connection: it takes far more of a request's body than the
/// tenant has taken, and tells nobody how much is left.
#[derive(Debug, Default)]
pub(super) struct WriteProgress {
    is_full: AtomicBool,
    writes: AtomicUsize,
}

impl WriteProgress {
    /// Whether there is more than the tenant takes.
    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Relaxed)
    }

    /// Another number than before: the tenant has taken some, or has begun to take no more.
    pub(super) fn writes(&self) -> usize {
        self.writes.load(Relaxed)
    }

    fn note<T>(&self, wrote: &Poll<io::Result<T>>) {
        // Hardly ever: what is read elsewhere is written once, not with each request.
        if wrote.is_pending() != self.is_full() {
            self.is_full.store(wrote.is_pending(), Relaxed);
            self.count();
        }
    }

    /// By the one who writes.
    fn count(&self) {
        self.writes.store(self.writes().wrapping_add(1), Relaxed);
    }
}

/// A connection's socket, as hyper sees it.
#[derive(Debug)]
pub(super) struct ProgressIo<T> {
    inner: T,
    write_progress: Arc<WriteProgress>,
}

impl<T> ProgressIo<T> {
    pub(super) fn new(inner: T, write_progress: Arc<WriteProgress>) -> Self {
        Self {
            inner,
            write_progress,
        }
    }

    fn wrote(&self, wrote: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.write_progress.note(&wrote);
        if wrote.is_ready() {
            self.write_progress.count();
        }
        wrote
    }
}

impl<T: Read + Unpin> Read for ProgressIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<T: Write + Unpin> Write for ProgressIo<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.wrote(wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let inner = Pin::new(&mut self.inner);
        let wrote = match slices {
            // A head without a body, which is most of what is sent: a plain write costs the system less.
            [all] => inner.poll_write(cx, all),
            _ => inner.poll_write_vectored(cx, slices),
        };
        self.wrote(wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What TLS has encrypted waits here, and counts as taken before.
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.write_progress.note(&flushed);
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
