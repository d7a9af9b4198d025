//! The errors of a configuration.
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
//! The service itself returns no error: a failed request has a response with a
//! [`Rejection`](crate::Rejection).

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// A boxed error that can cross threads: the error of bodies and clients of any type.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// An invalid value of a configuration, reported before the first request.
///
/// Neither its `Display` nor its `Debug` shows a secret.
///
/// ```
/// use omneo_id::error::ConfigErrorKind;
/// use omneo_id::SigningKey;
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

/// The kind of a [`ConfigError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// The builder has no tenant, API token or signing key.
    Missing,
    /// The tenant's origin is not `https://host[:port]` (or `http://` on loopback).
    InvalidOrigin,
    /// A base path is not an absolute, canonical path.
    InvalidBasePath,
    /// An API token cannot be sent as a `Bearer` credential.
    InvalidApiToken,
    /// An HMAC secret is shorter than its hash (32 bytes for HS256), is the content of a key file,
    /// or has several lines.
    WeakSecret,
    /// A key does not parse, is too small or does not fit its algorithm.
    InvalidKey,
    /// Two keys of a keyring have the same key id.
    DuplicateKeyId,
    /// Neither of the features `aws-lc-rs` and `rust-crypto`, which sign and verify, is enabled.
    NoSignatureBackend,
    /// A lifetime, leeway or deadline is out of its range.
    InvalidDuration,
    /// A rule of an access policy matches no request, or has no effect.
    InvalidAccessRule,
    /// A header may not be forwarded to the tenant.
    InvalidHeader,
    /// Two tenants of one process have the same host, audience or set of ended sessions.
    TenantConflict,
    /// An issuer, audience, realm, key id or name of a claim contains characters that its field
    /// cannot carry, or is reserved; or a root certificate or the URL of a proxy is not usable.
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

    /// The kind of the error.
    pub fn kind(&self) -> ConfigErrorKind {
        self.kind
    }
}

/// The first error of type `E` in the chain of sources, starting with `error` itself.
pub(crate) fn find_source<'a, E: Error + 'static>(
    error: &'a (dyn Error + 'static),
) -> Option<&'a E> {
    let mut error = Some(error);
    while let Some(current) = error {
        if let Some(found) = current.downcast_ref() {
            return Some(found);
        }
        error = current.source();
    }
    None
}

/// Checks the name of an issuer or audience.
pub(crate) fn issuer_or_audience(name: &str) -> Result<Box<str>, ConfigError> {
    match name.is_empty() {
        true => Err(ConfigError::new(
            ConfigErrorKind::InvalidValue,
            "an issuer or audience cannot be empty",
        )),
        false => Ok(name.into()),
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
