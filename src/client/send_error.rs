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
}

impl SendError {
    /// Whether no other request should be sent the same pooled.
    pub(super) fn ends_connection(&self) -> bool {
        self.unsent.is_some() || self.error.ends_connection()
    }
}

impl From<TrySendError<Request<RequestBody>>> for Box<SendError> {
    fn from(mut error: TrySendError<Request<RequestBody>>) -> Self {
        Self::new(SendError {
            unsent: error.take_message(),
            error: ClientError::connection(error.into_error()),
            refused: None,
        })
    }
}
