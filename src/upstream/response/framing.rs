//! The framing of a response: consistent, as forwarded.

use http::StatusCode;
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING};

use crate::headers::single_value;
use crate::upstream::content_length::{self, FramingError};

/// Leaves at most one `Content-Length` in a response, in canonical form, and only if it determines
/// the length of the body.
///
/// # Errors
/// If the framing contradicts itself, or has a transfer coding other than `chunked`.
pub(super) fn normalize_framing(
    headers: &mut HeaderMap,
    status: StatusCode,
) -> Result<(), FramingError> {
    match single_value(headers, TRANSFER_ENCODING) {
        // RFC 9112 §6.3: `Transfer-Encoding` overrides `Content-Length`, which ought to be removed.
        Ok(Some(coding)) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            headers.remove(CONTENT_LENGTH);
        }
        Ok(None) => normalize_length(headers)?,
        // The bytes of another coding would be forwarded as if they were the content.
        _ => return Err(FramingError),
    }
    if status == StatusCode::NO_CONTENT {
        // RFC 9110 §8.6: a 204 has no `Content-Length`.
        headers.remove(CONTENT_LENGTH);
    }
    Ok(())
}

/// Replaces equal lengths by one in canonical form.
fn normalize_length(headers: &mut HeaderMap) -> Result<(), FramingError> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(value) = lengths.next() else {
        return Ok(());
    };
    let length = content_length::parse(value)?;
    let mut is_normal = content_length::is_canonical(value);
    for other in lengths {
        if content_length::parse(other) != Ok(length) {
            return Err(FramingError);
        }
        is_normal = false;
    }
    if !is_normal {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::tests::from_pairs;

    #[test]
    fn a_response_has_at_most_one_length() {
        let normalized = |pairs: &[(&'static str, &'static str)], status: u16| {
            let mut headers = from_pairs(pairs);
            let status = StatusCode::from_u16(status).unwrap();
            let result = normalize_framing(&mut headers, status);
            let length = headers.remove(CONTENT_LENGTH);
            result.map(|()| length.map(|length| length.to_str().unwrap().to_owned()))
        };
        let (cl, te) = ("content-length", "transfer-encoding");
        let five = Ok(Some("5".to_owned()));
        let rejected = Err(FramingError);
        assert_eq!(normalized(&[(cl, "5")], 200), five);
        assert_eq!(normalized(&[(cl, "5")], 304), five);
        assert_eq!(normalized(&[(cl, "5"), (cl, "5")], 200), five);
        assert_eq!(normalized(&[(cl, "05")], 200), five);
        assert_eq!(normalized(&[(cl, "0")], 204), Ok(None));
        assert_eq!(normalized(&[(cl, "5"), (te, "Chunked")], 200), Ok(None));
        assert_eq!(normalized(&[(cl, "5"), (cl, "6")], 200), rejected);
        assert_eq!(normalized(&[(cl, "5, 5")], 200), rejected);
        assert_eq!(normalized(&[(te, "gzip, chunked")], 200), rejected);
        assert_eq!(normalized(&[(te, "gzip"), (te, "chunked")], 200), rejected);
    }
}
