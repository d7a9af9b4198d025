use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::Connection;
use tower::Service;

use super::HttpClient;
use super::connect::{self, Timed};
use super::host_pool::Limits;
use super::pool::Pool;
use crate::error::{BoxError, ConfigError};

/// Builds an [`HttpClient`].
#[derive(Clone, Debug)]
#[must_use]
pub struct HttpClientBuilder {
    connect_timeout: Duration,
    pool_max_idle: usize,
    pool_idle_timeout: Duration,
    http2_only: bool,
    http2_max_connections: usize,
}

impl Default for HttpClientBuilder {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            pool_max_idle: 64,
            pool_idle_timeout: Duration::from_secs(20),
            http2_only: false,
            http2_max_connections: 16,
        }
    }
}

impl HttpClientBuilder {
    /// Replaces how long a connection may take to be made: name, TCP and TLS together; and for how
    /// long an HTTP/2 tenant may allow no streams on one before it is let go of, and requests look
    /// for another.
    ///
    /// Default is 5 seconds.
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Replaces how many idle connections to one origin are kept for the next request.
    ///
    /// Default is 64.
    pub fn with_pool_max_idle(mut self, max: usize) -> Self {
        self.pool_max_idle = max;
        self
    }

    /// Replaces how long an idle connection is kept. Keep it below the keep-alive time of the
    /// tenant's servers (75 seconds for nginx), or requests are sent on connections that are being
    /// closed, and have to be sent again.
    ///
    /// Default is 20 seconds.
    pub fn with_pool_idle_timeout(mut self, timeout: Duration) -> Self {
        self.pool_idle_timeout = timeout;
        self
    }

    /// Speaks HTTP/2 only, without asking: with prior knowledge over plain TCP (h2c), and as the
    /// only protocol offered over TLS.
    ///
    /// Default is HTTP/1.1 over plain TCP, and whichever of HTTP/2 and HTTP/1.1 the tenant picks
    /// over TLS.
    pub fn with_http2_only(mut self) -> Self {
        self.http2_only = true;
        self
    }

    /// Replaces how many HTTP/2 connections to one origin are open at one time, at least one. A
    /// further one is opened when all streams of the others are in use: as many as the tenant
    /// allows on a connection, and at most 128. Requests beyond all of them wait for a stream,
    /// in order.
    ///
    /// Each answer that is not read buffers up to 256 KiB, and delays no other one.
    ///
    /// Default is 16.
    pub fn with_http2_max_connections(mut self, max: usize) -> Self {
        self.http2_max_connections = max.max(1);
        self
    }

    /// A client that connects by itself.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn build(self) -> Result<HttpClient, ConfigError> {
        let connector = connect::default(self.connect_timeout, self.http2_only)?;
        Ok(self.build_with_connector(connector))
    }

    /// A client that connects by pooled of `connector`: with roots of one's own, a client
    /// certificate, a Unix socket.
    pub fn build_with_connector<K>(self, connector: K) -> HttpClient<K>
    where
        K: Service<Uri> + Clone + Send + Sync + 'static,
        K::Response: Connection + Read + Write + Send + Unpin + 'static,
        K::Error: Into<BoxError>,
        K::Future: Send + 'static,
    {
        let connector = Timed::new(connector, self.connect_timeout);
        let limits = Limits {
            max_idle: self.pool_max_idle,
            idle_timeout: self.pool_idle_timeout,
            connect_timeout: self.connect_timeout,
            max_http2_connections: self.http2_max_connections,
        };
        HttpClient::from_pool(Pool::new(connector, limits, self.http2_only))
    }
}
