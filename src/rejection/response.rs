//! Responses without a body.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;

pub(super) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The response to `OPTIONS`: 204, with the methods of a path in the `Allow` header.
///
/// In this module, because it has the table of the crate's own responses.
pub fn options(allow: impl Into<Cow<'static, str>>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    insert_allow(response.headers_mut(), &allow.into());
    response
}

/// The 204 of the endpoints without a response body.
pub(crate) fn no_content() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

pub(super) fn insert_allow(headers: &mut HeaderMap, allow: &str) {
    // Method names and commas are always a valid header value.
    if let Ok(allow) = HeaderValue::from_str(allow) {
        headers.insert(ALLOW, allow);
    }
}
