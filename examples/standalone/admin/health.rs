//! `GET /healthz`, liveness: the process responds. `GET /readyz`, readiness: the tenant is
//! reachable and accepts our API token, and the ended sessions have been read from their store.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use omneo_id::{ApiToken, Body};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tower::{Service, ServiceExt};

use super::readiness::Readiness;
use crate::config::Sessions;
use crate::start::Loaded;

/// Timeout of a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the result of a probe is reused. Clients may request it without limit; the tenant is
/// called at most once in this time.
const PROBE_RESULT_TTL: Duration = Duration::from_secs(1);

/// Whether a path is `/healthz` or `/readyz`.
pub(crate) fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

/// Serves `/healthz` and `/readyz`.
pub(crate) struct Health<S>(Arc<Shared<S>>);

struct Shared<S> {
    id: S,
    mint: String,
    api_token: ApiToken,
    sessions: Arc<Sessions>,
    latest: Mutex<Option<Probe>>,
    /// The last result that was logged.
    logged: Mutex<Option<Readiness>>,
}

/// A probe in progress, or its result with its time.
type Probe = watch::Receiver<Option<(Instant, Readiness)>>;

impl<S> Health<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
{
    pub(crate) fn new(id: S, loaded: &Loaded<'_>) -> Self {
        Self(Arc::new(Shared {
            id,
            mint: format!("{}/auth/token", loaded.tenant.mount.trim_end_matches('/')),
            api_token: loaded.api_token.clone(),
            sessions: Arc::clone(&loaded.sessions),
            latest: Mutex::default(),
            logged: Mutex::default(),
        }))
    }

    pub(crate) async fn respond<B>(&self, request: &Request<B>) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let body = r#"{"message":"The method is not allowed here."}"#;
            let mut response = json(StatusCode::METHOD_NOT_ALLOWED, body);
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        if request.uri().path() == "/healthz" {
            return json(StatusCode::OK, r#"{"status":"ok"}"#);
        }
        match self.readiness().await {
            Readiness::Ready => json(StatusCode::OK, r#"{"status":"ready"}"#),
            Readiness::NotReady(reason) => {
                let reason = reason.as_str();
                let body = format!(r#"{{"status":"unavailable","reason":"{reason}"}}"#);
                json(StatusCode::SERVICE_UNAVAILABLE, body)
            }
        }
    }

    /// All requests that arrive during a probe, or soon after it, share its result.
    async fn readiness(&self) -> Readiness {
        let mut probe = self.current();
        match probe.wait_for(Option::is_some).await.as_deref() {
            Ok(Some((_, readiness))) => *readiness,
            // The task was dropped: its thread is shutting down.
            Ok(None) | Err(_) => Readiness::UNKNOWN,
        }
    }

    /// The probe in progress, a recent one, or a new one. It runs in a task of its own: a client
    /// that disconnects does not cancel it.
    fn current(&self) -> Probe {
        let mut latest = lock(&self.0.latest);
        if let Some(probe) = latest.as_ref().filter(|probe| is_current(probe)) {
            return probe.clone();
        }
        let (result, probe) = watch::channel(None);
        *latest = Some(probe.clone());
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move {
            let readiness = shared.probe().await;
            shared.log(readiness);
            result.send_replace(Some((Instant::now(), readiness)));
        });
        probe
    }
}

fn is_current(probe: &Probe) -> bool {
    match *probe.borrow() {
        Some((when, _)) => when.elapsed() < PROBE_RESULT_TTL,
        // `Err`: its task was dropped without a result.
        None => probe.has_changed().is_ok(),
    }
}

impl<S> Shared<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone,
{
    /// Checks the store of ended sessions, then mints an anonymous token and drops it. The tenant
    /// verifies the API token for it, over the same connections and with the same timeouts as for
    /// requests of clients.
    async fn probe(&self) -> Readiness {
        if let Some(readiness) = Readiness::from_sessions(&self.sessions) {
            return readiness;
        }
        let mut request = Request::new(Body::from(Bytes::from_static(b"{}")));
        *request.method_mut() = Method::POST;
        let Ok(uri) = self.mint.parse() else {
            return Readiness::UNKNOWN;
        };
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.api_token.to_header());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match timeout(PROBE_TIMEOUT, self.id.clone().oneshot(request)).await {
            Ok(Ok(response)) => Readiness::from_response(&response),
            Err(_) => Readiness::TIMEOUT,
        }
    }
}

impl<S> Shared<S> {
    /// Logs a result that differs from the last one.
    fn log(&self, readiness: Readiness) {
        let before = lock(&self.logged).replace(readiness);
        if before != Some(readiness) {
            readiness.log();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S> Clone for Health<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::from(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
