//! A client connection and its states.
//!
//! ```text
//!              first bytes        idle for 5 to 10 s (HTTP/1.1)
//!   Detached ───────────────▶ Http1 ───────────────▶ Detached ──▶ …
//!     └─────────────────────▶ Http2
//! ```
//!
//! A detached connection has a socket and a service, and no `hyper` connection. It is detached
//! before its first byte, and again when it has been idle. `hyper` keeps tens of kilobytes per
//! HTTP/1.1 connection: buffers, and space for a request.
//!
//! `hyper` does not expose whether a connection is between two requests. `graceful_shutdown`
//! completes at once if it is, and otherwise cannot complete before the next read. So
//! `release_buffers` calls it while the socket returns `Pending` for reads, and takes back the
//! bytes of a next request that `hyper` has already read. `hyper` would also complete while a
//! handler may still read the body of the last request, after an early response:
//! [`ConnectionActivity`] counts such uploads.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::{io, mem};

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, Service};
use hyper_util::rt::TokioIo;
use omneo_id::error::BoxError;
use tokio::io::{AsyncRead, ReadBuf};
use tracing::debug;

use super::coalescing_writer::CoalescingWriter;
use super::connection_activity::ConnectionActivity;
use super::context::ServerContext;
use super::protocol_detection::Protocol;
use super::socket::Socket;
use super::transport::Transport;
use super::workers::StreamExecutor;

/// Size of the read that resumes a detached connection, on the stack. Most request heads are
/// smaller; `hyper` reads the rest of larger ones.
const FIRST_READ: usize = 2 * 1024;

type Http1Io = TokioIo<Socket<Transport>>;
type Http2Io = TokioIo<CoalescingWriter<Socket<Transport>>>;

/// A client connection.
pub(crate) struct Connection<S>
where
    S: HttpService<Incoming>,
{
    activity: Arc<ConnectionActivity>,
    context: Arc<ServerContext>,
    state: State<S>,
}

enum State<S>
where
    S: HttpService<Incoming>,
{
    Detached(DetachedConnection<S>),
    Http1(Box<http1::Connection<Http1Io, S>>),
    Http2 {
        connection: Box<http2::Connection<Http2Io, S, StreamExecutor>>,
        writer: CoalescingWriter<Socket<Transport>>,
    },
    Closed,
}

/// The result of polling a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A request has begun on a detached connection. The connection must be polled again.
    Resumed,
    Closed,
}

