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
    use crate::rejection::Rejection;
    use crate::report::Report;
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

    fn record<B>(span: &Span, response: &Response<B>) {
        span.record("http.response.status_code", response.status().as_u16());
        let extensions = response.extensions();
        if let Some(rejection) = extensions.get::<Rejection>() {
            span.record("error.type", rejection.kind().code());
            // The outermost cause is one of ours. What is beneath may be a host's or a client's, and
            // hold a URL.
            if let Some(cause) = rejection.source() {
                span.record("cause", field::display(cause));
            }
        }
        let Some(report) = extensions.get::<Report>() else {
            return;
        };
        if let Some(route) = report.route() {
            span.record("http.route", route.template());
        }
        if let Some(token) = report.token() {
            span.record("token", token.name());
        }
        if let Some(tenant) = report.tenant() {
            span.record("tenant.calls", tenant.calls());
            let latency = tenant.latency().as_millis();
            span.record("tenant.latency_ms", u64::try_from(latency).ok());
            if let Some(status) = tenant.status() {
                span.record("tenant.status_code", status.as_u16());
            }
        }
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
        let mut ids = headers.get_all(REQUEST_ID).iter();
        let (Some(id), None) = (ids.next(), ids.next()) else {
            return None;
        };
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
