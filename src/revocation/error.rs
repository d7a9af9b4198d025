use std::error::Error;
use std::fmt;

use crate::error::BoxError;

/// Sessions were not ended, or only in this process.
#[derive(Debug)]
pub struct RevokeError {
    kind: RevokeErrorKind,
    source: Option<BoxError>,
}

/// The kind of a [`RevokeError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RevokeErrorKind {
    /// The set is full: the sessions were not ended.
    Full,
    /// The sessions were ended in this process. The store did not accept the revocation, so they
    /// may continue in other processes.
    Store,
    /// The token has no `jti` and no profile, so it cannot be ended alone.
    NoTokenId,
}

impl RevokeError {
    pub(super) fn store(source: BoxError) -> Self {
        Self {
            kind: RevokeErrorKind::Store,
            source: Some(source),
        }
    }

    /// The kind of the error.
    pub fn kind(&self) -> RevokeErrorKind {
        self.kind
    }
}

impl From<RevokeErrorKind> for RevokeError {
    fn from(kind: RevokeErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl fmt::Display for RevokeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            RevokeErrorKind::Full => "the set of revocations is full",
            RevokeErrorKind::Store => "the store of revocations did not accept the revocation",
            RevokeErrorKind::NoTokenId => "the token has no `jti` and no profile",
        })
    }
}

impl Error for RevokeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}
