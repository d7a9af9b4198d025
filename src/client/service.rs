use std::fmt;
use std::future::{Future, ready};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::Scheme;
use http::{Request, Response, Uri};
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::Connection;
use tower::Service;

use super::body::ConnectionBody;
use super::connect::{self, TcpConnector, TimeoutConnector};
use super::dispatch::{Dispatch, DispatchFuture};
use super::limits::Limits;
use super::pool::Pool;
use super::{ClientError, ClientStats, DefaultConnector, Proxy};
use crate::error::{BoxError, ConfigError, ConfigErrorKind};
use crate::request_body::RequestBody;

/// A pooled client for HTTP/1.1 and HTTP/2, over TCP and TLS.
///
/// Clones share the pool. A request without a `Host` header gets the host of its URI, on the
/// protocol that needs it. Redirects are not followed.
///
/// # Retries
/// - A request whose reused connection was closed before any byte of the request was written.
/// - Once, on a new connection: an idempotent request (`GET`, `HEAD`, `PUT`, `DELETE`, `OPTIONS`)
///   whose reused HTTP/1.1 connection was closed before the first byte of a response
///   ([RFC 9112 §9.3.1](https://www.rfc-editor.org/rfc/rfc9112#section-9.3.1)). The client keeps
///   the first 64 KiB of a body for this; a request of which more was sent fails.
/// - Once: a `GET` or `HEAD` without a body that an HTTP/2 server refused by `REFUSED_STREAM` or by
///   a graceful `GOAWAY`. nginx sends it for requests that arrive while it closes the connection.
///
/// No other request is retried, regardless of the error. A request that cannot be retried, such as
/// a `POST`, reuses only HTTP/1.1 connections that the server keeps open: they have been idle for
/// less than 4 seconds, or for one second less than the timeout in the server's `Keep-Alive`
/// header.
///
/// # Responses before the end of a request
/// A server may respond to the head of a request and close the connection. The client returns the
/// response, even if the rest of the request could not be written.
///
/// # Tasks
/// An HTTP/1.1 connection has no task. Polling the response future and then the response body
/// drives it, so a response that is not read makes no progress. Dropping the future, or a body
/// that has not arrived completely, closes the connection. If the response begins before the
/// request is complete, a task sends the rest; it aborts when the server accepts no byte for 20 to
/// 40 seconds. An HTTP/2 connection is driven by a task and needs tokio's runtime. Idle connections
/// are closed when the runtime that reaps them shuts down.
///
/// # HTTP/2
/// Requests share a connection. The client opens another one when all streams of the open
/// connections are in use (the limit that the server sets, at most 128), and closes it when it is
/// idle. Flow control reserves 256 KiB for each stream, so a response that is not read does not
/// delay other responses.
pub struct HttpClient<K = DefaultConnector> {
    pool: Arc<Pool<K>>,
}

impl HttpClient {
    /// Creates a client with the defaults of [`HttpClientBuilder`].
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new() -> Result<Self, ConfigError> {
        Self::builder().build()
    }

    /// Creates a builder, to replace the defaults.
    pub fn builder() -> HttpClientBuilder {
        HttpClientBuilder::default()
    }

    /// Checks that this client can connect to URIs of this scheme.
    ///
    /// # Errors
    /// If the scheme is `https` and the feature `tls` is off.
    pub fn check_scheme(&self, scheme: &Scheme) -> Result<(), ConfigError> {
        if cfg!(feature = "tls") || *scheme == Scheme::HTTP {
            return Ok(());
        }
        Err(ConfigError::new(
            ConfigErrorKind::InvalidOrigin,
            "an https origin needs the feature `tls`, or a client with a connector of your own",
        ))
    }
}

impl<K> HttpClient<K> {
    /// The number of connections of this client and its clones.
    pub fn stats(&self) -> ClientStats {
        self.pool.stats()
    }
}

