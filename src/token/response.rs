use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body_util::Full;
use serde::Serialize;

use super::IssuedToken;

/// The JSON body of a 200: `{"data":{"token":"…","exp":…}}`.
#[derive(Serialize)]
struct TokenBody<'a> {
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    token: &'a str,
    exp: u64,
}

/// The 200 with the issued token.
pub(in crate::token) fn token_response(token: &IssuedToken) -> Response<Full<Bytes>> {
    let body = TokenBody {
        data: Data {
            token: token.token(),
            exp: token.expires_at(),
        },
    };
    // A string and a number always serialize.
    let json = serde_json::to_vec(&body).unwrap_or_default();
    let mut response = Response::new(Full::from(json));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
