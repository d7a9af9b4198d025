use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue};
use http_body::Body;

use crate::error::BoxError;
use crate::headers::{is_json, is_unencoded};
use crate::read::{CollectError, ReadTimeout};
use crate::rejection::{Rejection, RejectionKind};

/// Checks the declared type, encoding and length of a body before it is read.
pub(super) fn check_headers(headers: &HeaderMap, limit: usize) -> Result<(), Rejection> {
    if !is_json(headers) || !is_unencoded(headers) {
        return Err(RejectionKind::UnsupportedMediaType.into());
    }
    // The server rejects conflicting and malformed lengths. Here, one length over the limit is
    // enough to reject the request.
    let lengths = headers.get_all(CONTENT_LENGTH);
    if lengths.iter().any(|length| exceeds(length, limit)) {
        return Err(RejectionKind::PayloadTooLarge.into());
    }
    Ok(())
}

fn exceeds(length: &HeaderValue, limit: usize) -> bool {
    let length = length.to_str().ok();
    let length = length.and_then(|text| text.trim().parse::<u64>().ok());
    length.is_some_and(|length| length > limit as u64)
}

/// Reads the body of a client's request, buffering at most `limit` bytes.
pub(super) async fn read_body<B>(
    body: B,
    limit: usize,
    timeout: ReadTimeout,
) -> Result<Bytes, Rejection>
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
    use super::*;
    use crate::headers::tests::from_pairs;

    fn kind(headers: &[(&'static str, &'static str)]) -> Option<RejectionKind> {
        check_headers(&from_pairs(headers), 100)
            .err()
            .map(|rejection| rejection.kind())
    }

    #[test]
    fn only_unencoded_json_within_the_limit_is_accepted() {
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
