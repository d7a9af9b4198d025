//! What can go wrong while the pieces are put together.
//!
//! ```
//! use omneo_id::error::ConfigErrorKind;
//! use omneo_id::{ApiToken, Tenant};
//!
//! let error = Tenant::new("acme", ApiToken::new("secret")?).unwrap_err();
//! assert_eq!(error.kind(), ConfigErrorKind::InvalidOrigin);
//! # Ok::<(), omneo_id::error::ConfigError>(())
//! ```
//!
//! Once it is built, nothing fails: what goes wrong with a request is answered, with a
//! [`Rejection`](crate::rejection::Rejection).

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// A boxed error that can cross threads: what bodies and clients of any make are turned into.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A choice that cannot work, found while building.
///
/// Everything that can be known before the first request is checked before the first request; this
/// is how it is reported. Neither its `Display` nor its `Debug` holds a secret.
///
/// ```
/// use omneo_id::error::ConfigErrorKind;
/// use omneo_id::keys::SigningKey;
///
/// let error = SigningKey::hs256("hunter2").unwrap_err();
/// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
/// assert_eq!(error.kind(), ConfigErrorKind::WeakSecret);
/// ```
pub struct ConfigError {
    kind: ConfigErrorKind,
    message: Cow<'static, str>,
    source: Option<BoxError>,
}

/// What a [`ConfigError`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// The builder was not told a tenant, an API token or a signing key.
    Missing,
    /// The tenant's origin is not `https://host[:port]` (or `http://` on loopback).
    InvalidOrigin,
    /// A base path is not an absolute, canonical path.
    InvalidBasePath,
    /// An API token cannot be sent as a `Bearer` credential.
    InvalidApiToken,
    /// An HMAC secret is shorter than its hash (32 bytes for HS256), or is the content of a key
    /// file or a text of several lines.
    WeakSecret,
    /// A key does not parse, is too small or does not fit its algorithm.
    InvalidKey,
    /// Two keys of one ring have the same key id.
    DuplicateKeyId,
    /// Neither `aws-lc-rs` nor `rust-crypto` is enabled: nothing can sign or verify.
    NoSignatureBackend,
    /// A life, leeway or deadline is out of its range.
    InvalidDuration,
    /// A rule of an access policy matches nothing, or would do nothing.
    InvalidAccessRule,
    /// A header name may not be passed to the tenant.
    InvalidHeader,
    /// An issuer, audience, realm or key id holds what its place cannot carry.
    InvalidValue,
}

impl ConfigError {
    pub(crate) fn new(kind: ConfigErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    pub(crate) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What this is about, for code that decides by it.
    pub fn kind(&self) -> ConfigErrorKind {
        self.kind
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigError")
            .field("kind", &self.kind)
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
