//! The accept loop with its limit on concurrent connections, and the graceful shutdown.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use omneo_id::error::BoxError;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;
use tower::Service;
use tracing::{info, warn};

use super::connection_task::serve_connection;
use super::context::ServerContext;
use super::listener::{accept, accept_queued};
use super::signals::Signals;
use super::workers::Workers;
use crate::config::Limits;

/// Serves until SIGTERM or SIGINT, then waits for requests in flight. A second signal ends the
/// server at once.
pub(crate) async fn serve_until_signal<S, B>(
    listener: TcpListener,
    mut signals: Signals,
    workers: &Workers<S>,
    limits: Limits,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let context = Arc::new(ServerContext::new());
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
    loop {
        let next = async {
            let permit = Arc::clone(&permits).acquire_owned().await.ok();
            (accept(&listener).await, permit)
        };
        tokio::select! {
            biased;
            () = signals.next() => break,
            (accepted, permit) = next => spawn(accepted, permit),
            () = &mut trim => {}
        }
    }
    context.is_shutting_down.store(true, Ordering::Release);
    shutdown.send_replace(true);
    // The kernel has completed the handshake of these connections: their clients may have sent
    // requests.
    for accepted in accept_queued(listener) {
        spawn(accepted, None);
    }
    info!(
        connections = shutdown.receiver_count(),
        "graceful shutdown: waiting for requests in flight"
    );
    tokio::select! {
        () = shutdown.closed() => info!("graceful shutdown: all connections are closed"),
        () = sleep(limits.drain) => warn!("some requests did not finish in time"),
        () = signals.next() => warn!("second signal: requests in flight are aborted"),
    }
}
