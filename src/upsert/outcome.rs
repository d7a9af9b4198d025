use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body_util::Full;

/// What came of a sign-up, in the extensions of the response: for logs and metrics.
///
/// The client is told nothing of it. What is made of it must not reach the client either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UpsertOutcome {
    /// A new profile.
    Created,
    /// Consent of a profile that exists was written.
    Updated,
    /// The profile exists, and the payload answers nothing about consent.
    Unchanged,
    /// The tenant refused it, or its data of the person cannot be used, and nothing was stored; see
    /// [`conceal_tenant_validation`](super::CommsPolicy::conceal_tenant_validation).
    Concealed,
}

impl UpsertOutcome {
    /// The answer, to the byte the same for every outcome.
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
