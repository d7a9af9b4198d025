use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::Body;

use crate::error::BoxError;
use crate::headers::{is_json, is_unencoded};
use crate::read::{CollectError, ReadTimeout};
use crate::rejection::{Rejection, RejectionKind};

/// Whether a body that is declared like this may be read at all. Pure.
pub(super) fn gate(headers: &HeaderMap, limit: usize) -> Result<(), Rejection> {
    if !is_json(headers) || !is_unencoded(headers) {
        return Err(RejectionKind::UnsupportedMediaType.into());
    }
    // Two lengths, or one that is no number, are the server's to refuse: what counts here is that
    // no declaration over the limit is believed to be under it.
    let too_long = |declared: &http::HeaderValue| {
        let declared = declared.to_str().ok().map(str::trim);
        declared.is_some_and(|text| {
            text.parse::<u64>()
                .is_ok_and(|length| length > limit as u64)
        })
    };
    if headers.get_all(CONTENT_LENGTH).iter().any(too_long) {
        return Err(RejectionKind::PayloadTooLarge.into());
    }
    Ok(())
}

/// Reads a client's body, holding at most `limit` bytes of it.
pub(super) async fn read<B>(body: B, limit: usize, timeout: ReadTimeout) -> Result<Bytes, Rejection>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let bytes = timeout.collect(body, limit).await;
    let bytes = bytes.map_err(CollectError::into_request_rejection)?;
    if bytes.is_empty() {
        let rejection = Rejection::new(RejectionKind::MalformedBody);
        return Err(rejection.with_message("The request body is empty."));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn kind(lines: &[(&'static str, &'static str)]) -> Option<RejectionKind> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        gate(&headers, 100).err().map(|rejection| rejection.kind())
    }

    #[test]
    fn only_plain_json_of_a_sane_length_is_read() {
        const JSON: (&str, &str) = ("content-type", "application/json");
        const TYPE: Option<RejectionKind> = Some(RejectionKind::UnsupportedMediaType);
        assert_eq!(kind(&[JSON]), None);
        assert_eq!(
            kind(&[("content-type", "Application/JSON; charset=UTF-8")]),
            None
        );
        assert_eq!(kind(&[JSON, ("content-encoding", "Identity")]), None);
        assert_eq!(kind(&[JSON, ("content-length", "100")]), None);
        assert_eq!(kind(&[]), TYPE);
        assert_eq!(kind(&[JSON, JSON]), TYPE);
        assert_eq!(kind(&[("content-type", "text/json")]), TYPE);
        assert_eq!(
            kind(&[("content-type", "application/json; charset=utf-16")]),
            TYPE
        );
        assert_eq!(
            kind(&[("content-type", "application/x-www-form-urlencoded")]),
            TYPE
        );
        assert_eq!(kind(&[("content-type", "application/grpc")]), TYPE);
        assert_eq!(kind(&[JSON, ("content-encoding", "gzip")]), TYPE);
        assert_eq!(kind(&[JSON, ("content-encoding", "identity, br")]), TYPE);
        assert_eq!(
            kind(&[JSON, ("content-length", "101")]),
            Some(RejectionKind::PayloadTooLarge)
        );
        assert_eq!(
            kind(&[JSON, ("content-length", "5"), ("content-length", "5000")]),
            Some(RejectionKind::PayloadTooLarge)
        );
    }
}
