//! Whom a request speaks for.
//!
//! [`Subject`] is what the layers of this crate agree on. The auth layer puts a [`VerifiedToken`]
//! into the request's extensions; whoever authenticates by other means (a session cookie, mutual
//! TLS) inserts a plain [`Subject`] instead, and the layers behind it work just the same:
//!
//! ```
//! use http::Request;
//! use omneo_id::identity::{ProfileId, Subject};
//!
//! let mut request = Request::new(());
//! let ada: ProfileId = "3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10".parse()?;
//! request.extensions_mut().insert(Subject::Profile(ada));
//! assert!(Subject::of(request.extensions()).is_some());
//! # Ok::<(), omneo_id::identity::InvalidProfileId>(())
//! ```

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::Extensions;

/// The id of one profile, proven safe as exactly one path segment.
///
/// One to 64 ASCII letters, digits, `-` and `_`, and no word on which the tenant itself routes
/// (`search-id`, `availability`, …). It cannot be built otherwise, so a path made from it cannot
/// leave `/profiles/{id}`. Clones share one allocation.
///
/// ```
/// use omneo_id::ProfileId;
///
/// assert!("3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10".parse::<ProfileId>().is_ok());
/// assert!("../admin".parse::<ProfileId>().is_err());
/// assert!("search-id".parse::<ProfileId>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ProfileId(Arc<str>);

/// Words that follow `/profiles/` in the tenant's own routes, and the placeholders of tokens.
const RESERVED: &[&str] = &[
    "availability",
    "connection",
    "connections",
    "me",
    "merge",
    "null",
    "search",
    "search-id",
    "undefined",
];

impl ProfileId {
    /// The longest id, in bytes.
    pub const MAX_LEN: usize = 64;

    /// The id as it stands in a path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProfileId {
    type Err = InvalidProfileId;

    fn from_str(id: &str) -> Result<Self, Self::Err> {
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let reserved = || RESERVED.iter().any(|word| word.eq_ignore_ascii_case(id));
        if id.is_empty() || id.len() > Self::MAX_LEN || !id.bytes().all(safe) || reserved() {
            return Err(InvalidProfileId(()));
        }
        Ok(Self(id.into()))
    }
}

impl fmt::Display for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProfileId").field(&self.as_str()).finish()
    }
}

/// The text is no [`ProfileId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidProfileId(());

impl fmt::Display for InvalidProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a profile id is 1 to 64 letters, digits, `-` and `_`, and no reserved word")
    }
}

impl std::error::Error for InvalidProfileId {}

/// Whom a token speaks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// One profile: `/profiles/me` is this one.
    Profile(ProfileId),
    /// Nobody in particular: may sign up and look for a store, has no `me`.
    Anonymous,
}

impl Subject {
    /// The `pid` claim of an anonymous token: a string, because published clients refuse a falsy
    /// one.
    pub const ANONYMOUS_PID: &'static str = "null";

    /// The subject of a request: of its [`VerifiedToken`], or as inserted by the host application.
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        match extensions.get::<VerifiedToken>() {
            Some(token) => Some(token.subject()),
            None => extensions.get::<Self>(),
        }
    }

    /// The profile, if there is one.
    pub fn profile(&self) -> Option<&ProfileId> {
        match self {
            Self::Profile(id) => Some(id),
            Self::Anonymous => None,
        }
    }

    /// The value of the `pid` claim that stands for this subject.
    pub fn as_pid(&self) -> &str {
        match self {
            Self::Profile(id) => id.as_str(),
            Self::Anonymous => Self::ANONYMOUS_PID,
        }
    }
}

/// The content of an ID token.
///
/// Times are seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claims {
    /// `pid`: whom the token speaks for.
    pub subject: Subject,
    /// `exp`: the first second in which the token is no longer good.
    pub expires_at: u64,
    /// `iat`: when it was minted, if it says so.
    pub issued_at: Option<u64>,
    /// `nbf`: the first second in which it is good, if it says so.
    pub not_before: Option<u64>,
    /// `jti`: the token's own id, if it has one.
    pub token_id: Option<Box<str>>,
}

impl Claims {
    pub(crate) fn new(subject: Subject, expires_at: u64) -> Self {
        Self {
            subject,
            expires_at,
            issued_at: None,
            not_before: None,
            token_id: None,
        }
    }
}

/// Proof that a request carried a token that was verified: what the auth layer leaves in the
/// request's extensions.
///
/// Only this crate can make one. Clones share one allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedToken(Arc<Claims>);

impl VerifiedToken {
    pub(crate) fn new(claims: Arc<Claims>) -> Self {
        Self(claims)
    }

    /// Everything the token says.
    pub fn claims(&self) -> &Claims {
        &self.0
    }

    /// Whom it speaks for.
    pub fn subject(&self) -> &Subject {
        &self.0.subject
    }
}
