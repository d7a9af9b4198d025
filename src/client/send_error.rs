use http::Request;
use hyper::client::conn::TrySendError;

use super::ClientError;
use crate::request_body::RequestBody;

/// Why there is no answer, and what could be sent again. Boxed wherever it is returned: it holds
/// requests, and answers should not have to carry the room for them.
pub(super) struct SendError {
    pub(super) error: ClientError,
    /// The connection had been closed: nothing of the request was written.
    pub(super) unsent: Option<Request<RequestBody>>,
    /// The tenant said that it has not begun to work on it.
    pub(super) refused: Option<Request<RequestBody>>,
    /// The connection was closed before one byte of an answer, and the request is replayable.
    pub(super) unanswered: Option<Request<RequestBody>>,
}

impl SendError {
    /// With nothing that could be sent again.
    pub(super) fn new(error: ClientError) -> Self {
        Self {
            error,
            unsent: None,
            refused: None,
            unanswered: None,
        }
    }

    /// Whether no other request should be sent the same pooled.
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
