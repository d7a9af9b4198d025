//! Accepting connections, with a limit on everything that a stranger could leave open, and ending
//! in an orderly way.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{self, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::Service as HyperService;
use hyper_util::rt::TokioTimer;
use omneo_id::client_info::ClientInfo;
use omneo_id::error::BoxError;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::unconstrained;
use tokio::time::sleep;
use tower::Service;
use tracing::{debug, info, warn};

use crate::activity::Activity;
use crate::config::Limits;
use crate::counted::{Answer, Counted, Counting};
use crate::crew::{Crew, Streams};
use crate::limits::{Reached, Timer};
use crate::line::{Line, Protocols, Step};
use crate::tidy::Tidy;

const MAX_HEAD: usize = 32 * 1024;
const MAX_HEADER_LIST: u32 = 32 * 1024;
const MAX_STREAMS: u32 = 128;
/// How much of an answer is buffered for a client that does not read: of a connection over
/// HTTP/1.1, where it bounds the head of a request, too, and of a stream over HTTP/2.
const MAX_BUFFERED: usize = MAX_HEAD;
/// How much of a request body a client may send ahead of its reader.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The same of all streams of a connection: one upload that is not read does not stop the others.
const CONNECTION_WINDOW: u32 = 16 * STREAM_WINDOW;
/// Streams that were opened and reset before we could take them: a connection with more is closed.
const MAX_PENDING_RESETS: usize = 20;
/// Streams that a client made us reset: the same.
const MAX_LOCAL_RESETS: usize = 1024;
/// HTTP/2 connections are asked for a sign of life this often, and given this long for it.
const PING: Duration = Duration::from_secs(20);
/// Out of file descriptors or memory: asking again at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A request that was sent before its client could know that we end is on its way for this long.
const GRACE: Duration = Duration::from_millis(500);

/// Serves until SIGTERM or SIGINT, then lets requests under way finish. A second signal ends at
/// once.
pub(crate) async fn until_told<S, B>(
    listener: TcpListener,
    mut signals: Signals,
    crew: &Crew<S>,
    limits: Limits,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let protocols = Arc::new(protocols());
    let open = Arc::new(Semaphore::new(limits.connections));
    // Each connection listens, and is missed when it is gone.
    let ending = watch::Sender::new(false);
    let begin = |accepted, place| {
        let Some(worker) = crew.idlest() else {
            return;
        };
        let app = worker.app().clone();
        let ending = ending.subscribe();
        let protocols = Arc::clone(&protocols);
        worker.spawn(serve(protocols, accepted, app, limits, ending, place));
    };
    let mut tidy = pin!(protocols.tidy.up());
    loop {
        let next = async {
            let place = Arc::clone(&open).acquire_owned().await.ok();
            (accept(&listener).await, place)
        };
        tokio::select! {
            biased;
            () = signals.next() => break,
            (accepted, place) = next => begin(accepted, place),
            () = &mut tidy => {}
        }
    }
    protocols.is_ending.store(true, Ordering::Release);
    ending.send_replace(true);
    // The system has accepted these in our name, and there will be no more.
    for accepted in waiting(listener) {
        begin(accepted, None);
    }
    info!(
        connections = ending.receiver_count(),
        "told to end: letting requests under way finish"
    );
    tokio::select! {
        () = ending.closed() => info!("done"),
        () = sleep(limits.drain) => warn!("some requests did not finish in time"),
        () = signals.next() => warn!("told twice: ending at once"),
    }
}

fn protocols() -> Protocols {
    let mut http1 = http1::Builder::new();
    http1
        // A timer for each request; ours is one for the connection.
        .header_read_timeout(None)
        .max_buf_size(MAX_BUFFERED);
    let mut http2 = http2::Builder::new(Streams);
    http2
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_LIST)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_LOCAL_RESETS)
        .max_send_buf_size(MAX_BUFFERED)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    Protocols {
        http1,
        http2,
        tidy: Tidy::default(),
        is_ending: AtomicBool::new(false),
    }
}

