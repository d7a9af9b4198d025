use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};
use hyper::client::conn::http2;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::Connection;
use hyper_util::rt::TokioExecutor;
use tokio::sync::Notify;
use tower::Service;

use super::ClientError;
use super::connect::TimeoutConnector;
use super::host_pool::{HostPool, PooledConnection};
use super::http1_connection::Http1Connection;
use super::http2_connection::{self, drive};
use super::http2_io::Http2Io;
use super::http2_pool::{Admission, ConnectPermit, StreamOrPermit};
use super::limits::Limits;
use super::stats::{ClientStats, ConnectionCounters};
use crate::error::BoxError;

/// The open connections of a client, by origin, and the connector of new ones.
pub(super) struct Pool<K> {
    connector: TimeoutConnector<K>,
    http2: http2::Builder<TokioExecutor>,
    http2_only: bool,
    limits: Limits,
    hosts: Mutex<HostPools>,
    counters: Arc<ConnectionCounters>,
}

#[derive(Default)]
struct HostPools {
    // Most clients call one origin. This saves about 0.6 µs per request: `Authority` hashes its
    // bytes one by one.
    latest: Option<(Origin, Arc<HostPool>)>,
    all: HashMap<Origin, Arc<HostPool>>,
}

type Origin = (Scheme, Authority);

/// Whether a connection has been used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectionUse {
    First,
    /// The server may have closed it while it was idle.
    Reused,
}

impl<K> Pool<K> {
    pub(super) fn new(connector: TimeoutConnector<K>, limits: Limits, http2_only: bool) -> Self {
        Self {
            connector,
            http2: http2_connection::builder(),
            http2_only,
            limits,
            hosts: Mutex::default(),
            counters: Arc::default(),
        }
    }

    /// The current counters. Does not block for long: no lock is held while a request waits.
    pub(super) fn stats(&self) -> ClientStats {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = hosts.all.values().map(|host_pool| host_pool.idle()).sum();
        self.counters.stats(idle)
    }

    /// The pool of the origin of an absolute URI. Returns `None` if the URI is not absolute.
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
                let host_pool = Arc::new(HostPool::new(
                    host_header(uri)?,
                    self.limits,
                    self.http2_only,
                ));
                // Remove pools that have no connection and no request, so that the map does not
                // grow with each origin that was ever used.
                hosts.all.retain(|_, host_pool| {
                    Arc::strong_count(host_pool) > 1 || !host_pool.is_empty()
                });
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
    /// Opens a connection, or waits for a stream of one that another request has opened.
    pub(super) async fn connect(
        &self,
        host_pool: &Arc<HostPool>,
        uri: &Uri,
    ) -> Result<(PooledConnection, ConnectionUse), ClientError> {
        loop {
            let permit = match host_pool.http2().wait_for_stream().await? {
                StreamOrPermit::Stream(connection) => {
                    return Ok((PooledConnection::Http2(connection), ConnectionUse::Reused));
                }
                StreamOrPermit::Permit(permit) => permit,
            };
            if let Some(opened) = self.open(host_pool, uri, permit).await? {
                return Ok(opened);
            }
        }
    }

    /// Opens a connection. Returns `None` if the request has to wait for an open one instead.
    async fn open(
        &self,
        host_pool: &Arc<HostPool>,
        uri: &Uri,
        mut permit: ConnectPermit,
    ) -> Result<Option<(PooledConnection, ConnectionUse)>, ClientError> {
        let io = match self.open_transport(uri).await {
            Ok(io) => io,
            Err(error) => return permit.failed(error).map(|()| None),
        };
        let is_http2 = self.http2_only || io.connected().is_negotiated_h2();
        host_pool.http2().set_protocol(is_http2);
        let guard = self.counters.open();
        if !is_http2 {
            drop(permit);
            let is_proxied = io.connected().is_proxied();
            let connection = Http1Connection::handshake(io, guard, is_proxied)
                .await
                .map_err(ClientError::connection)?;
            let connection = PooledConnection::Http1(connection);
            return Ok(Some((connection, ConnectionUse::First)));
        }
        match permit.admit() {
            Admission::Admitted => {}
            Admission::UseStream(stream) => {
                let connection = PooledConnection::Http2(stream);
                return Ok(Some((connection, ConnectionUse::Reused)));
            }
            Admission::Wait => return Ok(None),
        }
        let settings = Arc::new(Notify::new());
        let stream_limit = permit.initial_stream_limit();
        let handshake = self
            .http2
            .clone()
            .initial_max_send_streams(stream_limit)
            .handshake(Http2Io::new(io, Arc::clone(&settings), guard));
        let (sender, connection) = match handshake.await {
            Ok(opened) => opened,
            Err(error) => {
                let error = ClientError::connection(error);
                return permit.failed(error).map(|()| None);
            }
        };
        let (stream, membership) = permit.connected(sender, stream_limit);
        let no_streams_timeout = self.limits.connect_timeout;
        tokio::spawn(drive(connection, membership, settings, no_streams_timeout));
        host_pool.reap_http2();
        let connection = PooledConnection::Http2(stream);
        Ok(Some((connection, ConnectionUse::First)))
    }

    async fn open_transport(&self, uri: &Uri) -> Result<K::Response, ClientError> {
        let mut connector = self.connector.clone();
        poll_fn(|cx| connector.poll_ready(cx))
            .await
            .map_err(ClientError::connect)?;
        connector
            .call(uri.clone())
            .await
            .map_err(ClientError::connect)
    }
}

/// The value of `Host` for a target: without the port, if that is the default of the scheme.
fn host_header(target: &Uri) -> Option<HeaderValue> {
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
