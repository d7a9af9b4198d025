//! `GET /healthz`, liveness: the process responds. `GET /readyz`, readiness: the server does not
//! shut down, and with a single tenant, that tenant is ready. With several tenants,
//! `GET /readyz/{tenant}` is the readiness of one: an outage of it does not take the server out of
//! rotation for the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use omneo_id::Body;

use crate::tenants::{Prober, Readiness, ServedTenant, ServedTenants};

const HEALTH: &str = "/healthz";
const READY: &str = "/readyz";

/// The key in `/readyz/{tenant}`.
fn tenant_key(path: &str) -> Option<&str> {
    path.strip_prefix(READY)?.strip_prefix('/')
}

/// Whether a path is that of a probe.
pub(crate) fn is_probe(path: &str) -> bool {
    path == HEALTH || path == READY || tenant_key(path).is_some()
}

/// Serves the probes.
pub(crate) struct Health {
    tenants: Arc<ServedTenants>,
    prober: Arc<Prober>,
    is_shutting_down: Arc<AtomicBool>,
}

impl Health {
    pub(crate) fn new(
        tenants: Arc<ServedTenants>,
        prober: Arc<Prober>,
        is_shutting_down: Arc<AtomicBool>,
    ) -> Self {
        Self {
            tenants,
            prober,
            is_shutting_down,
        }
    }

    pub(crate) async fn respond<B>(&self, request: &Request<B>) -> Response<Body> {
        let path = request.uri().path();
        let tenant = match tenant_key(path) {
            None => self.tenants.single(),
            Some(key) => match self.tenants.get(key) {
                Some(tenant) => Some(tenant),
                None => {
                    let body = r#"{"message":"There is no such tenant."}"#;
                    return json(StatusCode::NOT_FOUND, body);
                }
            },
        };
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let body = r#"{"message":"The method is not allowed here."}"#;
            let mut response = json(StatusCode::METHOD_NOT_ALLOWED, body);
            let allow = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, allow);
            return response;
        }
        if path == HEALTH {
            return json(StatusCode::OK, r#"{"status":"ok"}"#);
        }
        if self.is_shutting_down.load(Ordering::Acquire) {
            return unavailable("the server is shutting down");
        }
        match self.readiness(tenant).await {
            Readiness::Ready => json(StatusCode::OK, r#"{"status":"ready"}"#),
            Readiness::NotReady(reason) => unavailable(reason.as_str()),
        }
    }

    /// The readiness of a tenant, or of a server with several tenants.
    async fn readiness(&self, tenant: Option<Arc<ServedTenant>>) -> Readiness {
        match tenant {
            Some(tenant) => self.prober.readiness(&tenant).await,
            None => Readiness::Ready,
        }
    }
}

fn unavailable(reason: &str) -> Response<Body> {
    let body = format!(r#"{{"status":"unavailable","reason":"{reason}"}}"#);
    json(StatusCode::SERVICE_UNAVAILABLE, body)
}

fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::from(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
