//! A connection over its life. `hyper` serves it while it is of use. What `hyper` keeps for one of
//! HTTP/1.1, buffers and the place of a request, is tens of kilobytes; of one that rests between
//! two requests only the socket is left, and so it is with one that has said nothing yet.
//!
//! Whether a connection may rest is for `hyper` to say: told to end, it ends at once if it is
//! between two requests, and else never without reading on. So the socket is withheld from it
//! meanwhile. What it had read of a next request it gives back. It would end, too, while somebody
//! may still read the body of the last request, which the tenant has answered before its end:
//! `Activity` knows of those.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, ready};
use std::{io, mem};

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, Service};
use hyper_util::rt::TokioIo;
use omneo_id::error::BoxError;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tracing::debug;

use crate::activity::Activity;
use crate::crew::Streams;
use crate::gather::Gathered;
use crate::preface::Protocol;
use crate::socket::Socket;
use crate::tidy::Tidy;

/// Read at once when a connection wakes: most heads are smaller, and `hyper` reads the rest of
/// others.
const FIRST: usize = 2 * 1024;

type Io = TokioIo<Socket<TcpStream>>;
type GatheredIo = TokioIo<Gathered<Socket<TcpStream>>>;

/// How each protocol is served, and what else is the same for all connections.
#[derive(Debug)]
pub(crate) struct Protocols {
    pub(crate) http1: http1::Builder,
    pub(crate) http2: http2::Builder<Streams>,
    pub(crate) tidy: Tidy,
    /// Set before connections are told to end.
    pub(crate) is_ending: AtomicBool,
}

/// One connection.
pub(crate) struct Line<S>
where
    S: HttpService<Incoming>,
{
    activity: Arc<Activity>,
    protocols: Arc<Protocols>,
    state: State<S>,
}

enum State<S>
where
    S: HttpService<Incoming>,
{
    Resting(Resting<S>),
    Http1(Box<http1::Connection<Io, S>>),
    Http2 {
        connection: Box<http2::Connection<GatheredIo, S, Streams>>,
        outgoing: Gathered<Socket<TcpStream>>,
    },
    Over,
}

/// What has become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is of use, and to be polled again.
    Woke,
    Over,
}

impl<S, B> Line<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + 'static,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    pub(crate) fn new(
        stream: TcpStream,
        service: S,
        activity: Arc<Activity>,
        protocols: Arc<Protocols>,
    ) -> Self {
        let socket = Socket::new(stream, Arc::clone(&activity));
        Self {
            activity,
            protocols,
            state: State::Resting(Resting {
                socket,
                service,
                protocol: None,
            }),
        }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let over = match &mut self.state {
            State::Http1(connection) => ready!(Pin::new(connection).poll(cx)).map_err(Into::into),
            State::Http2 {
                connection,
                outgoing,
            } => {
                let over = Pin::new(connection).poll(cx).map_err(Into::into);
                match outgoing.poll_send(cx) {
                    Poll::Ready(Err(error)) => Err(error.into()),
                    _ => ready!(over),
                }
            }
            State::Resting(resting) => match ready!(resting.poll_wake(cx)) {
                Ok(Some(protocol)) => {
                    self.begin(protocol);
                    return Poll::Ready(Step::Woke);
                }
                Ok(None) => Ok(()),
                Err(error) => Err(error.into()),
            },
            State::Over => Ok(()),
        };
        self.end(over);
        Poll::Ready(Step::Over)
    }

    /// Lets go of what is kept for the next request, if that is all there is to wait for. Nobody
    /// may be reading a body on. To be polled again, either way.
    pub(crate) fn rest(&mut self, cx: &mut Context<'_>) {
        let State::Http1(connection) = &mut self.state else {
            return;
        };
        self.activity.withhold(true);
        Pin::new(&mut **connection).graceful_shutdown();
        let ended = Pin::new(connection).poll(cx);
        self.activity.withhold(false);
        match ended {
            // Not between two requests: it goes on, and ends after this one.
            Poll::Pending => {}
            Poll::Ready(Err(error)) => self.end(Err(error.into())),
            Poll::Ready(Ok(())) => {
                let State::Http1(connection) = mem::replace(&mut self.state, State::Over) else {
                    return;
                };
                if self.activity.is_full() {
                    // Something was written only now, and goes with what wrote it.
                    return;
                }
                let parts = connection.into_parts();
                let mut socket = parts.io.into_inner();
                socket.put_back(parts.read_buf);
                socket.skip_line_ends();
                let has_begun = socket.has_first();
                self.state = State::Resting(Resting {
                    socket,
                    service: parts.service,
                    protocol: Some(Protocol::Http1),
                });
                if has_begun {
                    debug!("a connection has begun a request and does not rest");
                    self.begin(Protocol::Http1);
                } else {
                    self.protocols.tidy.note();
                    debug!("a connection rests");
                }
            }
        }
    }

    /// Begins a graceful shutdown. A connection without `hyper` ends at once; HTTP/2 sends
    /// `GOAWAY`.
    pub(crate) fn graceful_shutdown(&mut self) {
        match &mut self.state {
            State::Resting(_) | State::Over => self.state = State::Over,
            State::Http1(connection) => Pin::new(&mut **connection).graceful_shutdown(),
            State::Http2 { connection, .. } => Pin::new(&mut **connection).graceful_shutdown(),
        }
    }

    fn begin(&mut self, protocol: Protocol) {
        let state = mem::replace(&mut self.state, State::Over);
        let State::Resting(Resting {
            socket, service, ..
        }) = state
        else {
            return;
        };
        self.state = match protocol {
            Protocol::Http1 => {
                let io = TokioIo::new(socket);
                let connection = self.protocols.http1.serve_connection(io, service);
                State::Http1(Box::new(connection))
            }
            Protocol::Http2 => {
                self.activity.speak_http2();
                let outgoing = Gathered::new(socket);
                let io = TokioIo::new(outgoing.handle());
                let connection = self.protocols.http2.serve_connection(io, service);
                let connection = Box::new(connection);
                State::Http2 {
                    connection,
                    outgoing,
                }
            }
        };
    }

    fn end(&mut self, result: Result<(), BoxError>) {
        if let Err(error) = result {
            debug!(%error, "a connection broke");
        }
        self.state = State::Over;
    }
}

/// A connection without `hyper`.
struct Resting<S> {
    socket: Socket<TcpStream>,
    service: S,
    /// `None` before its first request.
    protocol: Option<Protocol>,
}

impl<S> Resting<S> {
    /// Until a request begins. `None`: none does.
    fn poll_wake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Protocol>>> {
        loop {
            // What has come is taken out of the socket, told apart or not: who sends the preface
            // byte by byte is polled byte by byte.
            let mut room = [0; FIRST];
            let mut read = ReadBuf::new(&mut room);
            ready!(Pin::new(self.socket.get_mut()).poll_read(cx, &mut read))?;
            let has_ended = read.filled().is_empty();
            if has_ended && !self.socket.has_first() {
                return Poll::Ready(Ok(None));
            }
            let first = self.socket.append(read.filled());
            let protocol = match has_ended {
                true => Some(Protocol::Http1),
                false => self.protocol.or_else(|| Protocol::of(first)),
            };
            if self.protocol.is_some() {
                self.socket.skip_line_ends();
                if !self.socket.has_first() && !has_ended {
                    continue;
                }
            }
            if protocol.is_some() {
                return Poll::Ready(Ok(protocol));
            }
        }
    }
}
