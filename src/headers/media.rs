#[cfg(feature = "client")]
use http::header::ACCEPT;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

/// In which protocol a caller expects to be refused.
///
/// Decided for each request from its `content-type`, so one server can carry HTTP and gRPC side by
/// side and each caller understands the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WireProtocol {
    /// Plain HTTP: a status, and JSON.
    Http,
    /// gRPC over HTTP/2: 200, trailers-only, `grpc-status`.
    Grpc,
    /// gRPC-Web: the same, under its own media type.
    GrpcWeb,
    /// gRPC-Web with base64 text bodies.
    GrpcWebText,
}

impl WireProtocol {
    /// The protocol of a request with these headers.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let Some(media) = headers.get(CONTENT_TYPE).map(essence) else {
            return Self::Http;
        };
        let is = |prefix: &[u8]| {
            media
                .split_at_checked(prefix.len())
                .is_some_and(|(head, tail)| {
                    head.eq_ignore_ascii_case(prefix) && (tail.is_empty() || tail.starts_with(b"+"))
                })
        };
        if is(b"application/grpc") {
            Self::Grpc
        } else if is(b"application/grpc-web") {
            Self::GrpcWeb
        } else if is(b"application/grpc-web-text") {
            Self::GrpcWebText
        } else {
            Self::Http
        }
    }
}

/// Whether a request declares its body as JSON in UTF-8: `application/json`, with no `charset` or
/// with `charset=utf-8`, and exactly one `content-type`.
pub fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    if !essence(value).eq_ignore_ascii_case(b"application/json") {
        return false;
    }
    value
        .as_bytes()
        .split(|&byte| byte == b';')
        .skip(1)
        .all(|parameter| {
            let parameter = parameter.trim_ascii();
            match parameter.split_at_checked("charset=".len()) {
                Some((name, value)) if name.eq_ignore_ascii_case(b"charset=") => {
                    let value = value
                        .strip_prefix(b"\"")
                        .and_then(|value| value.strip_suffix(b"\""))
                        .unwrap_or(value);
                    value.eq_ignore_ascii_case(b"utf-8")
                }
                // RFC 8259 §11 defines no parameter; others are ignored.
                _ => true,
            }
        })
}

/// Whether a request declares its body as a form in UTF-8: `application/x-www-form-urlencoded`,
/// with no parameter but `charset=utf-8`, and exactly one `content-type`.
///
/// Another parameter is refused: Laravel takes for JSON whatever has `/json` anywhere in its type.
pub fn is_form(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let mut parts = value.as_bytes().split(|&byte| byte == b';');
    let media = parts.next().unwrap_or_default().trim_ascii();
    media.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
        && parts.all(|parameter| {
            parameter
                .trim_ascii()
                .eq_ignore_ascii_case(b"charset=utf-8")
        })
}

/// Whether a body is declared as HTML, by any `content-type`.
pub(crate) fn is_html(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_TYPE).iter().any(|value| {
        let media = essence(value);
        media.eq_ignore_ascii_case(b"text/html")
            || media.eq_ignore_ascii_case(b"application/xhtml+xml")
    })
}

/// Whether a body is sent as it is, in no content coding.
pub fn is_unencoded(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().all(|value| {
        value.as_bytes().split(|&byte| byte == b',').all(|coding| {
            let coding = coding.trim_ascii();
            coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")
        })
    })
}

/// Whether `Accept` says no more than `*/*`: that is its only media range, on however many lines,
/// with any weight above zero. An empty list says the same, and so does `*`, as lenient servers
/// read it.
#[cfg(feature = "client")]
pub(crate) fn accepts_anything(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT).iter();
    let mut ranges = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    ranges.all(|range| {
        let mut parts = range.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let media = parts.next().unwrap_or_default();
        matches!(media, b"" | b"*" | b"*/*") && parts.all(is_positive_weight)
    })
}

/// RFC 9110 §12.4.2: `weight = OWS ";" OWS "q=" qvalue`, from 0 to 1.
#[cfg(feature = "client")]
fn is_positive_weight(parameter: &[u8]) -> bool {
    let [b'q' | b'Q', b'=', value @ ..] = parameter else {
        return false;
    };
    let is_number = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    value.iter().all(is_number) && value.iter().any(|byte| matches!(byte, b'1'..=b'9'))
}

/// The media type without its parameters.
fn essence(value: &HeaderValue) -> &[u8] {
    value
        .as_bytes()
        .split(|&byte| byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii()
}
