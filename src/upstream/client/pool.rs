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
use super::line::Line;
use super::shelf::{Limits, Shelf, Way};
use super::stats::{ClientStats, Connections};
use crate::error::BoxError;
use crate::upstream::RequestBody;

/// Open connections, by origin, and how new ones are made.
pub(super) struct Pool<K> {
    connector: Timed<K>,
    http2: http2::Builder<TokioExecutor>,
    http2_only: bool,
    limits: Limits,
    shelves: Mutex<Shelves>,
    connections: Arc<Connections>,
}

#[derive(Default)]
struct Shelves {
    // Nearly all clients call one origin: it is found without hashing its name.
    latest: Option<(Origin, Arc<Shelf>)>,
    all: HashMap<Origin, Arc<Shelf>>,
}

type Origin = (Scheme, Authority);

/// How often connections of HTTP/2 are asked whether they still take requests.
const LOOK: Duration = Duration::from_secs(1);

/// Whether a connection was there before the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    New,
    /// It may have been closed meanwhile.
    Kept,
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
            shelves: Mutex::default(),
            connections: Arc::default(),
        }
    }

    /// What there is now. Waits for nobody who waits: each lock is held for a look.
    pub(super) fn stats(&self) -> ClientStats {
        let shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = shelves.all.values().map(|shelf| shelf.idle()).sum();
        self.connections.stats(idle)
    }

    /// Where the connections to an absolute URI's origin stand.
    pub(super) fn shelf(&self, uri: &Uri) -> Option<Arc<Shelf>> {
        let (scheme, authority) = (uri.scheme()?, uri.authority()?);
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((latest, shelf)) = &shelves.latest
            && latest.0 == *scheme
            && latest.1 == *authority
        {
            return Some(Arc::clone(shelf));
        }
        let origin = (scheme.clone(), authority.clone());
        let shelf = match shelves.all.get(&origin) {
            Some(shelf) => Arc::clone(shelf),
            None => {
                let shelf = Arc::new(Shelf::new(host(uri)?, self.limits, self.http2_only));
                // Those that are in nobody's hands and hold nothing are of no use any more.
                let is_used =
                    |shelf: &Arc<Shelf>| Arc::strong_count(shelf) > 1 || !shelf.is_empty();
                shelves.all.retain(|_, shelf| is_used(shelf));
                shelves.all.insert(origin.clone(), Arc::clone(&shelf));
                shelf
            }
        };
        shelves.latest = Some((origin, Arc::clone(&shelf)));
        Some(shelf)
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
        shelf: &Arc<Shelf>,
        uri: &Uri,
    ) -> Result<(Way, Age), ClientError> {
        let turn = shelf.turn().await;
        if turn.is_some()
            && let Some(trunk) = shelf.shared()
        {
            return Ok((Way::Http2(trunk), Age::Kept));
        }
        let made = self.make(shelf, uri).await;
        if made.is_err() {
            shelf.failed();
        }
        made
    }

    async fn make(&self, shelf: &Arc<Shelf>, uri: &Uri) -> Result<(Way, Age), ClientError> {
        let mut connector = self.connector.clone();
        poll_fn(|cx| connector.poll_ready(cx))
            .await
            .map_err(ClientError::connect)?;
        let io = connector
            .call(uri.clone())
            .await
            .map_err(ClientError::connect)?;
        let is_http2 = self.http2_only || io.connected().is_negotiated_h2();
        shelf.speaks(is_http2);
        if !is_http2 {
            let is_proxied = io.connected().is_proxied();
            let line = Line::open(io, self.connections.open(), is_proxied)
                .await
                .map_err(ClientError::connection)?;
            return Ok((Way::Http1(line), Age::New));
        }
        if let Some(trunk) = shelf.shared() {
            return Ok((Way::Http2(trunk), Age::Kept));
        }
        let (send, connection) = self
            .http2
            .handshake(io)
            .await
            .map_err(ClientError::connection)?;
        let open = self.connections.open();
        let patience = self.limits.connect_timeout;
        tokio::spawn(async move {
            see_through(connection, patience).await;
            drop(open);
        });
        Ok((Way::Http2(shelf.share(send)), Age::New))
    }
}

/// Moves a connection of HTTP/2 until it is over; or until its tenant has allowed no streams at all for
/// so long. Requests that wait for a stream are held there even after they were given up. Of the others
/// the first one fails, which hyper has in its hands, and the rest goes another way.
async fn see_through<T>(
    connection: http2::Connection<T, RequestBody, TokioExecutor>,
    patience: Duration,
) where
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
