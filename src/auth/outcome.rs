use crate::identity::VerifiedToken;
use crate::rejection::{Rejection, RejectionKind};

/// The result of authentication, in the extensions of requests that a layer forwards in mode
/// [`Optional`](super::AuthMode::Optional) or [`Observe`](super::AuthMode::Observe).
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

    /// The rejection that [`Required`](super::AuthMode::Required) would have responded with. Its
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
