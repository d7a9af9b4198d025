//! How long a body is said to be: one framing for each message, made from the body itself on the
//! way up, and free of contradictions on the way down.

use std::fmt;

use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::{Method, StatusCode};

use crate::headers::{Census, Special};

const CHUNKED: HeaderValue = HeaderValue::from_static("chunked");

/// A request's body, as its framing has to describe it.
#[derive(Clone, Copy, Debug)]
pub(in crate::upstream) enum Framing {
    /// There is none.
    Empty,
    /// So many bytes.
    Exact(u64),
    /// As many as it turns out.
    Unknown,
}

/// A message's framing is malformed, or does not describe its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) struct FramingError(());

impl Framing {
    pub(in crate::upstream) fn of(body: &impl http_body::Body) -> Self {
        match body.size_hint().exact() {
            _ if body.is_end_stream() => Self::Empty,
            // The body has not ended. A limit of zero bytes gives this hint to any body, and a
            // client over HTTP/1.1 would not read on to see the limit exceeded.
            Some(0) | None => Self::Unknown,
            Some(exact) => Self::Exact(exact),
        }
    }

    /// Declares the length of the body in `headers` and returns it. `None`: the length is unknown.
    ///
    /// A host may wrap the body so that its size hint is lost. The length that the client declared
    /// then counts; the body has to be checked against the returned length in any case.
    pub(in crate::upstream) fn declare(
        self,
        headers: &mut HeaderMap,
        census: Census,
        method: &Method,
    ) -> Result<Option<u64>, FramingError> {
        let declared = match census.has(Special::ContentLength) {
            true => headers.get(CONTENT_LENGTH).map(length).transpose()?,
            false => None,
        };
        match self {
            // With a length and no body, the tenant would take the next request for the body.
            Self::Empty if declared.is_some_and(|declared| declared > 0) => Err(FramingError(())),
            // RFC 9110 §8.6: the length of nothing is said where a body is expected.
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
                Err(FramingError(()))
            }
            // A body may be capped below the length that its client declared. With the declared
            // length the request fails visibly; with that of the body it would look complete.
            Self::Exact(exact) => Ok(Some(set_length(headers, declared.unwrap_or(exact)))),
            Self::Unknown => match declared {
                // RFC 9112 §6.3: `Transfer-Encoding` overrides `Content-Length`.
                Some(declared) if !census.has(Special::TransferEncoding) => {
                    Ok(Some(set_length(headers, declared)))
                }
                _ => {
                    headers.remove(CONTENT_LENGTH);
                    // hyper sends a GET or HEAD of unknown length without its body unless told
                    // otherwise, other methods in chunks. Over HTTP/2 it leaves the header out.
                    if matches!(*method, Method::GET | Method::HEAD) {
                        headers.insert(TRANSFER_ENCODING, CHUNKED);
                    }
                    Ok(None)
                }
            },
        }
    }
}

/// Leaves at most one length in an answer, and none that the body need not keep to.
pub(in crate::upstream) fn settle(
    headers: &mut HeaderMap,
    census: Census,
    status: StatusCode,
) -> Result<(), FramingError> {
    if census.has(Special::TransferEncoding) {
        // Another coding would be passed on as if it were the content.
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        let is_chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
        if !codings.next().is_some_and(is_chunked) || codings.next().is_some() {
            return Err(FramingError(()));
        }
        // RFC 9112 §6.3: `Transfer-Encoding` overrides `Content-Length`, which ought to be removed.
        headers.remove(CONTENT_LENGTH);
    } else if census.has(Special::ContentLength) {
        let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
        if let Some(said) = lengths.next() {
            let first = length(said)?;
            let may_stay = is_plain_number(said) && !census.repeats(Special::ContentLength);
            if lengths.any(|other| length(other) != Ok(first)) {
                return Err(FramingError(()));
            }
            if !may_stay {
                headers.insert(CONTENT_LENGTH, first.into());
            }
        }
    }
    if status == StatusCode::NO_CONTENT {
        // RFC 9110 §8.6: no `Content-Length` in a 204.
        headers.remove(CONTENT_LENGTH);
    }
    Ok(())
}

/// Leaves `length` as the only value.
fn set_length(headers: &mut HeaderMap, length: u64) -> u64 {
    if !is_plain(headers) {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    length
}

/// Whether the length is said once, and plainly.
fn is_plain(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    values.next().is_some_and(is_plain_number) && values.next().is_none()
}

/// Whether a length has no leading zero, which somebody would take for octal.
fn is_plain_number(value: &HeaderValue) -> bool {
    let digits = value.as_bytes();
    digits.len() == 1 || !digits.starts_with(b"0")
}

/// RFC 9110 §8.6: `Content-Length = 1*DIGIT`; no sign, no list.
fn length(value: &HeaderValue) -> Result<u64, FramingError> {
    let digits = value
        .to_str()
        .ok()
        .filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or(FramingError(()))
}

impl fmt::Display for FramingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the length of the body is malformed, or not that of the body")
    }
}

