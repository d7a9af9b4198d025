//! `GET /healthz`, liveness: the process responds. `GET /readyz`, readiness: the server does not
//! shut down, and with a single tenant, that tenant is ready. With several tenants, the ended
//! sessions of each have been read from their store once; an outage of one tenant does not take the
//! server out of rotation for the others. `GET /readyz/{tenant}` is the readiness of one tenant,
//! without a reason: the listener is public, and the log has it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use omneo_id::headers::WireProtocol;
use omneo_id::{Body, Rejection, RejectionKind, Revocations};

use crate::tenants::{Prober, Readiness, ServedTenants};

const HEALTH: &str = "/healthz";
const READY: &str = "/readyz";

/// The key in `/readyz/{tenant}`.
fn tenant_key(path: &str) -> Option<&str> {
    path.strip_prefix(READY)?.strip_prefix('/')
}

/// Whether a path has the form of a probe. The tenant in it may be unknown.
pub(crate) fn is_probe(path: &str) -> bool {
    path == HEALTH || path == READY || tenant_key(path).is_some()
}

/// Serves the probes.
pub(crate) struct Health {
    tenants: Arc<ServedTenants>,
    prober: Arc<Prober>,
    is_draining: Arc<AtomicBool>,
    /// Whether the ended sessions of all tenants have been read once. It stays true when a reload
    /// adds a tenant.
    is_synchronized: AtomicBool,
}

impl Health {
    pub(crate) fn new(
        tenants: Arc<ServedTenants>,
        prober: Arc<Prober>,
        is_draining: Arc<AtomicBool>,
    ) -> Self {
        Self {
            tenants,
            prober,
            is_draining,
            is_synchronized: AtomicBool::new(false),
        }
    }

    /// Whether a request is for a probe. The path of an unknown tenant is an unknown route.
    pub(crate) fn matches<B>(&self, request: &Request<B>) -> bool {
        let path = request.uri().path();
        match tenant_key(path) {
            Some(key) => self.tenants.get(key).is_some(),
            None => is_probe(path),
        }
    }

    pub(crate) async fn respond<B>(&self, request: &Request<B>) -> Response<Body> {
        let path = request.uri().path();
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
        if self.is_draining.load(Ordering::Acquire) {
            return unavailable("the server is shutting down");
        }
        let Some(key) = tenant_key(path) else {
            return match self.readiness().await {
                Readiness::Ready => ready(),
                Readiness::NotReady(reason) => unavailable(reason.as_str()),
            };
        };
        let Some(tenant) = self.tenants.get(key) else {
            // A reload has removed it just now.
            let rejection = Rejection::new(RejectionKind::NotFound);
            let protocol = WireProtocol::from_headers(request.headers());
            return rejection.into_response(protocol).map(Body::from);
        };
        match self.prober.readiness(&tenant).await {
            Readiness::Ready => ready(),
            Readiness::NotReady(_) => json(
                StatusCode::SERVICE_UNAVAILABLE,
                r#"{"status":"unavailable"}"#,
            ),
        }
    }

    /// The readiness of the server.
    async fn readiness(&self) -> Readiness {
        if let Some(tenant) = self.tenants.single() {
            return self.prober.readiness(&tenant).await;
        }
        if self.is_synchronized.load(Ordering::Relaxed) {
            return Readiness::Ready;
        }
        let tenants = self.tenants.all();
        let mut revocations = tenants.iter().map(|tenant| &tenant.sessions.revocations);
        if !revocations.all(Revocations::is_synchronized) {
            return Readiness::UNSYNCHRONIZED;
        }
        self.is_synchronized.store(true, Ordering::Relaxed);
        Readiness::Ready
    }
}

fn ready() -> Response<Body> {
    json(StatusCode::OK, r#"{"status":"ready"}"#)
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
