use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};

use http::uri::Scheme;
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
use super::total_idle::TotalIdle;
use crate::error::BoxError;

/// The open connections of a client, by origin, and the connector of new ones.
pub(super) struct Pool<K> {
    connector: TimeoutConnector<K>,
    http2: http2::Builder<TokioExecutor>,
    http2_only: bool,
    limits: Limits,
    hosts: Mutex<HostPools>,
    total_idle: Option<Arc<TotalIdle>>,
    counters: Arc<ConnectionCounters>,
}

/// By authority, then by scheme. An `Authority` as the key would take five times as long, because
/// it hashes its bytes one by one.
type HostPools = HashMap<Box<str>, Vec<(Scheme, Arc<HostPool>)>>;

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
            total_idle: limits
                .max_idle_total
                .map(|max| Arc::new(TotalIdle::new(max))),
            counters: Arc::default(),
        }
    }

    /// The current counters. Does not block for long: no lock is held while a request waits.
    pub(super) fn stats(&self) -> ClientStats {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let pools = hosts.values().flatten();
        let idle = pools.map(|(_, host_pool)| host_pool.idle()).sum();
        self.counters.stats(idle)
    }

    /// The pool of the origin of an absolute URI. Returns `None` if the URI is not absolute.
    pub(super) fn host_pool(&self, uri: &Uri) -> Option<Arc<HostPool>> {
        let (scheme, authority) = (uri.scheme()?, uri.authority()?);
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pools = hosts.get(authority.as_str()).into_iter().flatten();
        if let Some((_, host_pool)) = pools.find(|(other, _)| other == scheme) {
            return Some(Arc::clone(host_pool));
        }
        let host_pool = Arc::new(HostPool::new(
            host_header(uri)?,
            self.limits,
            self.total_idle.clone(),
            self.http2_only,
        ));
        // Remove pools that have no connection and no request, so that the map does not grow with
        // each origin that was ever used.
        hosts.retain(|_, pools| {
            pools.retain(|(_, pool)| Arc::strong_count(pool) > 1 || !pool.is_empty());
            !pools.is_empty()
        });
        let pools = hosts.entry(authority.as_str().into()).or_default();
        pools.push((scheme.clone(), Arc::clone(&host_pool)));
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
        let expires_at = self.limits.expiry(self.counters.opened());
        if !is_http2 {
            drop(permit);
            let is_proxied = io.connected().is_proxied();
            let connection = Http1Connection::handshake(io, guard, is_proxied, expires_at)
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
        let (stream, membership) = permit.connected(sender, stream_limit, expires_at);
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
