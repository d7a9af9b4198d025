use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper_util::rt::tokio::{WithHyperIo, WithTokioIo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep};

/// How long a connection whose writes fail is still read while no byte arrives. A TCP socket
/// reports the end of its data at once; other transports may not. 5 seconds is the default connect
/// timeout: the time after which the client considers a silent server unreachable.
const READ_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Tracks write backpressure of an HTTP/1.1 connection, for code that has no access to the socket.
/// hyper buffers more of a request body than the server has accepted and exposes no counter.
#[derive(Debug, Default)]
pub(super) struct WriteProgress {
    is_write_blocked: AtomicBool,
    write_count: AtomicUsize,
    has_response: AtomicBool,
}

impl WriteProgress {
    /// Whether written bytes wait for the server to accept them. Stays true after a failed write.
    pub(super) fn is_write_blocked(&self) -> bool {
        self.is_write_blocked.load(Relaxed)
    }

    /// A counter that changes when the server accepts bytes, or stops accepting them.
    pub(super) fn write_count(&self) -> usize {
        self.write_count.load(Relaxed)
    }

    /// Whether a byte was received since [`expect_response`](Self::expect_response).
    pub(super) fn has_response(&self) -> bool {
        self.has_response.load(Relaxed)
    }

    /// To be called before a request is sent: bytes received after it belong to its response.
    pub(super) fn expect_response(&self) {
        self.has_response.store(false, Relaxed);
    }

    fn received(&self) {
        if !self.has_response() {
            self.has_response.store(true, Relaxed);
        }
    }

    fn record<T>(&self, write: &Poll<io::Result<T>>) {
        self.set_write_blocked(write.is_pending());
    }

    fn set_write_blocked(&self, is_write_blocked: bool) {
        // The value rarely changes. The check avoids a write to a cache line that cores share.
        if is_write_blocked != self.is_write_blocked() {
            self.is_write_blocked.store(is_write_blocked, Relaxed);
            self.count();
        }
    }

    /// Called only by the task that drives the connection, so that a load and a store suffice.
    fn count(&self) {
        self.write_count
            .store(self.write_count().wrapping_add(1), Relaxed);
    }
}

/// The transport of an HTTP/1.1 connection. It records reads and writes in a [`WriteProgress`].
///
/// It hides a failed write from hyper. hyper would drop the connection, and with it a response that
/// has already been received: a server may respond to the head of a request and close. Later
/// writes are discarded, reads continue, and the write error is reported at the end of the received
/// data. The connection counts as full from then on, so that it is not reused.
#[derive(Debug)]
pub(super) struct ProgressIo<T> {
    inner: T,
    write_progress: Arc<WriteProgress>,
    failure: Option<WriteFailure>,
}

impl<T> ProgressIo<WithTokioIo<T>> {
    /// Wraps `io`. Uses tokio's I/O traits inside: unlike hyper's, they expose how many bytes a
    /// read has returned.
    pub(super) fn wrap(io: T, write_progress: Arc<WriteProgress>) -> WithHyperIo<Self> {
        WithHyperIo::new(Self {
            inner: WithTokioIo::new(io),
            write_progress,
            failure: None,
        })
    }
}

impl<T: AsyncWrite + Unpin> ProgressIo<T> {
    /// Calls `write`; after a failed write, discards all `size` bytes instead.
    fn write(
        &mut self,
        cx: &mut Context<'_>,
        size: usize,
        write: impl FnOnce(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.failure.is_some() {
            return Poll::Ready(Ok(size));
        }
        let wrote = write(Pin::new(&mut self.inner), cx);
        self.write_progress.record(&wrote);
        match ready!(wrote) {
            Ok(wrote) => {
                self.write_progress.count();
                Poll::Ready(Ok(wrote))
            }
            Err(error) => {
                self.fail(error, cx);
                Poll::Ready(Ok(size))
            }
        }
    }

    fn fail(&mut self, error: io::Error, cx: &Context<'_>) {
        // hyper reads before it writes. Wake it, so that it reads again.
        cx.waker().wake_by_ref();
        self.write_progress.set_write_blocked(true);
        self.failure = Some(WriteFailure {
            error,
            deadline: None,
        });
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for ProgressIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.inner).poll_read(cx, buffer);
        let is_data = buffer.filled().len() > before;
        if is_data {
            this.write_progress.received();
        }
        match &mut this.failure {
            None => read,
            Some(failure) if is_data => {
                failure.deadline = None;
                read
            }
            Some(failure) => failure.poll_end(&read, this.write_progress.has_response(), cx),
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for ProgressIo<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, bytes.len(), |inner, cx| inner.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let size = slices.iter().map(|slice| slice.len()).sum();
        self.write(cx, size, |inner, cx| match slices {
            // A head without a body, the most common case: `write` takes about 1 µs less than
            // `writev`.
            [all] => inner.poll_write(cx, all),
            _ => inner.poll_write_vectored(cx, slices),
        })
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.failure.is_some() {
            return Poll::Ready(Ok(()));
        }
        // TLS buffers encrypted data until a flush, although its write was reported as complete.
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.write_progress.record(&flushed);
        if let Err(error) = ready!(flushed) {
            self.fail(error, cx);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// A failed write. The connection is only read from then on.
#[derive(Debug)]
struct WriteFailure {
    error: io::Error,
    // Set while a read is pending.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl WriteFailure {
    /// Maps the result of a read that returned no data: the end of the received data, or a wait.
    fn poll_end(
        &mut self,
        read: &Poll<io::Result<()>>,
        has_response: bool,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        match read {
            // After a broken pipe, the end is a regular one: the kernel reports that error only if
            // the peer has closed in order. After other errors the response may be truncated.
            Poll::Ready(Ok(()))
                if has_response && self.error.kind() == io::ErrorKind::BrokenPipe =>
            {
                return Poll::Ready(Ok(()));
            }
            Poll::Ready(_) => {}
            // A timer needs tokio's runtime; without one, the read waits.
            Poll::Pending => {
                if Handle::try_current().is_ok() {
                    let deadline = self
                        .deadline
                        .get_or_insert_with(|| Box::pin(sleep(READ_AFTER_FAILURE)));
                    ready!(deadline.as_mut().poll(cx));
                }
            }
        }
        let kind = self.error.kind();
        Poll::Ready(Err(std::mem::replace(&mut self.error, kind.into())))
    }
}
