use crate::rejection::{Rejection, RejectionKind};

/// Why a valid token is not refreshed. Clients receive the 401 of an invalid token.
#[derive(Clone, Copy, Debug)]
pub(super) enum RefreshRefusal {
    Anonymous,
    /// The token has neither `auth_time` nor `iat`.
    NoStart,
    TooOld,
    /// The profile does not exist at the tenant.
    NoProfile,
    /// The token was ended while the tenant was called.
    Ended,
}

impl RefreshRefusal {
    const fn message(self) -> &'static str {
        match self {
            Self::Anonymous => "the token has no profile",
            Self::NoStart => "the token has neither `auth_time` nor `iat`",
            Self::TooOld => "the session is too old",
            Self::NoProfile => "the profile does not exist",
            Self::Ended => "the token was ended while the tenant was called",
        }
    }
}

impl From<RefreshRefusal> for Rejection {
    fn from(refusal: RefreshRefusal) -> Self {
        #[cfg(feature = "tracing")]
        tracing::debug!(reason = refusal.message(), "a token was not refreshed");
        #[cfg(not(feature = "tracing"))]
        let _ = refusal.message();
        // Without a cause: metrics count the token as refused, not as malformed.
        Self::new(RejectionKind::InvalidToken)
    }
}
