use std::error::Error;
use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::error::BoxError;

/// The cause of a failed call: the call has no response, or one that cannot be forwarded.
///
/// It is the [`source`](Error::source) of the [`Rejection`](crate::Rejection) that the client
/// receives, for logs.
#[derive(Debug)]
pub struct UpstreamError(Kind);

#[derive(Debug)]
enum Kind {
    Client(BoxError),
    HeadTimeout(Duration),
    Status(StatusCode),
    Malformed(BoxError),
    InFlight(usize),
}

impl UpstreamError {
    pub(super) fn client(source: BoxError) -> Self {
        Self(Kind::Client(source))
    }

    pub(super) fn head_timeout(timeout: Duration) -> Self {
        Self(Kind::HeadTimeout(timeout))
    }

    pub(super) fn status_error(status: StatusCode) -> Self {
        Self(Kind::Status(status))
    }

    pub(super) fn malformed(source: impl Into<BoxError>) -> Self {
        Self(Kind::Malformed(source.into()))
    }

    pub(super) fn in_flight(max: usize) -> Self {
        Self(Kind::InFlight(max))
    }

    /// The status of the tenant's response, if it was received.
    pub fn status(&self) -> Option<StatusCode> {
        match self.0 {
            Kind::Status(status) => Some(status),
            _ => None,
        }
    }
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Client(_) => f.write_str("the call of the tenant failed"),
            Kind::HeadTimeout(timeout) => write!(f, "the tenant did not answer within {timeout:?}"),
            Kind::Status(status) => write!(f, "the tenant answered {}", status.as_u16()),
            Kind::Malformed(_) => f.write_str("the tenant's response is malformed"),
            Kind::InFlight(max) => write!(f, "{max} calls of the tenant are in flight"),
        }
    }
}

impl Error for UpstreamError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Kind::Client(source) | Kind::Malformed(source) => Some(&**source),
            Kind::HeadTimeout(_) | Kind::Status(_) | Kind::InFlight(_) => None,
        }
    }
}
