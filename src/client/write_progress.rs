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

/// How long a connection whose writes fail is still read from while no byte arrives. A TCP socket
/// reports the end of its data at once; only other transports ever wait.
const READ_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// The state of a connection's socket, shared with the code that has no access to the socket. hyper
/// buffers more of a request's body than the tenant has accepted and exposes no counter.
#[derive(Debug, Default)]
pub(super) struct WriteProgress {
    is_full: AtomicBool,
    writes: AtomicUsize,
    has_answer: AtomicBool,
}

impl WriteProgress {
    /// Whether bytes wait that the tenant does not accept. Stays true after a failed write.
    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Relaxed)
    }

    /// A counter that changes when the tenant has accepted bytes, or has begun to accept no more.
    pub(super) fn writes(&self) -> usize {
        self.writes.load(Relaxed)
    }

    /// Whether a byte was received since [`expect_answer`](Self::expect_answer).
    pub(super) fn has_answer(&self) -> bool {
        self.has_answer.load(Relaxed)
    }

    /// A request is about to be sent: what is received from now on belongs to its answer.
    pub(super) fn expect_answer(&self) {
        self.has_answer.store(false, Relaxed);
    }

    fn received(&self) {
        if !self.has_answer() {
            self.has_answer.store(true, Relaxed);
        }
    }

    fn note<T>(&self, wrote: &Poll<io::Result<T>>) {
        self.set_full(wrote.is_pending());
    }

    fn set_full(&self, is_full: bool) {
        // The value rarely changes: a shared cache connection is not written with each request.
        if is_full != self.is_full() {
            self.is_full.store(is_full, Relaxed);
            self.count();
        }
    }

    /// Only called by the task that writes.
    fn count(&self) {
        self.writes.store(self.writes().wrapping_add(1), Relaxed);
    }
}

/// A connection's socket, as hyper sees it. It records in its [`WriteProgress`] how far writes and
/// reads have come.
///
/// A failed write is hidden from hyper, which would drop the connection and with it an answer that
/// has already been received: a tenant may answer the head of a request and close. Later writes are
/// discarded, reads continue, and the write error is reported where the received data ends. The
/// connection counts as full from then on, so that it is not reused.
#[derive(Debug)]
pub(super) struct ProgressIo<T> {
    inner: T,
    write_progress: Arc<WriteProgress>,
    failure: Option<Failure>,
}

impl<T> ProgressIo<WithTokioIo<T>> {
    /// Wraps `io` by pooled of tokio's traits, which, unlike hyper's, show how many bytes were
    /// read.
    pub(super) fn wrap(io: T, write_progress: Arc<WriteProgress>) -> WithHyperIo<Self> {
        WithHyperIo::new(Self {
            inner: WithTokioIo::new(io),
            write_progress,
            failure: None,
        })
    }
}

impl<T: AsyncWrite + Unpin> ProgressIo<T> {
    /// Writes with `write`, or discards all of it after a failure.
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
        self.write_progress.note(&wrote);
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
        // hyper has read before it wrote, and is to read again.
        cx.waker().wake_by_ref();
        self.write_progress.set_full(true);
        self.failure = Some(Failure {
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
            Some(failure) => failure.poll_end(&read, this.write_progress.has_answer(), cx),
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
            // A head without a body, the most common case: a plain write is the cheaper system
            // call.
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
        // Encrypted data of TLS is buffered until here, although its write was reported as done.
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.write_progress.note(&flushed);
        if let Err(error) = ready!(flushed) {
            self.fail(error, cx);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// A write failed; the connection is only read from.
#[derive(Debug)]
struct Failure {
    error: io::Error,
    // Set while a read waits.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Failure {
    /// What becomes of a read that brought no data.
    fn poll_end(
        &mut self,
        read: &Poll<io::Result<()>>,
        has_answer: bool,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        match read {
            // The kernel reports a broken pipe only once the peer has ended its data in order.
            // After any other error the end of the data may be a cut, which is no end
            // of a body.
            Poll::Ready(Ok(())) if has_answer && self.error.kind() == io::ErrorKind::BrokenPipe => {
                return Poll::Ready(Ok(()));
            }
            Poll::Ready(_) => {}
            // Without a runtime there is no timer to wait with.
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
