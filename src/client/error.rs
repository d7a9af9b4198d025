use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{BoxError, find_source};

/// The error of [`HttpClient`](super::HttpClient): no response was received. The cause is its
/// source.
#[derive(Debug)]
pub struct ClientError(Kind);

#[derive(Debug)]
enum Kind {
    /// The URI of the request has no host.
    NoTarget,
    /// Shared by all requests that waited for the same attempt to connect.
    Connect(Arc<dyn Error + Send + Sync>),
    Connection(hyper::Error),
}

impl ClientError {
    pub(super) fn no_target() -> Self {
        Self(Kind::NoTarget)
    }

    pub(super) fn connect(error: impl Into<BoxError>) -> Self {
        Self(Kind::Connect(unwrap_io(error.into()).into()))
    }

    // Not a `From`: that would make hyper's error part of the public API.
    pub(super) fn connection(error: hyper::Error) -> Self {
        Self(Kind::Connection(error))
    }

    /// A copy for another request that waited for the same connection.
    pub(super) fn duplicate(&self) -> Self {
        Self(match &self.0 {
            Kind::NoTarget => Kind::NoTarget,
            Kind::Connect(error) => Kind::Connect(Arc::clone(error)),
            Kind::Connection(error) => Kind::Connect(Arc::from(BoxError::from(error.to_string()))),
        })
    }

    /// Whether no connection could be opened. No part of the request was sent then.
    pub fn is_connect(&self) -> bool {
        matches!(self.0, Kind::Connect(_))
    }

    /// Whether an HTTP/2 server reports that it has not begun to process this request: by
    /// `REFUSED_STREAM` (RFC 9113 §8.7), or by a `GOAWAY` without an error, which fails only the
    /// requests after the last stream that it names (RFC 9113 §6.8).
    pub(super) fn is_refused(&self) -> bool {
        self.http2().is_some_and(|error| {
            error.is_remote()
                && match error.reason() {
                    Some(h2::Reason::REFUSED_STREAM) => error.is_reset(),
                    Some(h2::Reason::NO_ERROR) => error.is_go_away(),
                    _ => false,
                }
        })
    }

    /// Whether the server has closed an HTTP/1.1 connection, in order or by a reset.
    pub(super) fn is_closed(&self) -> bool {
        let Kind::Connection(error) = &self.0 else {
            return false;
        };
        error.is_incomplete_message()
            || error
                .source()
                .and_then(|cause| cause.downcast_ref::<io::Error>())
                .is_some_and(|cause| is_closed_by_peer(cause.kind()))
    }

    /// Whether an HTTP/2 error ends the connection, not only one stream.
    pub(super) fn ends_connection(&self) -> bool {
        self.http2().is_some_and(|error| !error.is_reset())
    }

    fn http2(&self) -> Option<&h2::Error> {
        find_source(self)
    }
}

/// The error inside of an [`io::Error`], whose `source` skips it: the connector wraps a TLS error
/// twice. An `io::Error` with another kind than that of the wrappers is kept for the kind.
fn unwrap_io(error: BoxError) -> BoxError {
    use io::ErrorKind::{InvalidData, Other};

    match error.downcast::<io::Error>() {
        Ok(error) if matches!(error.kind(), InvalidData | Other) => {
            let kind = error.kind();
            let inner = error.into_inner();
            inner.map_or_else(|| io::Error::from(kind).into(), unwrap_io)
        }
        Ok(error) => error,
        Err(error) => error,
    }
}

/// Whether a socket error means that the peer has closed the connection.
fn is_closed_by_peer(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::NotConnected
            | io::ErrorKind::UnexpectedEof
    )
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::NoTarget => "the URI of the request has no host",
            Kind::Connect(_) => "no connection could be opened",
            Kind::Connection(_) => "the connection failed",
        })
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Kind::NoTarget => None,
            Kind::Connect(error) => Some(&**error),
            Kind::Connection(error) => Some(error),
        }
    }
}

/// Name resolution, TCP and TLS together exceeded the connect timeout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectTimeout(pub(super) Duration);

impl fmt::Display for ConnectTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connecting took longer than {:?}", self.0)
    }
}

impl Error for ConnectTimeout {}
