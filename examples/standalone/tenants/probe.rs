//! Probes whether requests of clients to a tenant succeed.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Limited};
use omneo_id::tenants::TenantKey;
use omneo_id::{Body, OmneoId, Subject};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tower::{Service, ServiceExt};

use super::readiness::Readiness;
use super::tenant::ServedTenant;

/// Timeout of a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the result of a probe is reused. Clients may request it without limit; a tenant is
/// called at most once in this time.
const PROBE_RESULT_TTL: Duration = Duration::from_secs(1);
/// Limit of concurrent probes that scrapes start. Probes are calls of tenants: all at once would
/// fill the limit of calls in flight.
const MAX_CONCURRENT_PROBES: usize = 8;
/// Limit for the response body of a probe. A body that is read to its end keeps the connection.
const MAX_BODY: usize = 64 * 1024;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Probes tenants over the client of one thread.
pub(crate) struct Prober {
    #[expect(clippy::type_complexity, reason = "the type of a boxed closure")]
    call: Box<dyn Fn(&OmneoId<()>, Request<Body>) -> BoxFuture<Response<Body>> + Send + Sync>,
    /// A single permit, which the task of [`start_all`](Self::start_all) holds.
    all: Arc<Semaphore>,
}

/// The latest probe of a tenant.
#[derive(Default)]
pub(crate) struct ProbeState {
    latest: Mutex<Option<Probe>>,
    /// The last result that was logged.
    logged: Mutex<Option<Readiness>>,
    /// The last result, except those of probes that exceeded the limit of calls in flight.
    known: Mutex<Option<Readiness>>,
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
            all: Arc::new(Semaphore::new(1)),
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

    /// Starts a probe of each tenant, a few at a time, unless the previous start is in progress.
    pub(crate) fn start_all(self: &Arc<Self>, tenants: Vec<Arc<ServedTenant>>) {
        let Ok(permit) = Arc::clone(&self.all).try_acquire_owned() else {
            return;
        };
        let prober = Arc::clone(self);
        tokio::spawn(async move {
            let mut probes = JoinSet::new();
            for tenant in tenants {
                if probes.len() == MAX_CONCURRENT_PROBES {
                    probes.join_next().await;
                }
                let prober = Arc::clone(&prober);
                probes.spawn(async move { prober.readiness(&tenant).await });
            }
            while probes.join_next().await.is_some() {}
            drop(permit);
        });
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
            tenant.probe.record(&tenant, readiness);
            result.send_replace(Some((Instant::now(), readiness)));
        });
        probe
    }

    /// Checks the store of ended sessions, then calls the tenant with the configured API token,
    /// over the same connections and with the same timeouts as for requests of clients.
    async fn probe(&self, tenant: &ServedTenant) -> Readiness {
        if let Some(readiness) = Readiness::from_sessions(&tenant.sessions) {
            return readiness;
        }
        let request = match tenant.config.pinned_api_tokens {
            None => mint(tenant),
            Some(_) => locations(tenant),
        };
        let request = match request {
            Ok(request) => request,
            Err(readiness) => return readiness,
        };
        let probe = async {
            let response = (self.call)(&tenant.id, request).await;
            let readiness = Readiness::from_response(&response);
            let _ = Limited::new(response.into_body(), MAX_BODY).collect().await;
            readiness
        };
        let readiness = timeout(PROBE_TIMEOUT, probe).await;
        readiness.unwrap_or(Readiness::TIMEOUT)
    }
}

/// Mints an anonymous token. The tenant verifies the API token for it.
fn mint(tenant: &ServedTenant) -> Result<Request<Body>, Readiness> {
    Request::post(format!("{}/auth/token", tenant.mount()))
        .header(AUTHORIZATION, tenant.api_token.to_header())
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(Bytes::from_static(b"{}")))
        .map_err(|_| Readiness::UNKNOWN)
}

/// Reads a location with an anonymous token. With pinned API tokens, a mint does not call the
/// tenant, and the configured API token need not be one of them.
fn locations(tenant: &ServedTenant) -> Result<Request<Body>, Readiness> {
    let token = tenant.id.issuer().issue(&Subject::Anonymous);
    let token = token.map_err(|_| Readiness::NO_SIGNING_KEY)?;
    let bearer = HeaderValue::try_from(format!("Bearer {}", token.token()));
    let mut bearer = bearer.map_err(|_| Readiness::UNKNOWN)?;
    bearer.set_sensitive(true);
    Request::get(format!("{}/locations?page[size]=1", tenant.mount()))
        .header(AUTHORIZATION, bearer)
        .body(Body::from(Bytes::new()))
        .map_err(|_| Readiness::UNKNOWN)
}

impl ProbeState {
    /// Whether the tenant was ready at the last probe. `None` if no probe has finished. A probe
    /// that could not call the tenant, because too many calls were in flight, does not count.
    pub(crate) fn is_ready(&self) -> Option<bool> {
        lock(&self.known).map(|known| known == Readiness::Ready)
    }

    /// Keeps a result, and logs it if it differs from the last one.
    fn record(&self, tenant: &ServedTenant, readiness: Readiness) {
        if !readiness.is_saturated() {
            *lock(&self.known) = Some(readiness);
        }
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