impl std::error::Error for FramingError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn text(headers: &HeaderMap) -> Vec<(&str, &str)> {
        let pairs = headers.iter();
        pairs
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect()
    }

    #[test]
    fn the_framing_of_a_request_is_that_of_its_body() {
        let (empty, exact, unknown) = (Framing::Empty, Framing::Exact(5), Framing::Unknown);
        let length = |length| Some(vec![("content-length", length)]);
        let chunked = Some(vec![("transfer-encoding", "chunked")]);
        let nothing = Some(vec![]);
        let refused = None;
        for (declared, method, framing, expected) in [
            (None, Method::GET, empty, nothing.clone()),
            (Some("0"), Method::DELETE, empty, nothing.clone()),
            (None, Method::POST, empty, length("0")),
            (Some("5"), Method::POST, empty, refused.clone()),
            (None, Method::PUT, exact, length("5")),
            (Some("5"), Method::GET, exact, length("5")),
            (Some("005"), Method::GET, exact, length("5")),
            // Capped below what was declared: fails visibly.
            (Some("9"), Method::PUT, exact, length("9")),
            (Some("4"), Method::PUT, exact, refused.clone()),
            // Hidden by a wrapper of the host.
            (Some("5"), Method::POST, unknown, length("5")),
            (Some("5"), Method::GET, unknown, length("5")),
            (Some("005"), Method::POST, unknown, length("5")),
            (Some("0"), Method::POST, unknown, length("0")),
            (None, Method::DELETE, unknown, nothing),
            (None, Method::GET, unknown, chunked.clone()),
            (None, Method::HEAD, unknown, chunked),
            (Some(""), Method::POST, exact, refused.clone()),
            (Some("+5"), Method::POST, exact, refused.clone()),
            (Some("5, 5"), Method::POST, exact, refused.clone()),
            (Some("0x5"), Method::POST, exact, refused.clone()),
            (Some("99999999999999999999"), Method::POST, exact, refused),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(declared) = declared {
                headers.insert(CONTENT_LENGTH, HeaderValue::from_static(declared));
            }
            let census = Census::of(&headers);
            let result = framing.declare(&mut headers, census, &method);
            let actual = result.ok().map(|_| text(&headers));
            assert_eq!(actual, expected, "{declared:?} {method} {framing:?}");
            let declares = actual
                .iter()
                .flatten()
                .find(|(name, _)| *name == "content-length");
            match (result, declares) {
                (Ok(Some(length)), Some((_, said))) => assert_eq!(length.to_string(), *said),
                (Ok(Some(0) | None) | Err(_), None) => {}
                other => panic!("{other:?}: {declared:?} {method} {framing:?}"),
            }
        }
    }

    #[test]
    fn a_transfer_coding_overrides_a_declared_length() {
        let mut headers = headers(&[("content-length", "5"), ("transfer-encoding", "chunked")]);
        let census = Census::of(&headers);
        headers.remove(TRANSFER_ENCODING);
        let length = Framing::Unknown.declare(&mut headers, census, &Method::POST);
        assert_eq!(length, Ok(None));
        assert!(headers.is_empty());
    }

    #[test]
    fn a_hint_of_zero_is_the_length_of_a_body_that_has_ended() {
        use http_body_util::{Full, Limited};

        let full = || Full::new(bytes::Bytes::from_static(b"hello"));
        assert!(matches!(Framing::of(&full()), Framing::Exact(5)));
        assert!(matches!(
            Framing::of(&Limited::new(full(), 0)),
            Framing::Unknown
        ));
        let empty = http_body_util::Empty::<bytes::Bytes>::new();
        assert!(matches!(Framing::of(&empty), Framing::Empty));
    }

    #[test]
    fn an_answer_says_one_length_or_none() {
        let settled = |pairs: &[(&'static str, &'static str)], status: u16| {
            let mut headers = headers(pairs);
            let status = StatusCode::from_u16(status).unwrap();
            let census = Census::of(&headers);
            let result = settle(&mut headers, census, status);
            let length = headers.remove(CONTENT_LENGTH);
            result.map(|()| length.map(|length| length.to_str().unwrap().to_owned()))
        };
        let (cl, te) = ("content-length", "transfer-encoding");
        let five = Ok(Some("5".to_owned()));
        let refused = Err(FramingError(()));
        assert_eq!(settled(&[(cl, "5")], 200), five);
        assert_eq!(settled(&[(cl, "5")], 304), five);
        assert_eq!(settled(&[(cl, "5"), (cl, "5")], 200), five);
        assert_eq!(settled(&[(cl, "05")], 200), five);
        assert_eq!(settled(&[(cl, "0")], 204), Ok(None));
        assert_eq!(settled(&[(cl, "5"), (te, "Chunked")], 200), Ok(None));
        assert_eq!(settled(&[(cl, "5"), (cl, "6")], 200), refused);
        assert_eq!(settled(&[(cl, "5, 5")], 200), refused);
        assert_eq!(settled(&[(te, "gzip, chunked")], 200), refused);
        assert_eq!(settled(&[(te, "gzip"), (te, "chunked")], 200), refused);
    }
}
