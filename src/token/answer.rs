use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body_util::Full;
use serde::Serialize;

use super::IssuedToken;

#[derive(Serialize)]
struct Answer<'a> {
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    token: &'a str,
    exp: u64,
}

/// The answer to a caller that gets a token.
pub(super) fn granted(token: &IssuedToken) -> Response<Full<Bytes>> {
    let answer = Answer {
        data: Data {
            token: token.token(),
            exp: token.expires_at(),
        },
    };
    // A string and a number always serialise.
    let json = serde_json::to_vec(&answer).unwrap_or_default();
    let mut response = Response::new(Full::from(json));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
