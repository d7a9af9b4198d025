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
pub struct UpstreamError(pub(super) Cause);

#[derive(Debug)]
pub(super) enum Cause {
    /// An error of the client.
    Client(BoxError),
    HeadTimeout(Duration),
    /// A status that is not forwarded.
    Status(StatusCode),
    /// A response with malformed headers, or with a body that failed.
    Malformed(BoxError),
    /// The limit of calls in flight, which is reached.
    InFlight(usize),
    /// The permits of the tenant in the budget of all tenants are in use.
    CallBudget,
}

impl UpstreamError {
    /// The status of the tenant's response, if it was received.
    pub fn status(&self) -> Option<StatusCode> {
        match self.0 {
            Cause::Status(status) => Some(status),
            _ => None,
        }
    }
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Client(_) => f.write_str("the call of the tenant failed"),
            Cause::HeadTimeout(timeout) => {
                write!(f, "the tenant did not respond within {timeout:?}")
            }
            Cause::Status(status) => write!(f, "the tenant responded with {}", status.as_u16()),
            Cause::Malformed(_) => f.write_str("the tenant's response is malformed"),
            Cause::InFlight(max) => write!(f, "{max} calls of the tenant are in flight"),
            Cause::CallBudget => f.write_str("the permits in the call budget are in use"),
        }
    }
}

impl Error for UpstreamError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Cause::Client(source) | Cause::Malformed(source) => Some(&**source),
            Cause::HeadTimeout(_) | Cause::Status(_) | Cause::InFlight(_) | Cause::CallBudget => {
                None
            }
        }
    }
}
