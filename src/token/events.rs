//! Log events of the endpoints.

use crate::rejection::Rejection;
use crate::revocation::RevokeError;

/// Logs the code and the cause of a rejection; neither contains data of the request.
pub(super) fn log_rejected(rejection: &Rejection, message: &'static str) {
    #[cfg(feature = "tracing")]
    tracing::debug!(
        error.type = rejection.kind().code(),
        cause = std::error::Error::source(rejection).map(tracing::field::display),
        "{message}",
    );
    #[cfg(not(feature = "tracing"))]
    let _ = (rejection, message);
}

/// Logs that tokens stay valid in this process or in others, although the request succeeds.
pub(super) fn log_not_revoked(error: &RevokeError) {
    #[cfg(feature = "tracing")]
    tracing::warn!(cause = %error, "tokens were not ended everywhere");
    #[cfg(not(feature = "tracing"))]
    let _ = error;
}
