//! The task of one connection: polls the connection, its timer and the shutdown notification.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::uri::Scheme;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::service::Service as HyperService;
use omneo_id::client_info::ClientInfo;
use omneo_id::error::BoxError;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::unconstrained;
use tokio::time::sleep;
use tower::Service;
use tracing::debug;

use super::accepted::Accepted;
use super::connection::{Connection, Event};
use super::connection_activity::ConnectionActivity;
use super::context::ServerContext;
use super::timeouts::{ConnectionTimer, TimerEvent};
use super::tracked_service::{ResponseFuture, TrackedBody, TrackedService};
use crate::config::Limits;

/// An idle HTTP/1.1 connection stays open for this long after the shutdown has begun: time for a
/// request that the client sent before it received the end of the connection. Covers one slow
/// round trip.
const GRACE: Duration = Duration::from_millis(500);

/// Serves a connection until it is closed by the client, by a timeout or by the shutdown.
pub(crate) async fn serve_connection<S, B>(
    context: Arc<ServerContext>,
    accepted: Accepted,
    app: S,
    limits: Limits,
    mut shutdown: watch::Receiver<bool>,
    // Released when the connection is closed.
    _permit: Option<OwnedSemaphorePermit>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let peer = accepted.peer();
    let stream = match accepted.into_transport(context.tls.as_deref()) {
        Ok(stream) => stream,
        Err(error) => return debug!(%error, "lost a connection"),
    };
    let activity = Arc::new(ConnectionActivity::default());
    if *shutdown.borrow() {
        // The first response carries `connection: close`.
        activity.set_closing();
    }
    let service = ConnectionService {
        stack: TrackedService::new(app, Arc::clone(&activity)),
        client: Client::new(&context, peer, stream.is_tls()),
    };
    let mut connection =
        Connection::new(stream, service, Arc::clone(&activity), Arc::clone(&context));
    let mut timer = pin!(ConnectionTimer::new(Arc::clone(&activity), limits));
    // Opt out of tokio's coop budget: with an exhausted budget it would return `Pending` without
    // a registered waker.
    let mut shutdown = pin!(unconstrained(shutdown_begins(&mut shutdown, &activity)));
    // `shutdown` has been polled, so it wakes this task when the shutdown begins. It is polled
    // again only then: a poll costs more than reading the flag.
    let mut is_subscribed = false;
    // `graceful_shutdown` has been called, by the shutdown or by a timeout over HTTP/2.
    let mut is_closing = false;
    poll_fn(|cx| {
        loop {
            // Before the timer: the timeouts depend on the progress of the connection.
            match connection.poll(cx) {
                Poll::Ready(Event::Resumed) => {
                    timer.as_mut().resume();
                    continue;
                }
                Poll::Ready(Event::Closed) => return Poll::Ready(()),
                Poll::Pending => {}
            }
            match timer.as_mut().poll_event(cx) {
                // The connection closes soon.
                Poll::Ready(TimerEvent::ReleaseBuffers) if is_closing => continue,
                Poll::Ready(TimerEvent::ReleaseBuffers) => {
                    connection.release_buffers(cx);
                    continue;
                }
                Poll::Ready(event) => {
                    debug!(limit = ?event, "closed a connection after a timeout");
                    let is_idle =
                        matches!(event, TimerEvent::IdleTimeout | TimerEvent::HeaderTimeout);
                    if is_closing || !is_idle {
                        return Poll::Ready(());
                    }
                    if !activity.is_http2() {
                        // One attempt to end the stream, in which TLS sends its close_notify.
                        connection.graceful_shutdown();
                        let _ = connection.poll(cx);
                        return Poll::Ready(());
                    }
                    // A request that crosses the GOAWAY is served, or reported as not processed.
                    is_closing = true;
                    connection.graceful_shutdown();
                    timer.as_mut().close();
                    continue;
                }
                Poll::Pending => {}
            }
            let is_shutting_down = context.is_shutting_down.load(Ordering::Acquire);
            if is_closing || is_subscribed && !is_shutting_down {
                return Poll::Pending;
            }
            is_subscribed = true;
            if shutdown.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            is_closing = true;
            connection.graceful_shutdown();
            timer.as_mut().close();
        }
    })
    .await;
    context.trim.notify();
}

/// Waits for the moment to close this connection after the shutdown has begun. HTTP/2: at once,
/// by GOAWAY. HTTP/1.1: after [`GRACE`], since closing an idle connection loses a request that
/// the client has already sent; responses until then carry `connection: close`.
async fn shutdown_begins(shutdown: &mut watch::Receiver<bool>, activity: &ConnectionActivity) {
    // An error means that the sender was dropped, which also ends the server.
    let _ = shutdown.wait_for(|has_begun| *has_begun).await;
    activity.set_closing();
    if !activity.is_http2() {
        // Boxed: a `Sleep` in this future would enlarge the task of every connection.
        Box::pin(sleep(GRACE)).await;
    }
}

/// The service of one connection.
struct ConnectionService<S> {
    stack: TrackedService<S>,
    client: Client,
}

impl<S, B> HyperService<Request<Incoming>> for ConnectionService<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone,
{
    type Response = Response<TrackedBody<B>>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    /// Returns the future of the stack. `TowerToHyperService` would keep the request and the
    /// service in its future until the service is ready; this stack is always ready and rejects
    /// requests above its limits.
    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let client = self.client.info(&request);
        request.extensions_mut().insert(client);
        let mut stack = self.stack.clone();
        let ready = stack.poll_ready(&mut Context::from_waker(Waker::noop()));
        assert!(ready.is_ready(), "the stack is not ready");
        stack.call(request)
    }
}

/// The client of the requests of a connection, for the tenant, the log, and limits.
enum Client {
    /// The peer. Its forwarding headers are not trusted.
    Peer(ClientInfo),
    /// A trusted proxy, whose headers have the client of each request.
    Proxy(IpAddr, Arc<ServerContext>),
}

impl Client {
    fn new(context: &Arc<ServerContext>, peer: IpAddr, is_tls: bool) -> Self {
        if context.trusted_proxies.trusts(peer) {
            return Self::Proxy(peer, Arc::clone(context));
        }
        let info = ClientInfo::default().add_addr(peer);
        Self::Peer(match is_tls {
            true => info.with_scheme(Scheme::HTTPS),
            // A proxy in front may use TLS.
            false => info,
        })
    }

    fn info<B>(&self, request: &Request<B>) -> ClientInfo {
        match self {
            Self::Peer(info) => info.clone(),
            Self::Proxy(peer, context) => context.trusted_proxies.client(*peer, request.headers()),
        }
    }
}
