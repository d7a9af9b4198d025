//! Headers that pages of other origins may send and read.

use http::HeaderName;
use omneo_id::headers::RequestHeaders;

/// What pages and their scripts send besides the headers that are forwarded to the tenant.
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
    "x-dtpc",
    "x-dtreferer",
    // AppDynamics
    "adrum",
    // Names that applications give to an id of the request.
    "x-correlation-id",
    "x-trace-id",
];

/// What pages may read besides the headers that the Fetch standard lets them read.
const EXPOSED: &[&str] = &[
    "etag",
    "location",
    "retry-after",
    "www-authenticate",
    "x-request-id",
];

/// Names of headers; `*` stands for all but `authorization`, as the Fetch standard has it.
pub(crate) fn header_names(names: &[String]) -> Result<Vec<HeaderName>, String> {
    let names = names.iter().map(|name| name.trim());
    let names = names.filter(|name| !name.is_empty());
    let parse = |name: &str| {
        HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("{name:?} is not a header name"))
    };
    names.map(parse).collect()
}

/// The default request headers, and these.
pub(super) fn with_default(further: Vec<HeaderName>) -> Vec<HeaderName> {
    let forwarded = RequestHeaders::default();
    let allowed = ALLOWED.iter().copied().map(HeaderName::from_static);
    unique(forwarded.names().chain(allowed).chain(further))
}

/// The default response headers, and these.
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
