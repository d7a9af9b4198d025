//! The accept loop with its limit on concurrent connections, and the graceful shutdown.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use omneo_id::client_info::TrustedProxies;
use omneo_id::error::BoxError;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep};
use tower::Service;
use tracing::{info, warn};

use super::connection_task::serve_connection;
use super::context::ServerContext;
use super::listeners::Listeners;
use super::reload_thread::ReloadThread;
use super::signals::{Signal, Signals};
use super::tls::Tls;
use super::workers::Workers;
use crate::config::Limits;

/// The settings of [`serve_until_signal`].
pub(crate) struct ServeOptions {
    pub(crate) limits: Limits,
    /// TLS of the TCP listeners. `None`: clear text.
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) trusted_proxies: TrustedProxies,
    /// Set at the first signal that ends the server: it is not ready for further clients.
    pub(crate) is_draining: Arc<AtomicBool>,
    /// Called after SIGHUP.
    pub(crate) reload_thread: ReloadThread,
}

/// Serves until SIGTERM or SIGINT, and for the drain delay. Then waits for requests in flight. A
/// second signal ends the delay, or else the server. SIGHUP requests a reload.
pub(crate) async fn serve_until_signal<S, B>(
    mut listeners: Listeners,
    mut signals: Signals,
    workers: &Workers<S>,
    options: ServeOptions,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let limits = options.limits;
    let drain_delay = limits.drain_delay;
    let context = Arc::new(ServerContext::new(options.tls, options.trusted_proxies));
    let permits = Arc::new(Semaphore::new(limits.connections));
    // Each connection holds a receiver: without receivers, all connections are closed.
    let shutdown = watch::Sender::new(false);
    let spawn = |accepted, permit| {
        let Some(worker) = workers.least_loaded() else {
            return;
        };
        let app = worker.app().clone();
        let shutdown = shutdown.subscribe();
        let context = Arc::clone(&context);
        worker.spawn(serve_connection(
            context, accepted, app, limits, shutdown, permit,
        ));
    };
    let mut trim = pin!(context.trim.run());
    let mut delay = pin!(sleep(drain_delay));
    let mut is_stopping = false;
    loop {
        let next = async {
            let permit = Arc::clone(&permits).acquire_owned().await.ok();
            (listeners.accept().await, permit)
        };
        tokio::select! {
            biased;
            signal = signals.next() => match signal {
                Signal::Reload => options.reload_thread.request(),
                Signal::Shutdown => {
                    options.is_draining.store(true, Ordering::Release);
                    if is_stopping || drain_delay.is_zero() {
                        break;
                    }
                    is_stopping = true;
                    delay.as_mut().reset(Instant::now() + drain_delay);
                    info!(?drain_delay, "not ready: connections are accepted for the drain delay");
                }
            },
            () = &mut delay, if is_stopping => break,
            (accepted, permit) = next => spawn(accepted, permit),
            () = &mut trim => {}
        }
    }
    context.is_shutting_down.store(true, Ordering::Release);
    shutdown.send_replace(true);
    // The kernel has completed the handshake of these connections: their clients may have sent
    // requests.
    for accepted in listeners.accept_queued() {
        spawn(accepted, None);
    }
    info!(
        connections = shutdown.receiver_count(),
        "graceful shutdown: waiting for requests in flight"
    );
    tokio::select! {
        () = shutdown.closed() => info!("graceful shutdown: all connections are closed"),
        () = sleep(limits.drain) => warn!("some requests did not finish in time"),
        () = signals.shutdown() => warn!("second signal: requests in flight are aborted"),
    }
}
