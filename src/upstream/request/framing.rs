//! The framing of the request to the tenant: derived from the body itself.

use http::Method;
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING};

use crate::headers::single_value;
use crate::upstream::content_length::{self, FramingError};

const CHUNKED: HeaderValue = HeaderValue::from_static("chunked");

/// The length of a request body, as its framing has to declare it.
#[derive(Clone, Copy, Debug)]
pub(in crate::upstream) enum Framing {
    /// The request has no body.
    Empty,
    /// The number of bytes is known.
    Exact(u64),
    /// The length is known only at the end of the body.
    Unknown,
}

impl Framing {
    pub(in crate::upstream) fn from_body(body: &impl http_body::Body) -> Self {
        match body.size_hint().exact() {
            _ if body.is_end_stream() => Self::Empty,
            // The body has not ended, so the hint is not its length: a body limited to zero bytes
            // has this hint. With a declared length of zero, an HTTP/1.1 client would not poll it
            // and would not receive the error of the limit.
            Some(0) | None => Self::Unknown,
            Some(exact) => Self::Exact(exact),
        }
    }

    /// Declares the length of the body in `headers` and returns it. `None`: the length is unknown.
    ///
    /// `is_chunked`: the client's request has a `Transfer-Encoding`.
    ///
    /// The application may wrap the body so that its size hint is lost. The length that the client
    /// declared is then used. The caller checks the body against the returned length in any case.
    ///
    /// # Errors
    /// If the client's `Content-Length` is malformed, or contradicts the body.
    pub(super) fn declare(
        self,
        headers: &mut HeaderMap,
        is_chunked: bool,
        method: &Method,
    ) -> Result<Option<u64>, FramingError> {
        let declared = headers.get(CONTENT_LENGTH);
        let declared = declared.map(content_length::parse).transpose()?;
        match self {
            // With a length and without a body, the tenant would read the next request as the
            // body.
            Self::Empty if declared.is_some_and(|declared| declared > 0) => Err(FramingError),
            // RFC 9110 §8.6: methods that expect a body declare a length of zero.
            Self::Empty if matches!(*method, Method::POST | Method::PUT | Method::PATCH) => {
                headers.insert(CONTENT_LENGTH, const { HeaderValue::from_static("0") });
                Ok(Some(0))
            }
            Self::Empty => {
                if declared.is_some() {
                    headers.remove(CONTENT_LENGTH);
                }
                Ok(Some(0))
            }
            Self::Exact(exact) if declared.is_some_and(|declared| declared < exact) => {
                Err(FramingError)
            }
            // The application may limit the body below the length that the client declared. With
            // the declared length the call fails; with the limit the body would look complete.
            Self::Exact(exact) => Ok(Some(set_length(headers, declared.unwrap_or(exact)))),
            Self::Unknown => match declared {
                // RFC 9112 §6.3: `Transfer-Encoding` overrides `Content-Length`.
                Some(declared) if !is_chunked => Ok(Some(set_length(headers, declared))),
                _ => {
                    headers.remove(CONTENT_LENGTH);
                    // Without this header hyper drops the body of a GET or HEAD of unknown length;
                    // other methods are chunked by default. Over HTTP/2 it removes the header.
                    if matches!(*method, Method::GET | Method::HEAD) {
                        headers.insert(TRANSFER_ENCODING, CHUNKED);
                    }
                    Ok(None)
                }
            },
        }
    }
}

/// Makes `length` the only value of `Content-Length`, and returns it.
fn set_length(headers: &mut HeaderMap, length: u64) -> u64 {
    if !has_canonical_length(headers) {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    length
}

/// Whether `Content-Length` has one value, in canonical form.
fn has_canonical_length(headers: &HeaderMap) -> bool {
    let value = single_value(headers, CONTENT_LENGTH).ok().flatten();
    value.is_some_and(content_length::is_canonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(headers: &HeaderMap) -> Vec<(&str, &str)> {
        let pairs = headers.iter();
        pairs
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect()
    }

    #[test]
    fn the_framing_is_derived_from_the_body() {
        let (empty, exact, unknown) = (Framing::Empty, Framing::Exact(5), Framing::Unknown);
        let length = |length| Some(vec![("content-length", length)]);
        let chunked = Some(vec![("transfer-encoding", "chunked")]);
        let nothing = Some(vec![]);
        let rejected = None;
        for (declared, method, framing, expected) in [
            (None, Method::GET, empty, nothing.clone()),
            (Some("0"), Method::DELETE, empty, nothing.clone()),
            (None, Method::POST, empty, length("0")),
            (Some("5"), Method::POST, empty, rejected.clone()),
            (None, Method::PUT, exact, length("5")),
            (Some("5"), Method::GET, exact, length("5")),
            (Some("005"), Method::GET, exact, length("5")),
            // Limited below the declared length: the call fails.
            (Some("9"), Method::PUT, exact, length("9")),
            (Some("4"), Method::PUT, exact, rejected.clone()),
            // The size hint is lost in a wrapper of the application.
            (Some("5"), Method::POST, unknown, length("5")),
            (Some("5"), Method::GET, unknown, length("5")),
            (Some("005"), Method::POST, unknown, length("5")),
            (Some("0"), Method::POST, unknown, length("0")),
            (None, Method::DELETE, unknown, nothing),
            (None, Method::GET, unknown, chunked.clone()),
            (None, Method::HEAD, unknown, chunked),
            (Some(""), Method::POST, exact, rejected.clone()),
            (Some("+5"), Method::POST, exact, rejected.clone()),
            (Some("5, 5"), Method::POST, exact, rejected.clone()),
            (Some("0x5"), Method::POST, exact, rejected.clone()),
            (Some("99999999999999999999"), Method::POST, exact, rejected),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(declared) = declared {
                headers.insert(CONTENT_LENGTH, HeaderValue::from_static(declared));
            }
            let result = framing.declare(&mut headers, false, &method);
            let actual = result.ok().map(|_| text(&headers));
            assert_eq!(actual, expected, "{declared:?} {method} {framing:?}");
            let declares = actual
                .iter()
                .flatten()
                .find(|(name, _)| *name == "content-length");
            match (result, declares) {
                (Ok(Some(length)), Some((_, value))) => assert_eq!(length.to_string(), *value),
                (Ok(Some(0) | None) | Err(_), None) => {}
                other => panic!("{other:?}: {declared:?} {method} {framing:?}"),
            }
        }
    }

    #[test]
    fn a_transfer_coding_overrides_a_declared_length() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("5"));
        let length = Framing::Unknown.declare(&mut headers, true, &Method::POST);
        assert_eq!(length, Ok(None));
        assert!(headers.is_empty());
    }

    #[test]
    fn a_size_hint_of_zero_counts_only_for_a_body_that_has_ended() {
        use http_body_util::{Full, Limited};

        let full = || Full::new(bytes::Bytes::from_static(b"hello"));
        assert!(matches!(Framing::from_body(&full()), Framing::Exact(5)));
        assert!(matches!(
            Framing::from_body(&Limited::new(full(), 0)),
            Framing::Unknown
        ));
        let empty = http_body_util::Empty::<bytes::Bytes>::new();
        assert!(matches!(Framing::from_body(&empty), Framing::Empty));
    }
}
