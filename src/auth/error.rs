use std::error::Error;
use std::fmt;

/// Why a token was rejected. It appears in logs and response extensions; it is not sent to clients.
///
/// It contains no part of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyError(VerifyErrorKind);

impl VerifyError {
    /// The reason for the rejection.
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
        /// The reason for the rejection of a token.
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
    /// Over 8 KiB; nothing else was checked.
    TooLong => "too_long", "the token is too long";
    /// Not three segments of canonical base64url, or a header or payload that is not a JSON object.
    Malformed => "malformed", "the token is malformed";
    /// A header that changes how the token is read (`crit`, `b64`, `zip`, `enc`) or contains a key
    /// (`jwk`, `jku`, `x5c`, `x5u`), or a `typ` of another kind of token.
    UnsupportedHeader => "unsupported_header", "the token's header has an unsupported parameter";
    /// An algorithm that no key of the ring has, `none` included.
    Algorithm => "algorithm", "no key has the token's algorithm";
    /// A `kid` that matches no key of the ring.
    UnknownKey => "unknown_key", "no key has the token's key id";
    /// The signature does not verify with a key of the ring.
    Signature => "signature", "the signature is wrong";
    /// A claim of the wrong type, out of range, or one that occurs twice.
    InvalidClaims => "invalid_claims", "a claim is malformed";
    /// No `exp`.
    NoExpiry => "no_expiry", "the token never expires";
    /// `exp` has passed.
    Expired => "expired", "the token has expired";
    /// `nbf` or `iat` is in the future.
    NotYetValid => "not_yet_valid", "the token is not valid yet";
    /// The time from `iat` to `exp` is longer than the verifier accepts.
    LifetimeTooLong => "lifetime_too_long", "the token's lifetime is too long";
    /// `iss` is missing or names another issuer.
    Issuer => "issuer", "the token is of another issuer";
    /// `aud` is missing or names other audiences, or is present while no audience is configured.
    Audience => "audience", "the token is for another audience";
    /// The token, or all tokens of its profile, were ended: see
    /// [`Revocations`](crate::Revocations).
    Revoked => "revoked", "the token was revoked";
    /// The store of revocations could not be read for longer than is tolerated: see
    /// [`OnOutage`](crate::revocation::OnOutage). The response is 503.
    RevocationsStale => "revocations_stale", "the store of revocations cannot be read";
    /// The [filter](super::TokenFilter) of the verifier does not accept the token.
    Filtered => "filtered", "the token filter does not accept the token";
}
