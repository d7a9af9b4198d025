use std::error::Error;

use http::{HeaderMap, HeaderName, Method, Request, Response};
use tracing::{Span, field};

use crate::headers::single_value;
use crate::rejection::Rejection;
use crate::report::{Report, Route, TokenCheck};
use crate::tenant::{Tenant, TenantKey};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest request id that is logged, in bytes. A UUID has 36, a SHA-256 digest in hex 64.
const MAX_REQUEST_ID: usize = 64;

/// The span of a request. Its fields are formatted only if a subscriber enables it.
#[derive(Debug)]
pub(in crate::facade) struct Trace {
    span: Span,
}

impl Trace {
    pub(in crate::facade) fn new<B>(request: &Request<B>, tenant: Option<&Tenant>) -> Self {
        let span = tracing::info_span!(
            target: "omneo_id",
            "request",
            http.request.method = method_name(request.method()),
            request.id = request_id(request.headers()),
            tenant.key = request.extensions().get().map(TenantKey::as_str),
            tenant.address = tenant.map(|tenant| tenant.authority().as_str()),
            http.route = field::Empty,
            http.response.status_code = field::Empty,
            error.type = field::Empty,
            cause = field::Empty,
            token = field::Empty,
            tenant.calls = field::Empty,
            tenant.status_code = field::Empty,
            tenant.latency_ms = field::Empty,
        );
        Self { span }
    }

    pub(in crate::facade) fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        self.span.in_scope(work)
    }

    pub(in crate::facade) fn record_response<B>(&self, response: &Response<B>) {
        if !self.span.is_disabled() {
            record(&self.span, response);
        }
    }
}

/// Records all fields at once: a subscriber that stores a span as text parses it again for each
/// record.
fn record<B>(span: &Span, response: &Response<B>) {
    let extensions = response.extensions();
    let rejection = extensions.get::<Rejection>();
    let report = extensions.get::<Report>().copied().unwrap_or_default();
    let tenant = report.tenant();
    // In milliseconds, with three decimals.
    let latency = tenant.map(|tenant| tenant.latency().as_micros() as f64 / 1e3);
    tracing::record_all!(
        span,
        http.route = report.route().map(Route::template),
        http.response.status_code = response.status().as_u16(),
        error.type = rejection.map(|rejection| rejection.kind().code()),
        // Only the outermost cause, which is an error of this crate. Its sources may come from a
        // client or the host, and contain a URL.
        cause = rejection.and_then(Error::source).map(field::display),
        token = report.token().map(TokenCheck::name),
        tenant.calls = tenant.map(|tenant| tenant.calls()),
        tenant.status_code = tenant.and_then(|tenant| Some(tenant.status()?.as_u16())),
        tenant.latency_ms = latency,
    );
}

/// The name of a standard method, else `_OTHER`: the client chooses other names freely, and they
/// could carry personal data into the log.
fn method_name(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::OPTIONS
        | Method::TRACE
        | Method::CONNECT => method.as_str(),
        _ => "_OTHER",
    }
}

/// The request id, if there is exactly one and it consists of characters that are safe in a log.
fn request_id(headers: &HeaderMap) -> Option<&str> {
    let id = single_value(headers, REQUEST_ID).ok()??;
    let is_short = (1..=MAX_REQUEST_ID).contains(&id.len());
    let is_safe = id.as_bytes().iter().all(is_request_id_byte);
    id.to_str().ok().filter(|_| is_short && is_safe)
}

fn is_request_id_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged_id(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(REQUEST_ID, value.parse().unwrap());
        }
        request_id(&headers).map(str::to_owned)
    }

    #[test]
    fn only_a_single_short_and_safe_request_id_is_logged() {
        assert_eq!(logged_id(&["a-b_c.1"]).as_deref(), Some("a-b_c.1"));
        let long = "a".repeat(65);
        for values in [
            &[][..],
            &[""],
            &["ada@example.com"],
            &["a b"],
            &[&long],
            &["a", "b"],
        ] {
            assert_eq!(logged_id(values), None, "{values:?}");
        }
    }

    #[test]
    fn only_a_standard_method_is_logged() {
        assert_eq!(method_name(&Method::PATCH), "PATCH");
        assert_eq!(method_name(&Method::from_bytes(b"ADA").unwrap()), "_OTHER");
    }
}
