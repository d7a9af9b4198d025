use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use crate::error::BoxError;
use crate::request_body::StreamGuard;

/// How much of a dropped body is read so that its connection can be reused: at most what hyper has
/// buffered. Reading it costs less than a new connection.
const MAX_DRAINED: usize = 64 * 1024;

/// The connection of a body, which makes progress only while it is polled.
pub(crate) trait DriveConnection: Send + 'static {
    /// Reads and writes as much as possible. Ready once the connection is closed.
    fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Called when the body was read to its end.
    fn body_ended(self: Box<Self>);
}

/// The response body of [`HttpClient`](super::HttpClient).
///
/// Over HTTP/1.1, polling it drives its connection without a task, unless the request is still
/// being sent. Dropping it before its end closes the connection, unless the rest has arrived.
pub struct ConnectionBody {
    incoming: Incoming,
    end_of_data: EndOfData,
    // HTTP/1.1 only. `None` once the body has ended or the connection is closed.
    connection: Option<Box<dyn DriveConnection>>,
    // Only if a task drives the connection. `None` once the body has ended. Dropped after
    // `incoming`, which resets a stream that has not ended.
    guard: Option<StreamGuard>,
}

/// How the end of the data from hyper is interpreted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EndOfData {
    /// As the end of the body: hyper reports a truncated one as an error.
    Trusted,
    /// As the end of the body only if `is_end_stream` confirms it. hyper reports neither data nor
    /// an error for an HTTP/2 stream that was reset, or whose connection was closed, with
    /// `NO_ERROR`.
    Verified,
}

impl ConnectionBody {
    /// A body over HTTP/2, whose connection is driven by a task.
    pub(crate) fn http2(incoming: Incoming, stream: StreamGuard) -> Self {
        Self::new(incoming, EndOfData::Verified, None, Some(stream))
    }

    /// A body over HTTP/1.1, which drives `connection`.
    pub(crate) fn http1(incoming: Incoming, connection: Box<dyn DriveConnection>) -> Self {
        Self::new(incoming, EndOfData::Trusted, Some(connection), None)
    }

    /// A body over HTTP/1.1, whose connection is driven by a task. `guard` is dropped when the body
    /// has ended or is dropped.
    pub(crate) fn driven_by_task(incoming: Incoming, guard: StreamGuard) -> Self {
        Self::new(incoming, EndOfData::Trusted, None, Some(guard))
    }

    fn new(
        incoming: Incoming,
        end_of_data: EndOfData,
        connection: Option<Box<dyn DriveConnection>>,
        guard: Option<StreamGuard>,
    ) -> Self {
        let mut body = Self {
            incoming,
            end_of_data,
            connection,
            guard,
        };
        body.release_if_ended();
        body
    }

    /// Releases the connection or stream if the body has ended.
    fn release_if_ended(&mut self) {
        if self.incoming.is_end_stream() {
            self.release();
        }
    }

    fn release(&mut self) {
        self.guard = None;
        if let Some(connection) = self.connection.take() {
            connection.body_ended();
        }
    }
}

impl Drop for ConnectionBody {
    /// Drains the data that has arrived. If the body ends with it, the connection is reused.
    fn drop(&mut self) {
        let mut left = MAX_DRAINED;
        // Not if more data is declared; and not during a panic, where a second one in the
        // connection would abort the process.
        if self.incoming.size_hint().lower() > MAX_DRAINED as u64 || std::thread::panicking() {
            return;
        }
        // No wake-up is needed: this does not wait for data that has not arrived.
        let cx = &mut Context::from_waker(Waker::noop());
        while self.connection.is_some()
            && let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut *self).poll_frame(cx)
        {
            let size = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(size) {
                Some(less) => left = less,
                None => return,
            }
        }
    }
}

impl http_body::Body for ConnectionBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let mut frame = Pin::new(&mut this.incoming).poll_frame(cx);
        if frame.is_pending()
            && let Some(connection) = &mut this.connection
        {
            if connection.poll_connection(cx).is_ready() {
                this.connection = None;
            }
            frame = Pin::new(&mut this.incoming).poll_frame(cx);
        }
        match &frame {
            Poll::Ready(None) => {
                if this.end_of_data == EndOfData::Verified && !this.incoming.is_end_stream() {
                    this.guard = None;
                    // The error is returned once; later polls return `None`.
                    this.end_of_data = EndOfData::Trusted;
                    return Poll::Ready(Some(Err(Truncated.into())));
                }
                this.release();
            }
            Poll::Ready(Some(Err(_))) => {
                this.guard = None;
                this.connection = None;
            }
            // After the last frame, the reader need not poll again.
            Poll::Ready(Some(Ok(_))) => this.release_if_ended(),
            Poll::Pending => {}
        }
        frame.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// The stream was closed before the body had ended.
#[derive(Clone, Copy, Debug)]
struct Truncated;

impl fmt::Display for Truncated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stream was closed before the end of the body")
    }
}

impl Error for Truncated {}

impl fmt::Debug for ConnectionBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConnectionBody")
            .field(&self.incoming)
            .finish()
    }
}