/// The next connection. Errors are about one connection, or about a shortage that may pass: neither
/// is a reason to stop.
async fn accept(listener: &TcpListener) -> (net::TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => match stream.into_std() {
                Ok(stream) => return (stream, peer),
                Err(error) => debug!(%error, "lost a connection"),
            },
            Err(error) if is_about_one_connection(&error) => debug!(%error, "lost a connection"),
            Err(error) => {
                warn!(%error, "cannot accept connections");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// What stands in the queue of a listener that is about to be closed.
fn waiting(listener: TcpListener) -> impl Iterator<Item = (net::TcpStream, SocketAddr)> {
    let listener = listener.into_std().ok();
    std::iter::from_fn(move || {
        let listener = listener.as_ref()?;
        loop {
            match listener.accept() {
                Ok((stream, peer)) if stream.set_nonblocking(true).is_ok() => {
                    return Some((stream, peer));
                }
                Ok(_) => {}
                Err(error) if is_about_one_connection(&error) => {}
                // Nobody, if it is not a shortage.
                Err(_) => return None,
            }
        }
    })
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

async fn serve<S, B>(
    protocols: Arc<Protocols>,
    (stream, peer): (net::TcpStream, SocketAddr),
    app: S,
    limits: Limits,
    mut ending: watch::Receiver<bool>,
    // Released when the connection is closed.
    _place: Option<OwnedSemaphorePermit>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    // Registered with the runtime of this thread.
    let stream = match TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => return debug!(%error, "lost a connection"),
    };
    // Answers are small: do not delay them to fill a packet.
    let _ = stream.set_nodelay(true);
    let activity = Arc::new(Activity::default());
    if *ending.borrow() {
        // The first answer says `connection: close`.
        activity.end_soon();
    }
    let app = App {
        stack: Counted::new(app, Arc::clone(&activity)),
        client: ClientInfo::default().add_addr(peer.ip().to_canonical()),
    };
    let mut line = Line::new(stream, app, Arc::clone(&activity), Arc::clone(&protocols));
    let mut timer = pin!(Timer::new(Arc::clone(&activity), limits));
    // Opt out of tokio's coop budget: with an exhausted budget `told` would return `Pending`
    // without a registered waker.
    let mut told = pin!(unconstrained(told(&mut ending, &activity)));
    // `told` has been polled and has a waker.
    let mut is_awaited = false;
    let mut is_told = false;
    poll_fn(|cx| {
        loop {
            // The connection first: its timeouts depend on what it does now.
            match line.poll(cx) {
                Poll::Ready(Step::Woke) => {
                    timer.as_mut().wake();
                    continue;
                }
                Poll::Ready(Step::Over) => return Poll::Ready(()),
                Poll::Pending => {}
            }
            match timer.as_mut().poll_reached(cx) {
                Poll::Ready(Reached::Rest) if is_told => continue,
                Poll::Ready(Reached::Rest) => {
                    line.rest(cx);
                    continue;
                }
                Poll::Ready(reached) => {
                    debug!(limit = ?reached, "closed a connection that did nothing");
                    let is_idle = matches!(reached, Reached::Idle | Reached::Header);
                    if is_told || !is_idle || !activity.speaks_http2() {
                        return Poll::Ready(());
                    }
                    // A request that crosses our GOAWAY is served, or named as not processed.
                    is_told = true;
                    line.graceful_shutdown();
                    timer.as_mut().close();
                    continue;
                }
                Poll::Pending => {}
            }
            if is_told || is_awaited && !protocols.is_ending.load(Ordering::Acquire) {
                return Poll::Pending;
            }
            is_awaited = true;
            if told.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            is_told = true;
            line.graceful_shutdown();
            timer.as_mut().close();
        }
    })
    .await;
    protocols.tidy.note();
}

/// What is served over one connection.
struct App<S> {
    stack: Counted<S>,
    /// For the tenant; what clients say of themselves does not go up.
    client: ClientInfo,
}

impl<S, B> HyperService<Request<Incoming>> for App<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone,
{
    type Response = Response<Answer<B>>;
    type Error = Infallible;
    type Future = Counting<S::Future>;

    /// Goes straight to the stack's future, where an adapter for any service would carry the
    /// request and the service along until that is ready. Ours is always ready: it refuses what
    /// it cannot take.
    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.client.clone());
        let mut stack = self.stack.clone();
        let ready = stack.poll_ready(&mut Context::from_waker(Waker::noop()));
        assert!(ready.is_ready(), "a stack that makes requests wait");
        stack.call(request)
    }
}

/// Until it is time to end a connection. One of HTTP/2 is told so at once, and tells its client.
/// Over HTTP/1.1 a client learns it from the next answer; to close before that would be to lose a
/// request that is on its way.
async fn told(ending: &mut watch::Receiver<bool>, activity: &Activity) {
    // An error: whoever tells is gone, which is the same.
    let _ = ending.wait_for(|told| *told).await;
    activity.end_soon();
    if !activity.speaks_http2() {
        // Boxed: every connection has the place of this, and none needs it before the end.
        Box::pin(sleep(GRACE)).await;
    }
}

/// SIGTERM and SIGINT, caught from the moment this exists.
pub(crate) struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    pub(crate) fn catch() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    #[cfg(not(unix))]
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
