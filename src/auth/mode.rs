use crate::identity::VerifiedToken;
use crate::rejection::{Rejection, RejectionKind};

/// What becomes of requests without a good token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthMode {
    /// They are refused.
    #[default]
    Required,
    /// Those without any credential pass, and leave an [`AuthOutcome`]; a bad one is refused.
    Optional,
    /// All pass, and leave an [`AuthOutcome`]: for finding out whom
    /// [`Required`](Self::Required) would shut out, before it does.
    Observe,
}

/// What the layer found, in the extensions of requests that passed it in mode
/// [`Optional`](AuthMode::Optional) or [`Observe`](AuthMode::Observe).
///
/// Only this crate can make one.
#[derive(Clone, Debug)]
pub struct AuthOutcome(Result<VerifiedToken, Rejection>);

impl AuthOutcome {
    pub(super) fn new(outcome: Result<VerifiedToken, Rejection>) -> Self {
        Self(outcome)
    }

    /// The token, if there was a good one.
    pub fn token(&self) -> Option<&VerifiedToken> {
        self.0.as_ref().ok()
    }

    /// How the request would have been refused, with the cause as its
    /// [`source`](std::error::Error::source).
    pub fn rejection(&self) -> Option<&Rejection> {
        self.0.as_ref().err()
    }

    /// Whether there was no credential at all.
    pub fn is_absent(&self) -> bool {
        self.rejection()
            .is_some_and(|rejection| rejection.kind() == RejectionKind::MissingCredentials)
    }
}
