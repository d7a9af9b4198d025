use crate::identity::ProfileId;

/// One change of a set of [`Revocations`](crate::Revocations), as a
/// [`RevocationStore`](super::RevocationStore) carries it between processes.
///
/// Times are seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revocation {
    /// One token is ended.
    Token {
        /// The token's `jti`.
        token_id: Box<str>,
        /// The second from which on no token with this `jti` can be valid.
        expires_at: u64,
    },
    /// Tokens of one profile are ended.
    Profile {
        /// The profile.
        profile: ProfileId,
        /// Tokens with this `iat` or an earlier one are ended.
        issued_until: u64,
        /// The second from which on no ended token can be valid.
        expires_at: u64,
    },
    /// Tokens of all subjects are ended, anonymous tokens included.
    All {
        /// Tokens with this `iat` or an earlier one are ended.
        issued_until: u64,
        /// The second from which on no ended token can be valid.
        expires_at: u64,
    },
}

impl Revocation {
    /// A stable name of the scope, for logs: `token`, `profile` or `all`.
    #[cfg(feature = "tracing")]
    pub(super) const fn scope(&self) -> &'static str {
        match self {
            Self::Token { .. } => "token",
            Self::Profile { .. } => "profile",
            Self::All { .. } => "all",
        }
    }

    /// The second from which on the revocation has no effect, so that it can be removed.
    pub fn expires_at(&self) -> u64 {
        match self {
            Self::Token { expires_at, .. }
            | Self::Profile { expires_at, .. }
            | Self::All { expires_at, .. } => *expires_at,
        }
    }
}
