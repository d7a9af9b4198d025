//! Serves `/metrics` on an address of its own, which can be kept off public networks.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::metrics::{self, Metrics, TenantMetrics};
use crate::tenants::{Prober, ServedTenants};

/// Limit of concurrent connections. A Prometheus server uses one.
const MAX_CONNECTIONS: usize = 16;
/// Timeout of a request head, which also closes idle connections. Longer than the usual scrape
/// intervals of up to 2 minutes: a scrape that crosses the end of its connection is lost.
const HEADER_TIMEOUT: Duration = Duration::from_secs(150);
/// Limit for the age of a connection. It also applies to a client that reads slowly.
const MAX_CONNECTION_AGE: Duration = Duration::from_secs(60 * 60);
/// Pause after an accept error such as EMFILE.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The sources of a scrape.
pub(crate) struct Sources {
    pub(crate) metrics: Metrics,
    pub(crate) tenants: Arc<ServedTenants>,
    pub(crate) prober: Arc<Prober>,
}

/// Binds the address, and serves until the runtime shuts down.
pub(crate) async fn start(address: &str, sources: Sources) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener, Arc::new(sources)));
    Ok(address)
}

async fn serve(listener: TcpListener, sources: Arc<Sources>) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let permit = Arc::clone(&permits).acquire_owned().await;
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "cannot accept connections for metrics");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let sources = Arc::clone(&sources);
        let service = service_fn(move |request: Request<_>| {
            let sources = Arc::clone(&sources);
            async move { Ok::<_, Infallible>(respond(&request, sources).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            if let Ok(Err(error)) = timeout(MAX_CONNECTION_AGE, connection).await {
                debug!(%error, "a connection for metrics has failed");
            }
            drop(permit);
        });
    }
}

async fn respond<B>(request: &Request<B>, sources: Arc<Sources>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    if request.uri().path() != "/metrics" {
        *response.status_mut() = StatusCode::NOT_FOUND;
    } else if !matches!(*request.method(), Method::GET | Method::HEAD) {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        let allow = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, allow);
    } else {
        let (tenants, prober) = (sources.tenants.all(), Arc::clone(&sources.prober));
        // With many tenants the text takes a while, and this thread accepts connections.
        match spawn_blocking(move || sources.text()).await {
            Ok(text) => *response.body_mut() = Full::from(text),
            Err(error) => {
                warn!(%error, "cannot build the text of the metrics");
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                return response;
            }
        }
        let content_type = HeaderValue::from_static(metrics::CONTENT_TYPE);
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        // For the next scrape: a tenant that does not respond must not delay this one.
        prober.start_all(tenants);
    }
    response
}

impl Sources {
    fn text(&self) -> String {
        self.metrics.text(&self.tenant_metrics())
    }

    /// The values of all tenants.
    fn tenant_metrics(&self) -> Vec<TenantMetrics> {
        let tenants = self.tenants.all();
        let metrics = tenants.iter().map(|tenant| TenantMetrics {
            key: tenant.label(),
            is_ready: tenant.probe.is_ready(),
            stats: tenant.id.stats(),
            revocations: tenant.sessions.revocations.stats(),
        });
        metrics.collect()
    }
}
