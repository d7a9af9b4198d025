#[cfg(feature = "client")]
use http::header::ACCEPT;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

use super::list::elements;
use super::single_value::single_value;

/// Whether a request declares its body as JSON in UTF-8: `application/json`, with no `charset` or
/// with `charset=utf-8`, and exactly one `content-type`.
pub fn is_json(headers: &HeaderMap) -> bool {
    let Ok(Some(value)) = single_value(headers, CONTENT_TYPE) else {
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
                // RFC 8259 §11 defines no parameters; unknown ones are ignored.
                _ => true,
            }
        })
}

/// Whether a request declares its body as a form in UTF-8: `application/x-www-form-urlencoded`,
/// with no parameter but `charset=utf-8`, and exactly one `content-type`.
///
/// Other parameters do not count as a form: Laravel parses a body as JSON if `/json` occurs
/// anywhere in its type, parameters included.
pub fn is_form(headers: &HeaderMap) -> bool {
    let Ok(Some(value)) = single_value(headers, CONTENT_TYPE) else {
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

/// Whether a body is sent without a content coding: `Content-Encoding` is absent, empty or
/// `identity`.
pub fn is_unencoded(headers: &HeaderMap) -> bool {
    elements(headers, CONTENT_ENCODING)
        .all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity"))
}

/// Whether `*/*` is the only media range of `Accept`, in any number of header values and with any
/// weight above zero. An empty list is equivalent, and so is `*`, which lenient servers accept.
#[cfg(feature = "client")]
pub(crate) fn accepts_anything(headers: &HeaderMap) -> bool {
    elements(headers, ACCEPT).all(|range| {
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

/// The media type without its parameters, as the WHATWG MIME Sniffing standard names it.
pub(super) fn essence(value: &HeaderValue) -> &[u8] {
    value
        .as_bytes()
        .split(|&byte| byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii()
}
