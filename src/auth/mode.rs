use crate::identity::VerifiedToken;
use crate::rejection::{Rejection, RejectionKind};

/// How a layer treats requests without a valid token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthMode {
    /// Rejects them.
    #[default]
    Required,
    /// Forwards requests without a credential, with an [`AuthOutcome`] in their extensions. Rejects
    /// requests with an invalid token.
    Optional,
    /// Forwards every request, with an [`AuthOutcome`] in its extensions. Use it to measure how
    /// many requests [`Required`](Self::Required) would reject. [`JwtAuthLayer::with_mode`] has an
    /// example.
    ///
    /// [`JwtAuthLayer::with_mode`]: super::JwtAuthLayer::with_mode
    Observe,
}

/// The result of authentication, in the extensions of requests that a layer forwards in mode
/// [`Optional`](AuthMode::Optional) or [`Observe`](AuthMode::Observe).
///
/// Only this crate can create one.
#[derive(Clone, Debug)]
pub struct AuthOutcome(Result<VerifiedToken, Rejection>);

impl AuthOutcome {
    pub(super) fn new(outcome: Result<VerifiedToken, Rejection>) -> Self {
        Self(outcome)
    }

    /// The token, if it was valid.
    pub fn token(&self) -> Option<&VerifiedToken> {
        self.0.as_ref().ok()
    }

    /// The rejection that [`Required`](AuthMode::Required) would have responded with. Its
    /// [`source`](std::error::Error::source) is the cause.
    pub fn rejection(&self) -> Option<&Rejection> {
        self.0.as_ref().err()
    }

    /// Whether the request had no credential.
    pub fn is_absent(&self) -> bool {
        self.rejection()
            .is_some_and(|rejection| rejection.kind() == RejectionKind::MissingCredentials)
    }
}
