//! The response to a request whose sessions could not be ended.

use std::time::Duration;

use crate::rejection::{FieldErrors, Rejection, RejectionKind};
use crate::revocation::{RevokeError, RevokeErrorKind};

/// A store reconnects, and entries of a full set expire, within some seconds.
const RETRY_AFTER: Duration = Duration::from_secs(5);

impl From<RevokeError> for Rejection {
    fn from(error: RevokeError) -> Self {
        match error.kind() {
            RevokeErrorKind::NoTokenId => {
                let mut errors = FieldErrors::default();
                errors.add(
                    "jti",
                    "The token has no jti, so it cannot be ended before it expires.",
                );
                Self::invalid_fields(errors).because(error)
            }
            _ => Self::new(RejectionKind::RevocationUnavailable)
                .with_retry_after(RETRY_AFTER)
                .because(error),
        }
    }
}
