/// How a valid ID token was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenCheck {
    /// The token was in the cache of verified tokens.
    Cached,
    /// The signature was verified.
    Verified,
}

impl TokenCheck {
    /// A stable name for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cached => "cached",
            Self::Verified => "verified",
        }
    }
}
