use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body_util::Full;

/// The outcome of a sign-up, in the extensions of the response, for logs and metrics.
///
/// The response itself does not depend on the outcome. Do not derive anything from the outcome that
/// reaches the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UpsertOutcome {
    /// A profile was created.
    Created,
    /// The consent of an existing profile was changed.
    Updated,
    /// The profile exists, and the payload has no consent field with a value.
    Unchanged,
    /// Nothing was stored: the tenant rejected the payload, or its data of the person is ambiguous.
    /// See [`conceal_tenant_validation`](super::CommsPolicy::conceal_tenant_validation).
    Concealed,
}

impl UpsertOutcome {
    /// The response. Its status, headers and body are the same for every outcome.
    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let body = Bytes::from_static(br#"{"data":{"success":true}}"#);
        let mut response = Response::new(Full::new(body));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.extensions_mut().insert(self);
        response
    }
}
