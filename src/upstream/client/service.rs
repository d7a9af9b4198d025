use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::HOST;
use http::uri::Scheme;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::Connection;
use hyper_util::client::legacy::{self, Client};
use tower::Service;

use super::connect::Timed;
use super::{ClientError, DefaultConnector, HttpClientBuilder};
use crate::error::{BoxError, ConfigError, ConfigErrorKind};
use crate::tenant::Tenant;
use crate::upstream::RequestBody;

/// A pooled client for HTTP/1.1 and HTTP/2, over TCP and TLS.
///
/// Clones share the pool. `Host` is made from the request's URI, on the protocol that needs it.
/// Redirects are not followed. A request is sent again only if its connection, kept from an earlier
/// one, was closed before any of it was written.
#[derive(Clone)]
pub struct HttpClient<K = DefaultConnector> {
    client: Client<Timed<K>, RequestBody>,
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
    pub(super) fn from_client(client: Client<Timed<K>, RequestBody>) -> Self {
        Self { client }
    }
}

impl<K> Service<Request<RequestBody>> for HttpClient<K>
where
    K: Service<Uri> + Clone + Send + Sync + 'static,
    K::Response: Connection + Read + Write + Send + Unpin + 'static,
    K::Error: Into<BoxError>,
    K::Future: Send + 'static,
{
    type Response = Response<Incoming>;
    type Error = ClientError;
    type Future = ClientFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.client.poll_ready(cx).map_err(ClientError::new)
    }

    fn call(&mut self, mut request: Request<RequestBody>) -> Self::Future {
        // Which protocol it will be is known only once there is a connection. HTTP/2 carries the
        // URI's authority by itself, and for HTTP/1.1 hyper-util makes the header of it.
        request.headers_mut().remove(HOST);
        ClientFuture(self.client.call(request))
    }
}

impl<K> fmt::Debug for HttpClient<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

/// The response of [`HttpClient`].
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct ClientFuture(legacy::ResponseFuture);

impl Future for ClientFuture {
    type Output = Result<Response<Incoming>, ClientError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_err(ClientError::new)
    }
}
