use std::error::Error;
use std::fmt;
use std::pin::pin;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError};

use crate::error::BoxError;
use crate::headers::is_json;
use crate::rejection::{Rejection, RejectionKind};

/// Whether a body that is declared like this may be read at all. Pure.
pub(super) fn gate(headers: &HeaderMap, limit: usize) -> Result<(), Rejection> {
    if !is_json(headers) || !is_identity(headers) {
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

fn is_identity(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().all(|value| {
        value.as_bytes().split(|&byte| byte == b',').all(|coding| {
            let coding = coding.trim_ascii();
            coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")
        })
    })
}

/// Reads a client's body, holding at most `limit` bytes of it.
pub(super) async fn read<B>(body: B, limit: usize) -> Result<Bytes, Rejection>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    match collect(body, limit).await {
        Ok(bytes) if bytes.is_empty() => {
            Err(Rejection::new(RejectionKind::MalformedBody)
                .with_message("The request body is empty."))
        }
        Ok(bytes) => Ok(bytes),
        Err(Broken::TooLong) => Err(RejectionKind::PayloadTooLarge.into()),
        Err(Broken::Error(error)) => Err(blame(error)),
    }
}

/// The client's part in a body that failed. A limit or a deadline that the host set outside of this
/// layer is told by its error.
fn blame(error: BodyError) -> Rejection {
    if let Some(rejection) = error.find::<Rejection>() {
        return rejection.clone();
    }
    #[cfg(feature = "client")]
    if error.find::<crate::body::IdleError>().is_some() {
        return RejectionKind::RequestTimeout.into();
    }
    if error.find::<LengthLimitError>().is_some() {
        return RejectionKind::PayloadTooLarge.into();
    }
    Rejection::new(RejectionKind::BodyAborted).because(error)
}

/// All of a body, unless it is longer than `limit` or breaks.
pub(super) async fn collect<B>(body: B, limit: usize) -> Result<Bytes, Broken>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    if body.size_hint().lower() > limit as u64 {
        return Err(Broken::TooLong);
    }
    let mut body = pin!(body);
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Broken::Error(BodyError(error.into())))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if data.remaining() > limit - bytes.len() {
            return Err(Broken::TooLong);
        }
        bytes.put(data);
    }
    Ok(bytes.freeze())
}

/// Why a body could not be had.
#[derive(Debug)]
pub(super) enum Broken {
    TooLong,
    Error(BodyError),
}

/// A body's own error.
#[derive(Debug)]
pub(super) struct BodyError(BoxError);

impl BodyError {
    /// The first error of this type, from the outermost to the cause.
    pub(super) fn find<E: Error + 'static>(&self) -> Option<&E> {
        let mut error: Option<&(dyn Error + 'static)> = Some(&*self.0);
        while let Some(current) = error {
            if let Some(found) = current.downcast_ref() {
                return Some(found);
            }
            error = current.source();
        }
        None
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body broke off")
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
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