impl<S, B> Connection<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + 'static,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    pub(crate) fn new(
        stream: Transport,
        service: S,
        activity: Arc<ConnectionActivity>,
        context: Arc<ServerContext>,
    ) -> Self {
        let socket = Socket::new(stream, Arc::clone(&activity));
        Self {
            activity,
            context,
            state: State::Detached(DetachedConnection {
                socket,
                service,
                protocol: None,
            }),
        }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let result = match &mut self.state {
            State::Http1(connection) => ready!(Pin::new(connection).poll(cx)).map_err(Into::into),
            State::Http2 { connection, writer } => {
                let result = Pin::new(connection).poll(cx).map_err(Into::into);
                match writer.poll_send(cx) {
                    Poll::Ready(Err(error)) => Err(error.into()),
                    _ => ready!(result),
                }
            }
            State::Detached(detached) => match ready!(detached.poll_request(cx)) {
                Ok(Some(protocol)) => {
                    self.resume(protocol);
                    return Poll::Ready(Event::Resumed);
                }
                Ok(None) => Ok(()),
                Err(error) => Err(error.into()),
            },
            State::Closed => Ok(()),
        };
        self.close(result);
        Poll::Ready(Event::Closed)
    }

    /// Frees the buffers of an HTTP/1.1 connection that is between two requests. The caller checks
    /// that no upload is open, and polls the connection afterwards in any case.
    pub(crate) fn release_buffers(&mut self, cx: &mut Context<'_>) {
        let State::Http1(connection) = &mut self.state else {
            return;
        };
        self.activity.set_detaching(true);
        Pin::new(&mut **connection).graceful_shutdown();
        let result = Pin::new(connection).poll(cx);
        self.activity.set_detaching(false);
        match result {
            // A request is in flight. `hyper` closes the connection after it.
            Poll::Pending => {}
            Poll::Ready(Err(error)) => self.close(Err(error.into())),
            Poll::Ready(Ok(())) => {
                let State::Http1(connection) = mem::replace(&mut self.state, State::Closed) else {
                    return;
                };
                if self.activity.is_write_blocked() {
                    // The last poll has written, and `hyper` still buffers a part of it: close.
                    return;
                }
                self.detach(*connection);
            }
        }
    }

    /// Continues without `hyper`, or with a new `hyper` connection if a request has begun.
    fn detach(&mut self, connection: http1::Connection<Http1Io, S>) {
        let parts = connection.into_parts();
        let mut socket = parts.io.into_inner();
        socket.unread(parts.read_buf);
        socket.skip_line_ends();
        let has_begun = socket.has_unread();
        self.state = State::Detached(DetachedConnection {
            socket,
            service: parts.service,
            protocol: Some(Protocol::Http1),
        });
        if has_begun {
            debug!("a connection has a partial request head and keeps its buffers");
            self.resume(Protocol::Http1);
        } else {
            self.context.trim.notify();
            debug!("an idle connection has freed its buffers");
        }
    }

    /// Begins a graceful shutdown. A detached connection closes at once; HTTP/2 sends `GOAWAY`.
    pub(crate) fn graceful_shutdown(&mut self) {
        match &mut self.state {
            State::Detached(_) | State::Closed => self.close(Ok(())),
            State::Http1(connection) => Pin::new(&mut **connection).graceful_shutdown(),
            State::Http2 { connection, .. } => Pin::new(&mut **connection).graceful_shutdown(),
        }
    }

    /// Hands the socket to `hyper`.
    fn resume(&mut self, protocol: Protocol) {
        let state = mem::replace(&mut self.state, State::Closed);
        let State::Detached(DetachedConnection {
            socket, service, ..
        }) = state
        else {
            return;
        };
        self.state = match protocol {
            Protocol::Http1 => {
                let io = TokioIo::new(socket);
                let connection = self.context.http1.serve_connection(io, service);
                State::Http1(Box::new(connection))
            }
            Protocol::Http2 => {
                self.activity.set_http2();
                let writer = CoalescingWriter::new(socket);
                let io = TokioIo::new(writer.handle());
                let connection = self.context.http2.serve_connection(io, service);
                let connection = Box::new(connection);
                State::Http2 { connection, writer }
            }
        };
    }

    fn close(&mut self, result: Result<(), BoxError>) {
        if let Err(error) = result {
            debug!(%error, "a connection has failed");
        }
        if let State::Detached(mut detached) = mem::replace(&mut self.state, State::Closed) {
            // `hyper` ends the stream in the other states.
            detached.socket.get_mut().send_close_notify();
        }
    }
}

/// A connection without `hyper`.
struct DetachedConnection<S> {
    socket: Socket<Transport>,
    service: S,
    /// `None` before the first request.
    protocol: Option<Protocol>,
}

impl<S> DetachedConnection<S> {
    /// Waits for the first bytes of a request. `None`: the client has closed the connection.
    fn poll_request(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Protocol>>> {
        loop {
            // Reads even while the protocol is unknown: bytes left in the socket would keep it
            // readable, and poll this task in a busy loop.
            let mut space = [0; FIRST_READ];
            let mut read = ReadBuf::new(&mut space);
            ready!(Pin::new(self.socket.get_mut()).poll_read(cx, &mut read))?;
            let has_ended = read.filled().is_empty();
            if has_ended && !self.socket.has_unread() {
                return Poll::Ready(Ok(None));
            }
            let alpn = self.socket.get_mut().alpn_protocol();
            let first = self.socket.append(read.filled());
            let protocol = match has_ended {
                true => Some(Protocol::Http1),
                false => self.protocol.or(alpn).or_else(|| Protocol::detect(first)),
            };
            if self.protocol.is_some() {
                self.socket.skip_line_ends();
                if !self.socket.has_unread() && !has_ended {
                    continue;
                }
            }
            if protocol.is_some() {
                return Poll::Ready(Ok(protocol));
            }
        }
    }
}
