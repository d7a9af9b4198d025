use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use super::{FieldErrors, Rejection, RejectionKind};
use crate::headers::WireProtocol;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// The time before a retry, for clients with a gRPC retry policy
/// ([A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback)).
const GRPC_RETRY_PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// The shape of the tenant's own errors.
#[derive(Serialize)]
struct Message<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<&'a FieldErrors>,
}

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

fn insert_allow(headers: &mut HeaderMap, allow: &str) {
    // Method names and commas are always a valid header value.
    if let Ok(allow) = HeaderValue::from_str(allow) {
        headers.insert(ALLOW, allow);
    }
}

/// The HTTP response. axum converts without the request, so gRPC requests cannot be detected here.
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
impl axum_core::response::IntoResponse for Rejection {
    fn into_response(self) -> axum_core::response::Response {
        self.into_response(WireProtocol::Http).into_response()
    }
}

impl Rejection {
    /// The response, in the protocol of the rejected request. Its extensions contain the rejection.
    pub fn into_response(self, protocol: WireProtocol) -> Response<Full<Bytes>> {
        let mut response = match protocol {
            WireProtocol::Http => self.http_response(),
            WireProtocol::Grpc => self.grpc_response("application/grpc"),
            WireProtocol::GrpcWeb => self.grpc_response("application/grpc-web"),
            WireProtocol::GrpcWebText => self.grpc_response("application/grpc-web-text"),
        };
        response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
        response.extensions_mut().insert(self);
        response
    }

    fn http_response(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.json()));
        *response.status_mut() = self.kind().status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, JSON);
        if let Some(challenge) = self.challenge() {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(allow) = self.allow() {
            insert_allow(headers, allow);
        }
        if let Some(after) = self.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
        }
        response
    }

    /// gRPC over HTTP/2, "Responses": a `Trailers-Only` response is 200 with the status in the
    /// headers and no body. Clients take a plain 401 for a transport failure.
    fn grpc_response(&self, content_type: &'static str) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::OK;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(
            GRPC_STATUS,
            HeaderValue::from(u16::from(self.kind().grpc_status())),
        );
        // The table's messages are ASCII without `%`: they need no percent-encoding.
        headers.insert(
            GRPC_MESSAGE,
            HeaderValue::from_static(self.kind().message()),
        );
        if let Some(after) = self.retry_after() {
            // gRPC clients parse a signed 32-bit number.
            let milliseconds = i32::try_from(after.as_millis()).unwrap_or(i32::MAX);
            headers.insert(GRPC_RETRY_PUSHBACK, HeaderValue::from(milliseconds));
        }
        response
    }

    fn json(&self) -> Bytes {
        if !self.has_own_message() {
            return Bytes::from_static(self.kind().json().as_bytes());
        }
        let message = Message {
            message: self.message(),
            errors: self.errors(),
        };
        match serde_json::to_vec(&message) {
            Ok(json) => json.into(),
            // Strings and maps of strings always serialize; the table's message is the fallback.
            Err(_) => Bytes::from_static(self.kind().json().as_bytes()),
        }
    }

    /// [RFC 6750 §3](https://www.rfc-editor.org/rfc/rfc6750#section-3): a request without any
    /// credential gets a challenge without an error code. No challenge contains the cause.
    fn challenge(&self) -> Option<HeaderValue> {
        let default = match self.kind() {
            RejectionKind::MissingCredentials => r#"Bearer realm="omneo-id""#,
            RejectionKind::InvalidToken => r#"Bearer realm="omneo-id", error="invalid_token""#,
            RejectionKind::AmbiguousCredentials => {
                r#"Bearer realm="omneo-id", error="invalid_request""#
            }
            // RFC 9110 §15.5.2: "The server generating a 401 response MUST send a WWW-Authenticate
            // header field". A bearer token would not help the sender of a webhook.
            RejectionKind::InvalidSignature => r#"HMAC-SHA256 realm="omneo-id""#,
            _ => return None,
        };
        Some(match self.own_challenge() {
            Some(challenge) => challenge.clone(),
            None => HeaderValue::from_static(default),
        })
    }
}

fn whole_seconds(after: Duration) -> u64 {
    after.as_secs() + u64::from(after.subsec_nanos() > 0)
}
