//! The span of a request. Nothing is put into words unless somebody listens.

/// The span, or nothing without the feature `tracing`.
#[derive(Debug)]
pub(super) struct Trace {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

#[cfg(not(feature = "tracing"))]
mod disabled {
    use http::{Request, Response};

    use super::Trace;
    use crate::tenant::Tenant;

    impl Trace {
        pub(in super::super) fn begin<B>(_: &Request<B>, _: &Tenant) -> Self {
            Self {}
        }

        pub(in super::super) fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
            work()
        }

        pub(in super::super) fn answered<B>(&self, _: &Response<B>) {}
    }
}

#[cfg(feature = "tracing")]
mod enabled {
    use std::error::Error;

    use http::{HeaderMap, HeaderName, Method, Request, Response};
    use tracing::{Span, field};

    use super::Trace;
    use crate::headers::single_value;
    use crate::rejection::Rejection;
    use crate::report::{Report, Route, TokenCheck};
    use crate::tenant::Tenant;

    const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
    /// Longer ones are not a client's to put into logs.
    const MAX_REQUEST_ID: usize = 64;

    impl Trace {
        pub(in super::super) fn begin<B>(request: &Request<B>, tenant: &Tenant) -> Self {
            let span = tracing::info_span!(
                target: "omneo_id",
                "request",
                http.request.method = method(request.method()),
                request.id = request_id(request.headers()),
                tenant.address = tenant.authority().as_str(),
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

        pub(in super::super) fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
            self.span.in_scope(work)
        }

        pub(in super::super) fn answered<B>(&self, response: &Response<B>) {
            if !self.span.is_disabled() {
                record(&self.span, response);
            }
        }
    }

    /// All at once: a subscriber that keeps a span as text takes it apart for each record.
    fn record<B>(span: &Span, response: &Response<B>) {
        let extensions = response.extensions();
        let rejection = extensions.get::<Rejection>();
        let report = extensions.get::<Report>().copied().unwrap_or_default();
        let tenant = report.tenant();
        // With three decimals.
        let latency = tenant.map(|tenant| tenant.latency().as_micros() as f64 / 1e3);
        tracing::record_all!(
            span,
            http.route = report.route().map(Route::template),
            http.response.status_code = response.status().as_u16(),
            error.type = rejection.map(|rejection| rejection.kind().code()),
            // The outermost cause is one of ours. What is beneath may be a host's or a client's,
            // and hold a URL.
            cause = rejection.and_then(Error::source).map(field::display),
            token = report.token().map(TokenCheck::name),
            tenant.calls = tenant.map(|tenant| tenant.calls()),
            tenant.status_code = tenant.and_then(|tenant| Some(tenant.status()?.as_u16())),
            tenant.latency_ms = latency,
        );
    }

    /// A method that HTTP knows. Others are a client's words, and have no place in a log.
    fn method(method: &Method) -> &str {
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

    /// The one request id, if it is fit for a log.
    fn request_id(headers: &HeaderMap) -> Option<&str> {
        let id = single_value(headers, REQUEST_ID).ok()??;
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        let fit = (1..=MAX_REQUEST_ID).contains(&id.len()) && id.as_bytes().iter().all(plain);
        id.to_str().ok().filter(|_| fit)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn only_a_fit_request_id_is_logged() {
            let of = |values: &[&str]| {
                let mut headers = HeaderMap::new();
                for value in values {
                    headers.append(REQUEST_ID, value.parse().unwrap());
                }
                request_id(&headers).map(str::to_owned)
            };
            assert_eq!(of(&["a-b_c.1"]).as_deref(), Some("a-b_c.1"));
            let long = "a".repeat(65);
            for unfit in [
                &[][..],
                &[""],
                &["ada@example.com"],
                &["a b"],
                &[&long],
                &["a", "b"],
            ] {
                assert_eq!(of(unfit), None, "{unfit:?}");
            }
        }

        #[test]
        fn only_a_known_method_is_logged() {
            assert_eq!(method(&Method::PATCH), "PATCH");
            assert_eq!(method(&Method::from_bytes(b"ADA").unwrap()), "_OTHER");
        }
    }
}
