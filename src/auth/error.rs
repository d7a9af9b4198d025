use std::error::Error;
use std::fmt;

/// Why a token was refused. Clients never learn it; logs and extensions do.
///
/// It holds nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyError(VerifyErrorKind);

impl VerifyError {
    /// What is wrong with the token.
    pub fn kind(&self) -> VerifyErrorKind {
        self.0
    }
}

impl From<VerifyErrorKind> for VerifyError {
    fn from(kind: VerifyErrorKind) -> Self {
        Self(kind)
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.message())
    }
}

impl Error for VerifyError {}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident => $code:literal, $message:literal;)*) => {
        /// What is wrong with a token.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum VerifyErrorKind {
            $($(#[$doc])* $kind,)*
        }

        impl VerifyErrorKind {
            /// Every kind, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// A stable name for logs and metrics.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$kind => $code,)* }
            }

            const fn message(self) -> &'static str {
                match self { $(Self::$kind => $message,)* }
            }
        }
    };
}

kinds! {
    /// Over 8 KiB: nothing else was looked at.
    TooLong => "too_long", "the token is too long";
    /// Not three segments of canonical base64url, or no JSON objects in them.
    Malformed => "malformed", "the token is malformed";
    /// A header that would change how the token is to be read (`crit`, `b64`, `zip`, `enc`), that brings a
    /// key along (`jwk`, `jku`, `x5c`, `x5u`), or a `typ` of something else.
    UnsupportedHeader => "unsupported_header", "the token's header asks for what is not supported";
    /// An algorithm that no key of the ring has; `none` first of all.
    Algorithm => "algorithm", "no key has the token's algorithm";
    /// A `kid` that no key of the ring answers to.
    UnknownKey => "unknown_key", "no key has the token's key id";
    /// The signature is not by a key of the ring.
    Signature => "signature", "the signature is wrong";
    /// A claim of a wrong type or out of range, or one that occurs twice.
    InvalidClaims => "invalid_claims", "a claim is malformed";
    /// No `exp`.
    NoExpiry => "no_expiry", "the token never expires";
    /// `exp` has passed.
    Expired => "expired", "the token has expired";
    /// `nbf` or `iat` is still to come.
    NotYetValid => "not_yet_valid", "the token is not valid yet";
    /// It lives longer than tokens may.
    LifetimeTooLong => "lifetime_too_long", "the token lives too long";
    /// `iss` is missing, or somebody else.
    Issuer => "issuer", "the token is of another issuer";
    /// `aud` is missing, or others; or there is one and nobody here answers to any.
    Audience => "audience", "the token is for another audience";
}
