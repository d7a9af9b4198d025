use http::Request;
use hyper::client::conn::TrySendError;

use super::ClientError;
use crate::request_body::RequestBody;

/// An error, with the request if that may be sent again. At most one of the requests is set.
///
/// Boxed in results: it is large, and successful responses should not reserve the space for it.
pub(super) struct SendError {
    pub(super) error: ClientError,
    /// The request itself: the connection was closed before any of it was written.
    pub(super) unsent: Option<Request<RequestBody>>,
    /// A copy: the server reported that it has not begun to process the request.
    pub(super) refused: Option<Request<RequestBody>>,
    /// A copy of a replayable request: the connection was closed before the first byte of a
    /// response.
    pub(super) unanswered: Option<Request<RequestBody>>,
}

impl SendError {
    /// An error without a request.
    pub(super) fn new(error: ClientError) -> Self {
        Self {
            error,
            unsent: None,
            refused: None,
            unanswered: None,
        }
    }

    /// Whether the connection must not be used for other requests.
    pub(super) fn ends_connection(&self) -> bool {
        self.unsent.is_some() || self.error.ends_connection()
    }
}

impl From<TrySendError<Request<RequestBody>>> for Box<SendError> {
    fn from(mut error: TrySendError<Request<RequestBody>>) -> Self {
        let unsent = error.take_message();
        let error = ClientError::connection(error.into_error());
        Self::new(SendError {
            unsent,
            ..SendError::new(error)
        })
    }
}
