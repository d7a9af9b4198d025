use std::fmt;
use std::hint::black_box;

use http::HeaderValue;

use crate::error::{ConfigError, ConfigErrorKind};

/// An API token of a tenant. It grants access to all data of the tenant, so it is never displayed.
///
/// `Debug` is redacted, the header value is marked sensitive, and comparisons take constant time.
#[derive(Clone)]
pub struct ApiToken(HeaderValue);

const SCHEME: &str = "Bearer ";

impl ApiToken {
    /// A token as the tenant's administrator created it, without `Bearer`.
    ///
    /// # Errors
    /// If the token is empty or contains anything other than visible ASCII characters.
    pub fn new(token: &str) -> Result<Self, ConfigError> {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid());
        }
        let mut value =
            HeaderValue::from_str(&format!("{SCHEME}{token}")).map_err(|_| invalid())?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// `Bearer …`, marked sensitive.
    pub fn to_header(&self) -> HeaderValue {
        self.0.clone()
    }

    /// Whether `token` is this token. The time depends only on the lengths.
    pub fn matches(&self, token: &str) -> bool {
        self.equals(token.as_bytes())
    }

    /// As [`matches`](Self::matches).
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.equals(other.as_bytes())
    }

    /// As [`matches`](Self::matches), for arbitrary bytes.
    pub(crate) fn equals(&self, other: &[u8]) -> bool {
        let own = self.as_bytes();
        own.len() == other.len()
            && own
                .iter()
                .zip(other)
                .fold(0, |different, (a, b)| black_box(different | (a ^ b)))
                == 0
    }

    /// The part of the token to search for in answers.
    ///
    /// `None` for a token of under 8 characters: such a short text occurs by chance.
    #[cfg(feature = "client")]
    pub(crate) fn telltale(&self) -> Option<&[u8]> {
        // Laravel's tokens look like `7|4fzK…`, and `|` has several encodings. A part without it
        // that is long enough occurs in each of them.
        let parts = self.as_bytes().split(|byte| !byte.is_ascii_alphanumeric());
        let part = match parts.max_by_key(|part| part.len()) {
            Some(part) if part.len() >= 16 => part,
            _ => self.as_bytes(),
        };
        (part.len() >= 8).then_some(part)
    }

    fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes().get(SCHEME.len()..).unwrap_or_default()
    }
}

fn invalid() -> ConfigError {
    ConfigError::new(
        ConfigErrorKind::InvalidApiToken,
        "an API token is one or more visible ASCII characters, without spaces",
    )
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken(…)")
    }
}
