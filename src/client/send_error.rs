use http::Request;
use hyper::client::conn::TrySendError;

use super::ClientError;
use crate::request_body::RequestBody;

/// An error, and whether the request may be sent again.
///
/// Boxed in results: it is large, and successful responses should not reserve the space for it.
pub(super) struct SendError {
    pub(super) error: ClientError,
    pub(super) resend: Option<Resend>,
}

/// A request that may be sent again, and the reason.
pub(super) enum Resend {
    /// The request itself: the connection was closed before any of it was written.
    Unsent(Request<RequestBody>),
    /// A copy: the server reported that it has not begun to process the request.
    Refused(Request<RequestBody>),
    /// A copy of a replayable request: the connection was closed before the first byte of a
    /// response.
    Unanswered(Request<RequestBody>),
}

impl SendError {
    /// Whether the connection must not be used for other requests.
    pub(super) fn ends_connection(&self) -> bool {
        matches!(self.resend, Some(Resend::Unsent(_))) || self.error.ends_connection()
    }
}

impl From<TrySendError<Request<RequestBody>>> for Box<SendError> {
    fn from(mut error: TrySendError<Request<RequestBody>>) -> Self {
        let resend = error.take_message().map(Resend::Unsent);
        let error = ClientError::connection(error.into_error());
        Self::new(SendError { error, resend })
    }
}
