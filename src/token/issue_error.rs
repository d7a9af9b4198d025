use std::error::Error;
use std::fmt;

use crate::rejection::{Rejection, RejectionKind};

/// Why no token was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueError {
    kind: IssueErrorKind,
    claim: Option<Box<str>>,
}

/// The kind of an [`IssueError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IssueErrorKind {
    /// The ring has no signing key.
    NoSigningKey,
    /// An extra claim is not on the issuer's list.
    ClaimNotAllowed,
    /// The extra claims are longer than
    /// [`TokenIssuer::MAX_EXTRA_CLAIMS_LEN`](crate::TokenIssuer::MAX_EXTRA_CLAIMS_LEN).
    ClaimsTooLarge,
    /// The extra claims do not serialize to a JSON object.
    InvalidClaims,
}

impl IssueError {
    pub(super) fn claim_not_allowed(claim: &str) -> Self {
        Self {
            kind: IssueErrorKind::ClaimNotAllowed,
            claim: Some(claim.into()),
        }
    }

    /// The kind of the error.
    pub fn kind(&self) -> IssueErrorKind {
        self.kind
    }

    /// The name of the claim that is not on the list.
    pub fn claim(&self) -> Option<&str> {
        self.claim.as_deref()
    }
}

impl From<IssueErrorKind> for IssueError {
    fn from(kind: IssueErrorKind) -> Self {
        Self { kind, claim: None }
    }
}

impl fmt::Display for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.kind {
            IssueErrorKind::NoSigningKey => "the keyring has no signing key",
            IssueErrorKind::ClaimNotAllowed => "a claim is not on the issuer's list",
            IssueErrorKind::ClaimsTooLarge => "the extra claims are too large",
            IssueErrorKind::InvalidClaims => "the extra claims are not a JSON object",
        };
        f.write_str(text)?;
        match &self.claim {
            Some(claim) => write!(f, ": {claim:?}"),
            None => Ok(()),
        }
    }
}

impl Error for IssueError {}

/// A configuration error, as is a ring without a signing key: the endpoints issue tokens without
/// extra claims.
impl From<IssueError> for Rejection {
    fn from(error: IssueError) -> Self {
        Self::new(RejectionKind::NoSigningKey).because(error)
    }
}
