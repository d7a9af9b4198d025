use std::fmt;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::single_value::{Repeated, single_value};

/// The credential of an `Authorization: Bearer …` header, borrowed from the request.
///
/// ```
/// use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
/// use omneo_id::headers::Bearer;
///
/// let mut headers = HeaderMap::new();
/// assert_eq!(Bearer::from_headers(&headers).unwrap(), None);
/// headers.insert(AUTHORIZATION, HeaderValue::from_static("bearer abc.def.ghi"));
/// assert_eq!(Bearer::from_headers(&headers).unwrap().unwrap().as_str(), "abc.def.ghi");
/// headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer another"));
/// assert!(Bearer::from_headers(&headers).is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Bearer<'a>(&'a str);

/// Why the `Authorization` header of a request is not a valid bearer credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialsError {
    /// More than one `Authorization` header: servers disagree on which one counts.
    Ambiguous,
    /// Another scheme than `Bearer`, or none.
    Scheme,
    /// The scheme is not followed by exactly one space and a `b64token`
    /// ([RFC 6750 §2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)).
    Malformed,
}

impl<'a> Bearer<'a> {
    /// The bearer credential of a request. `Ok(None)`: the request has no `Authorization` header.
    ///
    /// # Errors
    /// If the header is repeated, has another scheme, or does not have a `b64token`.
    pub fn from_headers(headers: &'a HeaderMap) -> Result<Option<Self>, CredentialsError> {
        let Some(token) = Self::unvalidated(headers)? else {
            return Ok(None);
        };
        match std::str::from_utf8(token) {
            Ok(text) if is_b64token(token) => Ok(Some(Self(text))),
            _ => Err(CredentialsError::Malformed),
        }
    }

    /// As [`from_headers`](Self::from_headers), without validating the bytes of the token: for
    /// callers that compare or decode every byte anyway.
    pub(crate) fn unvalidated(
        headers: &'a HeaderMap,
    ) -> Result<Option<&'a [u8]>, CredentialsError> {
        let Some(value) =
            single_value(headers, AUTHORIZATION).map_err(|Repeated| CredentialsError::Ambiguous)?
        else {
            return Ok(None);
        };
        // RFC 9110 §11.1: the scheme is case-insensitive.
        match value.as_bytes().split_at_checked("bearer".len()) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"bearer") => match rest {
                // `Bearer` alone, two spaces, a tab.
                [] | [b' '] | [b' ', b' ' | b'\t', ..] | [b'\t', ..] => {
                    Err(CredentialsError::Malformed)
                }
                [b' ', token @ ..] => Ok(Some(token)),
                _ => Err(CredentialsError::Scheme),
            },
            _ => Err(CredentialsError::Scheme),
        }
    }

    /// The token, without the scheme.
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

/// RFC 6750 §2.1: `b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
fn is_b64token(token: &[u8]) -> bool {
    let end = token.iter().rposition(|&byte| byte != b'=');
    let Some((body, _)) = end.and_then(|end| token.split_at_checked(end + 1)) else {
        return false;
    };
    body.iter().all(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
    })
}

impl fmt::Debug for Bearer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(…)")
    }
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ambiguous => "more than one Authorization header",
            Self::Scheme => "the authorization scheme is not Bearer",
            Self::Malformed => "the bearer credential is malformed",
        })
    }
}

impl std::error::Error for CredentialsError {}
