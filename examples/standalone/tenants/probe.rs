//! Probes whether requests of clients to a tenant succeed.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response};
use omneo_id::tenants::TenantKey;
use omneo_id::{Body, OmneoId};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tower::{Service, ServiceExt};

use super::readiness::Readiness;
use super::tenant::ServedTenant;

/// Timeout of a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the result of a probe is reused. Clients may request it without limit; a tenant is
/// called at most once in this time.
const PROBE_RESULT_TTL: Duration = Duration::from_secs(1);

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Probes tenants over the client of one thread.
pub(crate) struct Prober {
    #[expect(clippy::type_complexity, reason = "the type of a boxed closure")]
    call: Box<dyn Fn(&OmneoId<()>, Request<Body>) -> BoxFuture<Response<Body>> + Send + Sync>,
}

/// The latest probe of a tenant.
#[derive(Default)]
pub(crate) struct ProbeState {
    latest: Mutex<Option<Probe>>,
    /// The last result that was logged.
    logged: Mutex<Option<Readiness>>,
}

/// A probe in progress, or its result with its time.
type Probe = watch::Receiver<Option<(Instant, Readiness)>>;

impl Prober {
    pub(crate) fn new<C>(client: C) -> Self
    where
        C: Clone + Send + Sync + 'static,
        OmneoId<C>: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
        OmneoId<C>: Send + 'static,
        <OmneoId<C> as Service<Request<Body>>>::Future: Send,
    {
        Self {
            call: Box::new(move |id, request| {
                let id = id.with_client(client.clone());
                Box::pin(async move {
                    let Ok(response) = id.oneshot(request).await;
                    response
                })
            }),
        }
    }

    /// Whether a tenant is ready. All callers during a probe, or soon after it, share its result.
    pub(crate) async fn readiness(self: &Arc<Self>, tenant: &Arc<ServedTenant>) -> Readiness {
        let mut probe = self.current(tenant);
        match probe.wait_for(Option::is_some).await.as_deref() {
            Ok(Some((_, readiness))) => *readiness,
            // The task was dropped: its thread is shutting down.
            Ok(None) | Err(_) => Readiness::UNKNOWN,
        }
    }

    /// Starts a probe, unless one is in progress or recent.
    pub(crate) fn start(self: &Arc<Self>, tenant: &Arc<ServedTenant>) {
        self.current(tenant);
    }

    /// The probe in progress, a recent one, or a new one. It runs in a task of its own: a client
    /// that disconnects does not cancel it.
    fn current(self: &Arc<Self>, tenant: &Arc<ServedTenant>) -> Probe {
        let mut latest = lock(&tenant.probe.latest);
        if let Some(probe) = latest.as_ref().filter(|probe| is_current(probe)) {
            return probe.clone();
        }
        let (result, probe) = watch::channel(None);
        *latest = Some(probe.clone());
        drop(latest);
        let (prober, tenant) = (Arc::clone(self), Arc::clone(tenant));
        tokio::spawn(async move {
            let readiness = prober.probe(&tenant).await;
            tenant.probe.log(&tenant, readiness);
            result.send_replace(Some((Instant::now(), readiness)));
        });
        probe
    }

    /// Checks the store of ended sessions, then mints an anonymous token and drops it. The tenant
    /// verifies the API token for it, over the same connections and with the same timeouts as for
    /// requests of clients.
    async fn probe(&self, tenant: &ServedTenant) -> Readiness {
        if let Some(readiness) = Readiness::from_sessions(&tenant.sessions) {
            return readiness;
        }
        let mut request = Request::new(Body::from(Bytes::from_static(b"{}")));
        *request.method_mut() = Method::POST;
        let Ok(uri) = format!("{}/auth/token", tenant.mount()).parse() else {
            return Readiness::UNKNOWN;
        };
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, tenant.api_token.to_header());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match timeout(PROBE_TIMEOUT, (self.call)(&tenant.id, request)).await {
            Ok(response) => Readiness::from_response(&response),
            Err(_) => Readiness::TIMEOUT,
        }
    }
}

impl ProbeState {
    /// The last result, if a probe has finished.
    pub(crate) fn last(&self) -> Option<Readiness> {
        *lock(&self.logged)
    }

    /// Logs a result that differs from the last one.
    fn log(&self, tenant: &ServedTenant, readiness: Readiness) {
        let before = lock(&self.logged).replace(readiness);
        if before != Some(readiness) {
            readiness.log(tenant.label().as_ref().map(TenantKey::as_str));
        }
    }
}

fn is_current(probe: &Probe) -> bool {
    match *probe.borrow() {
        Some((when, _)) => when.elapsed() < PROBE_RESULT_TTL,
        // `Err`: its task was dropped without a result.
        None => probe.has_changed().is_ok(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
