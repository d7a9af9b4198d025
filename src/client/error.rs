use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::error::BoxError;

/// Why [`HttpClient`](super::HttpClient) has no response to give. The details are its sources.
#[derive(Debug)]
pub struct ClientError(Kind);

#[derive(Debug)]
enum Kind {
    /// The request did not say where it goes.
    NoTarget,
    /// Shared by all requests that waited for the same attempt.
    Connect(Arc<dyn Error + Send + Sync>),
    Connection(hyper::Error),
}

impl ClientError {
    pub(super) fn no_target() -> Self {
        Self(Kind::NoTarget)
    }

    pub(super) fn connect(error: impl Into<BoxError>) -> Self {
        Self(Kind::Connect(error.into().into()))
    }

    // No `From`: it would be public, and hyper's error with it.
    pub(super) fn connection(error: hyper::Error) -> Self {
        Self(Kind::Connection(error))
    }

    /// The same error, for another request that waited for the same connection.
    pub(super) fn duplicate(&self) -> Self {
        Self(match &self.0 {
            Kind::NoTarget => Kind::NoTarget,
            Kind::Connect(error) => Kind::Connect(Arc::clone(error)),
            Kind::Connection(error) => Kind::Connect(Arc::from(BoxError::from(error.to_string()))),
        })
    }

    /// Whether there was no connection yet, so that certainly nothing was sent.
    pub fn is_connect(&self) -> bool {
        matches!(self.0, Kind::Connect(_))
    }

    /// Whether an HTTP/2 tenant said that it has not begun to work on this request:
    /// `REFUSED_STREAM` ([RFC 9113 §8.7](https://www.rfc-editor.org/rfc/rfc9113#section-8.7)), or a `GOAWAY` without
    /// an error, which fails only the requests behind the last one that it names.
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

    /// Whether an HTTP/1.1 connection was closed by its peer, in whichever pooled.
    pub(super) fn is_closed(&self) -> bool {
        let Kind::Connection(error) = &self.0 else {
            return false;
        };
        error.is_incomplete_message()
            || error
                .source()
                .and_then(|cause| cause.downcast_ref::<io::Error>())
                .is_some_and(|cause| is_end(cause.kind()))
    }

    /// Whether an error of HTTP/2 is about more than one request.
    pub(super) fn ends_connection(&self) -> bool {
        self.http2().is_some_and(|error| !error.is_reset())
    }

    fn http2(&self) -> Option<&h2::Error> {
        let mut cause = self.source();
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref() {
                return Some(error);
            }
            cause = error.source();
        }
        None
    }
}

/// Whether an error of a socket means that its peer has closed it.
fn is_end(kind: io::ErrorKind) -> bool {
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
            Kind::NoTarget => "the request names no host to connect to",
            Kind::Connect(_) => "no connection could be made",
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

/// Name, TCP and TLS together took too long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectTimeout(pub(super) Duration);

impl fmt::Display for ConnectTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connecting took longer than {:?}", self.0)
    }
}

impl Error for ConnectTimeout {}
