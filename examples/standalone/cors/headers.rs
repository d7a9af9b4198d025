//! The default CORS headers: request headers that pages may send, response headers that they may
//! read.

use http::HeaderName;
use omneo_id::headers::RequestHeaders;

/// Allowed request headers besides those that are forwarded to the tenant: authorization, and the
/// headers that monitoring scripts add to all requests of a page.
const ALLOWED: &[&str] = &[
    "authorization",
    "x-requested-with",
    // Trace context of OpenTelemetry (B3, Jaeger and OpenTracing formats) and of W3C baggage.
    "b3",
    "baggage",
    "ot-tracer-sampled",
    "ot-tracer-spanid",
    "ot-tracer-traceid",
    "uber-trace-id",
    "x-b3-flags",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-spanid",
    "x-b3-traceid",
    // Sentry
    "sentry-trace",
    // Datadog
    "x-datadog-origin",
    "x-datadog-parent-id",
    "x-datadog-sampling-priority",
    "x-datadog-tags",
    "x-datadog-trace-id",
    // New Relic
    "newrelic",
    // Elastic APM
    "elastic-apm-traceparent",
    // AWS X-Ray
    "x-amzn-trace-id",
    // Google Cloud
    "x-cloud-trace-context",
    // Azure Application Insights
    "correlation-context",
    "request-context",
    "request-id",
    // Instana
    "x-instana-l",
    "x-instana-s",
    "x-instana-t",
    // Dynatrace
    "x-dtc",
    "x-dtpc",
    "x-dtreferer",
    // AppDynamics
    "adrum",
    // Common names of request ids
    "x-correlation-id",
    "x-trace-id",
];

/// Exposed response headers besides the CORS-safelisted ones of the Fetch standard.
const EXPOSED: &[&str] = &[
    "etag",
    "location",
    "retry-after",
    "www-authenticate",
    "x-request-id",
];

/// Parses header names. `*` means all names except `authorization`, as in the Fetch standard.
///
/// # Errors
/// If one of them is not a header name.
pub(crate) fn header_names(names: &[String]) -> Result<Vec<HeaderName>, String> {
    let names = names.iter().map(|name| name.trim());
    let names = names.filter(|name| !name.is_empty());
    let parse = |name: &str| {
        HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("{name:?} is not a header name"))
    };
    names.map(parse).collect()
}

/// The default request headers and further ones, each once.
pub(super) fn with_default(further: Vec<HeaderName>) -> Vec<HeaderName> {
    let forwarded = RequestHeaders::default();
    let allowed = ALLOWED.iter().copied().map(HeaderName::from_static);
    unique(forwarded.names().chain(allowed).chain(further))
}

/// The default response headers and further ones, each once.
pub(super) fn exposed_with_default(further: Vec<HeaderName>) -> Vec<HeaderName> {
    let exposed = EXPOSED.iter().copied().map(HeaderName::from_static);
    unique(exposed.chain(further))
}

fn unique(names: impl Iterator<Item = HeaderName>) -> Vec<HeaderName> {
    let mut unique = Vec::new();
    for name in names {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    unique
}
