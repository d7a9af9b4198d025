use std::fmt;
use std::future::{Future, ready};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::uri::Scheme;
use http::{Request, Response, Uri};
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::Connection;
use tower::Service;

use super::body::ConnectionBody;
use super::dispatch::Dispatch;
use super::pool::Pool;
use super::{ClientError, ClientStats, DefaultConnector, HttpClientBuilder};
use crate::error::{BoxError, ConfigError, ConfigErrorKind};
use crate::request_body::RequestBody;
use crate::tenant::Tenant;

/// A pooled client for HTTP/1.1 and HTTP/2, over TCP and TLS.
///
/// Clones share the pool. A request without `Host` gets that of its URI, on the protocol that needs
/// it. Redirects are not followed.
///
/// # What is sent again
/// - A request whose connection was closed before any of it was written, if the connection was
///   reused.
/// - Once, on a new connection: an idempotent request (`GET`, `HEAD`, `PUT`, `DELETE`, `OPTIONS`) whose
///   reused HTTP/1.1 connection was closed before one byte of an answer
///   ([RFC 9112 §9.3.1](https://www.rfc-editor.org/rfc/rfc9112#section-9.3.1)). The first 64 KiB of a
///   body are kept for this; a request of which more was sent fails.
/// - Once: a `GET` or `HEAD` without a body that an HTTP/2 tenant gave back by `REFUSED_STREAM` or
///   by a graceful `GOAWAY`, as nginx does to what crosses the end of a connection.
///
/// Nothing else, whatever the error. A request that cannot be sent again, such as a `POST`, reuses
/// only HTTP/1.1 connections that their tenant keeps open: they have been idle for less than 4
/// seconds, or for a second less than the tenant says in `Keep-Alive: timeout`.
///
/// # Answers before the end of a request
/// A tenant may answer the head of a request and close. The answer is returned, also if the rest of
/// the request could not be written.
///
/// # Who does the work
/// An HTTP/1.1 connection has no task of its own: it moves while its answer's head, then its body,
/// is polled. An answer that nobody reads does not move, and one that is dropped before all of it
/// has come closes its connection, as does a call that is dropped. What is left of a request when
/// its answer has begun is sent by a task, until the tenant has taken nothing of it for 20 to 40
/// seconds. A connection of HTTP/2 is spawned, and needs tokio's runtime. Idle connections go with
/// the runtime that looks after them.
///
/// # HTTP/2
/// Requests share a connection. A further one is opened when the tenant allows no more streams on
/// the others, or 128 are in use on each, and is closed when it has been idle. Flow control
/// reserves 256 KiB for each stream: an answer that is not read delays no other one.
pub struct HttpClient<K = DefaultConnector> {
    pool: Arc<Pool<K>>,
}

impl HttpClient {
    /// A client with the defaults of [`builder`](Self::builder).
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new() -> Result<Self, ConfigError> {
        Self::builder().build()
    }

    /// Builds a client with other limits.
    pub fn builder() -> HttpClientBuilder {
        HttpClientBuilder::default()
    }

    /// Whether this client can speak to `tenant` at all.
    ///
    /// # Errors
    /// If the tenant is reached by https and the feature `tls` is off.
    pub fn check_tenant(&self, tenant: &Tenant) -> Result<(), ConfigError> {
        if cfg!(feature = "tls") || *tenant.scheme() == Scheme::HTTP {
            return Ok(());
        }
        Err(ConfigError::new(
            ConfigErrorKind::InvalidOrigin,
            "an https tenant needs the feature `tls`, or a client with a connector of your own",
        ))
    }
}

impl<K> HttpClient<K> {
    pub(super) fn from_pool(pool: Pool<K>) -> Self {
        Self {
            pool: Arc::new(pool),
        }
    }

    /// The connections of this client and its clones, as they are now.
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

/// The response of [`HttpClient`]. Dropping it cancels the request.
#[must_use = "a request that is not polled is not sent, and takes its connection along"]
pub struct ClientFuture(Pin<Box<dyn Future<Output = Answer> + Send>>);

pub(super) type Answer = Result<Response<ConnectionBody>, ClientError>;

impl Future for ClientFuture {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for ClientFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientFuture").finish_non_exhaustive()
    }
}
