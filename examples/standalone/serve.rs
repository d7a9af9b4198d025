//! Accepting connections, with a limit on everything that a stranger could leave open, and ending
//! in an orderly way.

use std::convert::Infallible;
use std::future;
use std::io;
use std::net::{self, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use omneo_id::error::BoxError;
use omneo_id::upstream::ClientInfo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tower::{Service, ServiceExt};
use tracing::{debug, info, warn};

use crate::crew::Crew;

/// Connections at one time. Further ones wait in the backlog.
const MAX_CONNECTIONS: usize = 4096;
/// How long the head of a request may take. An idle HTTP/1.1 connection ends by it, too.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
const MAX_HEAD: usize = 32 * 1024;
const MAX_HEADER_LIST: u32 = 32 * 1024;
const MAX_STREAMS: u32 = 128;
/// HTTP/2 connections are asked for a sign of life this often, and given this long for it.
const PING: Duration = Duration::from_secs(20);
/// How long requests under way may take once we are told to end.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// Out of file descriptors or memory: asking again at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until SIGTERM or SIGINT, then lets requests under way finish. A second signal ends at once.
pub(crate) async fn until_told<S, B>(listener: TcpListener, mut signals: Signals, crew: &Crew<S>)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let builder = builder();
    let open = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    loop {
        let next = async {
            let place = Arc::clone(&open).acquire_owned().await;
            (accept(&listener).await, place)
        };
        let (accepted, place) = tokio::select! {
            biased;
            () = signals.next() => break,
            next = next => next,
        };
        let Some(worker) = crew.idlest() else {
            continue;
        };
        let app = worker.app().clone();
        let connection = serve(builder.clone(), accepted, app, graceful.watcher());
        worker.spawn(async move {
            connection.await;
            drop(place);
        });
    }
    drop(listener);
    info!(
        connections = graceful.count(),
        "told to end: letting requests under way finish"
    );
    tokio::select! {
        () = graceful.shutdown() => info!("done"),
        () = sleep(DRAIN_LIMIT) => warn!("some requests did not finish in time"),
        () = signals.next() => warn!("told twice: ending at once"),
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(MAX_HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_LIST)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
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

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

async fn serve<S, B>(
    builder: auto::Builder<TokioExecutor>,
    (stream, peer): (net::TcpStream, SocketAddr),
    app: S,
    watcher: Watcher,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    // Of the thread that serves it from now on.
    let stream = match TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => return debug!(%error, "lost a connection"),
    };
    // Answers are small and waited for.
    let _ = stream.set_nodelay(true);
    let asked = Arc::new(AtomicBool::new(false));
    let app = app.map_request({
        let asked = Arc::clone(&asked);
        // For the tenant; what clients say of themselves does not go up.
        let client = ClientInfo::default().add_addr(peer.ip().to_canonical());
        move |mut request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(client.clone());
            request
        }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    let mut connection = pin!(watcher.watch(connection.into_owned()));
    // The limit on the head begins once the first bytes have told HTTP/2 from HTTP/1.1; a peer that
    // does not send even those is not covered by it.
    let silent = async {
        sleep(HEAD_LIMIT).await;
        if asked.load(Ordering::Relaxed) {
            future::pending::<()>().await;
        }
    };
    tokio::select! {
        result = &mut connection => {
            if let Err(error) = result {
                debug!(%error, "a connection broke");
            }
        }
        () = silent => debug!("closed a connection without a request"),
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
            future::pending::<()>().await;
        }
    }
}
