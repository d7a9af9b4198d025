use std::fmt;

use http::HeaderMap;
use http::header::AUTHORIZATION;

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

/// Why an `Authorization` header is not one usable bearer credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialsError {
    /// More than one `Authorization` header: which one counts is anybody's guess, so none does.
    Ambiguous,
    /// Another scheme than `Bearer`, or none.
    Scheme,
    /// Not exactly one space and a `b64token`
    /// ([RFC 6750 §2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)) behind the scheme.
    Malformed,
}

impl<'a> Bearer<'a> {
    /// Reads the one bearer credential of a request. `None`: it carries no `Authorization` at all.
    ///
    /// # Errors
    /// If there are two headers, another scheme, or text that is no token.
    pub fn from_headers(headers: &'a HeaderMap) -> Result<Option<Self>, CredentialsError> {
        let Some(token) = Self::bytes_from_headers(headers)? else {
            return Ok(None);
        };
        match std::str::from_utf8(token) {
            Ok(text) if is_b64token(token) => Ok(Some(Self(text))),
            _ => Err(CredentialsError::Malformed),
        }
    }

    /// As [`from_headers`](Self::from_headers), without validating the token's bytes: for callers
    /// that compare or decode each byte.
    pub(crate) fn bytes_from_headers(
        headers: &'a HeaderMap,
    ) -> Result<Option<&'a [u8]>, CredentialsError> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(CredentialsError::Ambiguous);
        }
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

    /// The token itself.
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