impl<K> Service<Request<RequestBody>> for HttpClient<K>
where
    K: Service<Uri> + Clone + Send + Sync + 'static,
    K::Response: Connection + Read + Write + Send + Unpin + 'static,
    K::Error: Into<BoxError>,
    K::Future: Send + 'static,
{
    type Response = Response<ConnectionBody>;
    type Error = ClientError;
    type Future = ClientFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<RequestBody>) -> Self::Future {
        let target = mem::take(request.uri_mut());
        ClientFuture(match Dispatch::new(Arc::clone(&self.pool), target) {
            Some(dispatch) => dispatch.start(request),
            None => Box::pin(ready(Err(ClientError::no_target()))),
        })
    }
}

impl<K> Clone for HttpClient<K> {
    fn clone(&self) -> Self {
        Self {
            pool: Arc::clone(&self.pool),
        }
    }
}

impl<K> fmt::Debug for HttpClient<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

/// Builds an [`HttpClient`].
#[derive(Clone, Debug)]
#[must_use]
pub struct HttpClientBuilder {
    limits: Limits,
    http2_only: bool,
    proxy: Proxy,
    #[cfg(feature = "tls")]
    added_roots: rustls::RootCertStore,
}

impl Default for HttpClientBuilder {
    fn default() -> Self {
        Self {
            limits: Limits {
                // Two retransmissions of a lost SYN (after 1 s and 3 s) fit in.
                connect_timeout: Duration::from_secs(5),
                max_idle: 64,
                // Well below the keep-alive time of nginx (75 s) and of cloud load balancers
                // (60 s for AWS ALB, 350 s for AWS NLB).
                idle_timeout: Duration::from_secs(20),
                max_idle_total: None,
                // A change of DNS takes effect within minutes, and one handshake in 10 minutes
                // is negligible.
                max_age: Duration::from_secs(600),
                // 2048 concurrent requests, with 128 streams each.
                max_http2_connections: 16,
            },
            http2_only: false,
            proxy: Proxy::default(),
            #[cfg(feature = "tls")]
            added_roots: rustls::RootCertStore::empty(),
        }
    }
}

