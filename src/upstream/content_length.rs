//! The grammar of `Content-Length`, for requests and responses.

use std::fmt;

use http::HeaderValue;

/// The framing of a message is malformed, or does not describe its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FramingError;

/// RFC 9110 §8.6: `Content-Length = 1*DIGIT`, without a sign and not a list.
pub(super) fn parse(value: &HeaderValue) -> Result<u64, FramingError> {
    let digits = value
        .to_str()
        .ok()
        .filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or(FramingError)
}

/// Whether a valid length has no leading zeros, which some parsers read as octal.
pub(super) fn is_canonical(value: &HeaderValue) -> bool {
    let digits = value.as_bytes();
    digits.len() == 1 || !digits.starts_with(b"0")
}

impl fmt::Display for FramingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the framing is malformed, or does not match the length of the body")
    }
}

impl std::error::Error for FramingError {}
