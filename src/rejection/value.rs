use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use super::response::{NO_STORE, insert_allow};
use super::{FieldErrors, RejectionKind};
use crate::error::BoxError;
use crate::headers::WireProtocol;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_RETRY_PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// A response of this crate's own: a rejected request or a failed call of the tenant.
///
/// See the [module docs](super). Clones share the cause.
#[derive(Clone)]
pub struct Rejection {
    kind: RejectionKind,
    // Boxed, so that a `Result` stays small; most rejections have no details.
    details: Option<Box<Details>>,
}

/// The data that one case adds to its kind.
#[derive(Clone, Default)]
struct Details {
    message: Option<Cow<'static, str>>,
    errors: Option<Arc<FieldErrors>>,
    retry_after: Option<Duration>,
    allow: Option<Cow<'static, str>>,
    challenge: Option<HeaderValue>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl Rejection {
    /// A rejection of this kind, without details.
    pub const fn new(kind: RejectionKind) -> Self {
        Self {
            kind,
            details: None,
        }
    }

    /// A method that the path does not support. `allow` is the value of the `Allow` header.
    pub fn method_not_allowed(allow: impl Into<Cow<'static, str>>) -> Self {
        Self::new(RejectionKind::MethodNotAllowed)
            .edit(|details| details.allow = Some(allow.into()))
    }

    /// Invalid fields, in the shape of the tenant's 422.
    pub fn invalid_fields(errors: FieldErrors) -> Self {
        Self::new(RejectionKind::InvalidFields)
            .edit(|details| details.errors = Some(Arc::new(errors)))
    }

    /// Replaces the message that the client receives. It must not contain a secret.
    ///
    /// Default is [`RejectionKind::message`].
    #[must_use]
    pub fn with_message(self, message: impl Into<Cow<'static, str>>) -> Self {
        self.edit(|details| details.message = Some(message.into()))
    }

    /// Replaces the time after which the client may retry: `Retry-After` in whole seconds, rounded
    /// up, or `grpc-retry-pushback-ms` over gRPC.
    ///
    /// Default is to send neither.
    #[must_use]
    pub fn with_retry_after(self, after: Duration) -> Self {
        self.edit(|details| details.retry_after = Some(after))
    }

    /// Replaces the `WWW-Authenticate` challenge of a rejected credential.
    ///
    /// Default is the `Bearer` challenge of [RFC 6750
    /// §3](https://www.rfc-editor.org/rfc/rfc6750#section-3) with the realm `omneo-id`.
    #[must_use]
    pub fn with_challenge(self, challenge: HeaderValue) -> Self {
        self.edit(|details| details.challenge = Some(challenge))
    }

    /// Replaces the cause, which appears in logs and extensions. Clients never receive it.
    ///
    /// Default is to have no cause.
    #[must_use]
    pub fn because(self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.edit(|details| details.cause = Some(Arc::new(cause)))
    }

    /// As [`because`](Self::because), for a cause that is only a text.
    pub(crate) fn because_text(self, cause: impl Into<Cow<'static, str>>) -> Self {
        let cause = BoxError::from(cause.into());
        self.edit(|details| details.cause = Some(Arc::from(cause)))
    }

    fn edit(mut self, change: impl FnOnce(&mut Details)) -> Self {
        change(self.details.get_or_insert_default());
        self
    }

    /// The kind, which decides status, code and message.
    pub fn kind(&self) -> RejectionKind {
        self.kind
    }

    /// The message that the client receives.
    pub fn message(&self) -> &str {
        let own = self.details.as_ref().and_then(|details| {
            let first = || details.errors.as_ref().and_then(|errors| errors.first());
            details.message.as_deref().or_else(first)
        });
        own.unwrap_or_else(|| self.kind.message())
    }

    /// The invalid fields, if any.
    pub fn errors(&self) -> Option<&FieldErrors> {
        self.details.as_ref()?.errors.as_deref()
    }

    /// Whether the message or the fields differ from the kind's own.
    fn has_own_message(&self) -> bool {
        let details = self.details.as_ref();
        details.is_some_and(|details| details.message.is_some() || details.errors.is_some())
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.details.as_ref()?.retry_after
    }

    fn allow(&self) -> Option<&str> {
        self.details.as_ref()?.allow.as_deref()
    }

    fn own_challenge(&self) -> Option<&HeaderValue> {
        self.details.as_ref()?.challenge.as_ref()
    }

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

/// The HTTP response. axum converts without the request, so gRPC requests cannot be detected here.
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
impl axum_core::response::IntoResponse for Rejection {
    fn into_response(self) -> axum_core::response::Response {
        self.into_response(WireProtocol::Http).into_response()
    }
}

impl From<RejectionKind> for Rejection {
    fn from(kind: RejectionKind) -> Self {
        Self::new(kind)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.code())
    }
}

impl fmt::Debug for Rejection {
    /// The kind and the cause. Messages and fields are omitted: they may contain client input.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejection")
            .field("kind", &self.kind)
            .field("cause", &self.source())
            .finish_non_exhaustive()
    }
}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let cause = self.details.as_ref()?.cause.as_ref()?;
        Some(&**cause)
    }
}

/// The shape of the tenant's own errors.
#[derive(Serialize)]
struct Message<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<&'a FieldErrors>,
}

fn whole_seconds(after: Duration) -> u64 {
    after.as_secs() + u64::from(after.subsec_nanos() > 0)
}
