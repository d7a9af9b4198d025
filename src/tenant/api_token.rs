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
/// A shorter text occurs in responses by chance.
#[cfg(feature = "client")]
const MIN_PATTERN_LEN: usize = 8;
/// The part of a token that is searched for instead of the complete token has at least 16
/// characters: 16 letters and digits have more than 90 bits.
#[cfg(feature = "client")]
const MIN_PART_LEN: usize = 16;

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
        self.matches_bytes(token.as_bytes())
    }

    /// As [`matches`](Self::matches), for arbitrary bytes.
    pub(crate) fn matches_bytes(&self, other: &[u8]) -> bool {
        let token = self.as_bytes();
        token.len() == other.len()
            && token
                .iter()
                .zip(other)
                .fold(0, |different, (a, b)| black_box(different | (a ^ b)))
                == 0
    }

    /// The part of the token to search for in responses. `None` for a token of under 8 characters.
    #[cfg(feature = "client")]
    pub(crate) fn search_pattern(&self) -> Option<&[u8]> {
        // Laravel's tokens look like `7|4fzK…`, and `|` has several encodings. A part without it
        // that is long enough occurs in each of them.
        let parts = self.as_bytes().split(|byte| !byte.is_ascii_alphanumeric());
        let part = match parts.max_by_key(|part| part.len()) {
            Some(part) if part.len() >= MIN_PART_LEN => part,
            _ => self.as_bytes(),
        };
        (part.len() >= MIN_PATTERN_LEN).then_some(part)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
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
