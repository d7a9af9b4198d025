use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use crate::error::BoxError;
use crate::request_body::StreamGuard;

/// How much of a body that nobody wants is read, so that its connection can be kept: a new one
/// costs as much.
const DRAIN: usize = 64 * 1024;

/// What carries a body, and moves only while somebody polls it.
pub(crate) trait DriveConnection: Send + 'static {
    /// Moves what can be moved. Ready once there is nothing left to do, ever.
    fn poll_drive(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// The body was read to its end.
    fn arrived(self: Box<Self>);
}

/// A body that is moved by whoever reads it: over HTTP/1.1, no task stands between its connection
/// and its reader, unless the request that it answers is still on its pooled.
///
/// Letting go of it before its end lets go of its connection, too, if the rest has not come yet.
pub struct ConnectionBody {
    incoming: Incoming,
    ending: Ending,
    // `None` if it moves by itself, or has nothing more to bring.
    carrier: Option<Box<dyn DriveConnection>>,
    // `None` over HTTP/1.1, or once the body has ended. Dropped after `incoming`, which resets a
    // stream that has not ended.
    stream: Option<StreamGuard>,
}

/// How it shows that a body has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// There is no more of it: all else is an error.
    Silent,
    /// It says so. A stream that was reset, or whose connection was closed, "without an error"
    /// brings no more and no error either, but that was not its end.
    Told,
}

impl ConnectionBody {
    /// A body over HTTP/2, which its connection's task drives.
    pub(crate) fn new(incoming: Incoming, stream: StreamGuard) -> Self {
        let mut body = Self {
            incoming,
            ending: Ending::Told,
            carrier: None,
            stream: Some(stream),
        };
        body.settle();
        body
    }

    /// A body that comes as `carrier` is polled.
    pub(crate) fn carried(incoming: Incoming, carrier: Box<dyn DriveConnection>) -> Self {
        let mut body = Self {
            incoming,
            ending: Ending::Silent,
            carrier: Some(carrier),
            stream: None,
        };
        body.settle();
        body
    }

    /// Releases the connection if the body has ended.
    fn settle(&mut self) {
        if self.incoming.is_end_stream() {
            self.stream = None;
            if let Some(carrier) = self.carrier.take() {
                carrier.arrived();
            }
        }
    }
}

impl Drop for ConnectionBody {
    /// Nobody wants the rest. If it has come already, the connection is as good as new.
    fn drop(&mut self) {
        let mut left = DRAIN;
        // More than that is known to come; or somebody panics, and a connection that does, too,
        // would end the process.
        if self.incoming.size_hint().lower() > DRAIN as u64 || std::thread::panicking() {
            return;
        }
        // Nobody is to be woken: what has not come by now is not waited for.
        let cx = &mut Context::from_waker(Waker::noop());
        while self.carrier.is_some()
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
            && let Some(carrier) = &mut this.carrier
        {
            if carrier.poll_drive(cx).is_ready() {
                this.carrier = None;
            }
            frame = Pin::new(&mut this.incoming).poll_frame(cx);
        }
        match &frame {
            Poll::Ready(None) => {
                this.stream = None;
                if this.ending == Ending::Told && !this.incoming.is_end_stream() {
                    // Once: asked again, it has nothing more.
                    this.ending = Ending::Silent;
                    return Poll::Ready(Some(Err(BrokenOff.into())));
                }
                if let Some(carrier) = this.carrier.take() {
                    carrier.arrived();
                }
            }
            Poll::Ready(Some(Err(_))) => {
                this.stream = None;
                this.carrier = None;
            }
            // Its last piece: nobody has to ask once more.
            Poll::Ready(Some(Ok(_))) => this.settle(),
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
struct BrokenOff;

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stream was closed before the end of the body")
    }
}

impl Error for BrokenOff {}

impl fmt::Debug for ConnectionBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConnectionBody")
            .field(&self.incoming)
            .finish()
    }
}