impl HttpClientBuilder {
    /// Replaces the connect timeout. It covers name resolution, TCP and TLS together. It is also
    /// how long an HTTP/2 server may allow no streams on a connection before the client closes that
    /// connection and sends its waiting requests on another one.
    ///
    /// Default is 5 seconds.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.limits.connect_timeout = timeout;
        self
    }

    /// Replaces the maximum number of idle HTTP/1.1 connections per origin.
    ///
    /// Default is 64.
    pub fn pool_max_idle(mut self, max: usize) -> Self {
        self.limits.max_idle = max;
        self
    }

    /// Replaces how long a connection may be idle before it is closed. Keep it below the keep-alive
    /// time of the server (75 seconds for nginx): otherwise requests are sent on connections that
    /// the server is closing, and have to be retried.
    ///
    /// Default is 20 seconds.
    pub fn pool_idle_timeout(mut self, timeout: Duration) -> Self {
        self.limits.idle_timeout = timeout;
        self
    }

    /// Limits the number of idle connections of all origins together, of HTTP/1.1 and HTTP/2, in
    /// addition to [`pool_max_idle`](Self::pool_max_idle). Use it if one client serves many
    /// origins: each idle connection takes a file descriptor.
    ///
    /// Above the limit, the connection that has been idle for the longest time is closed, of
    /// whichever origin. With a limit of 0, no connection is kept.
    ///
    /// Default is unlimited.
    pub fn pool_max_idle_total(mut self, max: usize) -> Self {
        self.limits.max_idle_total = Some(max);
        self
    }

    /// Replaces the greatest age of a connection. A connection of this age gets no further request,
    /// and is closed when its requests are complete. New connections use the current addresses of
    /// the host, so that a change of DNS takes effect under steady traffic.
    ///
    /// The age is up to an eighth less for some connections, so that those that were opened
    /// together are not replaced together. It is checked at the end of each HTTP/1.1 response, and
    /// every second. [`Duration::MAX`] disables the limit.
    ///
    /// Default is 10 minutes.
    pub fn max_connection_age(mut self, age: Duration) -> Self {
        self.limits.max_age = age;
        self
    }

    /// Uses HTTP/2 only, without negotiation: with prior knowledge over plain TCP (h2c), and as the
    /// only protocol that is offered over TLS.
    ///
    /// Default is HTTP/1.1 over plain TCP; over TLS, the server selects HTTP/2 or HTTP/1.1.
    pub fn http2_only(mut self) -> Self {
        self.http2_only = true;
        self
    }

    /// Replaces the maximum number of open HTTP/2 connections per origin; at least one is used.
    /// Another connection is opened when all streams of the open ones are in use: as many as the
    /// server allows on a connection, and at most 128. Further requests wait for a stream, in
    /// order.
    ///
    /// Each response that is not read buffers up to 256 KiB and does not delay the others.
    ///
    /// Default is 16.
    pub fn http2_max_connections(mut self, max: usize) -> Self {
        self.limits.max_http2_connections = max.max(1);
        self
    }

    /// Connects through a proxy. The environment is used only with [`Proxy::from_env`].
    ///
    /// Default is a direct connection to each origin. Only [`build`](Self::build) uses this
    /// setting.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = proxy;
        self
    }

    /// Trusts the certificates of a PEM file, in addition to the bundled Mozilla root certificates
    /// and earlier files. Use it for a tenant whose certificate is from a private authority.
    ///
    /// ```no_run
    /// use omneo_id::client::HttpClient;
    ///
    /// let pem = std::fs::read("private-ca.pem").unwrap();
    /// let client = HttpClient::builder()
    ///     .add_root_certificates(&pem)?
    ///     .build()?;
    /// # Ok::<(), omneo_id::error::ConfigError>(())
    /// ```
    ///
    /// Default is the bundled Mozilla root certificates. Only [`build`](Self::build) uses this
    /// setting.
    ///
    /// # Errors
    /// If the file has no certificate, or one that cannot be a root.
    #[cfg(feature = "tls")]
    pub fn add_root_certificates(mut self, pem: &[u8]) -> Result<Self, ConfigError> {
        crate::tls::add_pem(&mut self.added_roots, pem)?;
        Ok(self)
    }

    /// Builds a client that connects with the [`DefaultConnector`].
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn build(self) -> Result<HttpClient, ConfigError> {
        let connect_timeout = self.limits.connect_timeout;
        let connector = connect::default_connector(
            TcpConnector::new(connect_timeout, &self.proxy, self.http2_only),
            #[cfg(feature = "tls")]
            self.added_roots.clone(),
        )?;
        Ok(self.build_with_connector(connector))
    }

    /// Builds a client that connects with `connector`. Use it for a client certificate or a Unix
    /// socket.
    ///
    /// ```
    /// use hyper_util::client::legacy::connect::HttpConnector;
    /// use omneo_id::client::HttpClient;
    ///
    /// let mut connector = HttpConnector::new();
    /// connector.set_nodelay(true);
    /// let client = HttpClient::builder().build_with_connector(connector);
    /// # assert_eq!(client.stats().open, 0);
    /// ```
    pub fn build_with_connector<K>(self, connector: K) -> HttpClient<K>
    where
        K: Service<Uri> + Clone + Send + Sync + 'static,
        K::Response: Connection + Read + Write + Send + Unpin + 'static,
        K::Error: Into<BoxError>,
        K::Future: Send + 'static,
    {
        let connector = TimeoutConnector::new(connector, self.limits.connect_timeout);
        HttpClient {
            pool: Arc::new(Pool::new(connector, self.limits, self.http2_only)),
        }
    }
}

/// The response future of [`HttpClient`]. Dropping it cancels the request.
#[must_use = "the request is sent only while this future is polled"]
pub struct ClientFuture(DispatchFuture);

impl Future for ClientFuture {
    type Output = Result<Response<ConnectionBody>, ClientError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for ClientFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientFuture").finish_non_exhaustive()
    }
}
