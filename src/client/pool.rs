use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, ready};
use std::time::Duration;

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};
use hyper::client::conn::http2;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::Connection;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tower::Service;

use super::ClientError;
use super::connect::Timed;
use super::host_pool::{HostPool, Limits, PooledConnection};
use super::http1_connection::Http1Connection;
use super::stats::{ClientStats, Connections};
use crate::error::BoxError;
use crate::request_body::RequestBody;

/// ConnectionGuard connections, by origin, and how new ones are made.
pub(super) struct Pool<K> {
    connector: Timed<K>,
    http2: http2::Builder<TokioExecutor>,
    http2_only: bool,
    limits: Limits,
    hosts: Mutex<HostPools>,
    connections: Arc<Connections>,
}

#[derive(Default)]
struct HostPools {
    // Nearly all clients call one origin: it is found without hashing its name.
    latest: Option<(Origin, Arc<HostPool>)>,
    all: HashMap<Origin, Arc<HostPool>>,
}

type Origin = (Scheme, Authority);

/// How often connections of HTTP/2 are asked whether they still take requests.
const LOOK: Duration = Duration::from_secs(1);

/// Whether a connection was there before the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    New,
    /// It may have been closed meanwhile.
    Reused,
}

impl<K> Pool<K> {
    pub(super) fn new(connector: Timed<K>, limits: Limits, http2_only: bool) -> Self {
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            // One connection carries everything: a dead one is found before its requests have all
            // run into their deadlines, and one that nobody needs any more does not wait for ever
            // to say goodbye.
            .keep_alive_interval(Duration::from_secs(15))
            .keep_alive_timeout(Duration::from_secs(10))
            .keep_alive_while_idle(true)
            .max_header_list_size(64 * 1024);
        Self {
            connector,
            http2,
            http2_only,
            limits,
            hosts: Mutex::default(),
            connections: Arc::default(),
        }
    }

    /// What there is now. Waits for nobody who waits: each lock is held for a look.
    pub(super) fn stats(&self) -> ClientStats {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = hosts.all.values().map(|host_pool| host_pool.idle()).sum();
        self.connections.stats(idle)
    }

    /// Where the connections to an absolute URI's origin stand.
    pub(super) fn host_pool(&self, uri: &Uri) -> Option<Arc<HostPool>> {
        let (scheme, authority) = (uri.scheme()?, uri.authority()?);
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((latest, host_pool)) = &hosts.latest
            && latest.0 == *scheme
            && latest.1 == *authority
        {
            return Some(Arc::clone(host_pool));
        }
        let origin = (scheme.clone(), authority.clone());
        let host_pool = match hosts.all.get(&origin) {
            Some(host_pool) => Arc::clone(host_pool),
            None => {
                let host_pool = Arc::new(HostPool::new(host(uri)?, self.limits, self.http2_only));
                // Those that are in nobody's hands and hold nothing are of no use any more.
                let is_used = |host_pool: &Arc<HostPool>| {
                    Arc::strong_count(host_pool) > 1 || !host_pool.is_empty()
                };
                hosts.all.retain(|_, host_pool| is_used(host_pool));
                hosts.all.insert(origin.clone(), Arc::clone(&host_pool));
                host_pool
            }
        };
        hosts.latest = Some((origin, Arc::clone(&host_pool)));
        Some(host_pool)
    }
}

impl<K> Pool<K>
where
    K: Service<Uri> + Clone,
    K::Response: Connection + Read + Write + Send + Unpin + 'static,
    K::Error: Into<BoxError>,
    K::Future: Send + 'static,
{
    /// A new connection, or one that somebody else has made meanwhile.
    pub(super) async fn connect(
        &self,
        host_pool: &Arc<HostPool>,
        uri: &Uri,
    ) -> Result<(PooledConnection, Age), ClientError> {
        let turn = host_pool.turn().await;
        if turn.is_some()
            && let Some(connection) = host_pool.shared()
        {
            return Ok((PooledConnection::Http2(connection), Age::Reused));
        }
        let made = self.make(host_pool, uri).await;
        if made.is_err() {
            host_pool.failed();
        }
        made
    }

    async fn make(
        &self,
        host_pool: &Arc<HostPool>,
        uri: &Uri,
    ) -> Result<(PooledConnection, Age), ClientError> {
        let mut connector = self.connector.clone();
        poll_fn(|cx| connector.poll_ready(cx))
            .await
            .map_err(ClientError::connect)?;
        let io = connector
            .call(uri.clone())
            .await
            .map_err(ClientError::connect)?;
        let is_http2 = self.http2_only || io.connected().is_negotiated_h2();
        host_pool.speaks(is_http2);
        if !is_http2 {
            let is_proxied = io.connected().is_proxied();
            let connection = Http1Connection::open(io, self.connections.open(), is_proxied)
                .await
                .map_err(ClientError::connection)?;
            return Ok((PooledConnection::Http1(connection), Age::New));
        }
        if let Some(connection) = host_pool.shared() {
            return Ok((PooledConnection::Http2(connection), Age::Reused));
        }
        let (send, connection) = self
            .http2
            .handshake(io)
            .await
            .map_err(ClientError::connection)?;
        let open = self.connections.open();
        let patience = self.limits.connect_timeout;
        tokio::spawn(async move {
            drive(connection, patience).await;
            drop(open);
        });
        Ok((PooledConnection::Http2(host_pool.share(send)), Age::New))
    }
}

/// Moves a connection of HTTP/2 until it is over; or until its tenant has allowed no streams at all for
/// so long. Requests that wait for a stream are held there even after they were given up. Of the others
/// the first one fails, which hyper has in its hands, and the rest goes another pooled.
async fn drive<T>(connection: http2::Connection<T, RequestBody, TokioExecutor>, patience: Duration)
where
    T: Read + Write + Send + Unpin + 'static,
{
    let mut connection = pin!(connection);
    // Nobody tells that the tenant allows none any more.
    let mut looks = interval(patience.min(LOOK).max(Duration::from_millis(1)));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut closed_since = None;
    poll_fn(|cx| {
        // Errors go to the requests that they concern.
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        loop {
            if connection.current_max_send_streams() > 0 {
                closed_since = None;
            } else if closed_since.get_or_insert_with(Instant::now).elapsed() >= patience {
                return Poll::Ready(());
            }
            ready!(looks.poll_tick(cx));
        }
    })
    .await;
}

/// A target's `Host`, without a port that goes without saying.
fn host(target: &Uri) -> Option<HeaderValue> {
    let default = match target.scheme_str()? {
        "http" => 80,
        "https" => 443,
        _ => 0,
    };
    let host = target.host()?;
    match target.port_u16().filter(|port| *port != default) {
        Some(port) => HeaderValue::try_from(format!("{host}:{port}")).ok(),
        None => HeaderValue::try_from(host).ok(),
    }
}
