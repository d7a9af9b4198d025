use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::HOST;
use http::uri::Scheme;
use http::{Method, Request, Response, Uri};
use http_body::Body as _;
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
/// Redirects are not followed.
///
/// # What is sent again
/// Only what the tenant has certainly not begun to work on: a request whose connection, kept from an
/// earlier one, was closed before any of it was written, as often as that happens; and once, a `GET`
/// or `HEAD` without a body that an HTTP/2 tenant gave back by `REFUSED_STREAM` or by a graceful
/// `GOAWAY`, as nginx does to what crosses the end of a connection. Nothing else, whatever the error.
#[derive(Clone)]
pub struct HttpClient<K = DefaultConnector> {
    client: Client<Timed<K>, RequestBody>,
    http2_only: bool,
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
    pub(super) fn from_client(client: Client<Timed<K>, RequestBody>, http2_only: bool) -> Self {
        Self { client, http2_only }
    }
}

impl<K> HttpClient<K>
where
    K: Service<Uri> + Clone + Send + Sync + 'static,
    K::Response: Connection + Read + Write + Send + Unpin + 'static,
    K::Error: Into<BoxError>,
    K::Future: Send + 'static,
{
    /// How to send this request once more, should an HTTP/2 tenant give it back.
    fn again(&self, request: &Request<RequestBody>) -> Option<Again> {
        let may_be_http2 = self.http2_only || request.uri().scheme() == Some(&Scheme::HTTPS);
        // Any other method may be repeated too, says RFC 9113 §8.7, if the tenant's word is good. It
        // is taken for requests that change nothing even if it is not.
        let harmless = matches!(*request.method(), Method::GET | Method::HEAD);
        if !may_be_http2 || !harmless || !request.body().is_end_stream() {
            return None;
        }
        let mut copy = Request::new(());
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.headers_mut() = request.headers().clone();
        let client = self.client.clone();
        Some(Box::new(move || {
            client.request(copy.map(|()| RequestBody::default()))
        }))
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
        let again = self.again(&request);
        ClientFuture {
            sent: self.client.call(request),
            again,
        }
    }
}

impl<K> fmt::Debug for HttpClient<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

/// Sends a request once more.
type Again = Box<dyn FnOnce() -> legacy::ResponseFuture + Send + Sync>;

/// The response of [`HttpClient`].
#[must_use = "futures do nothing unless polled"]
pub struct ClientFuture {
    sent: legacy::ResponseFuture,
    // `None` if it must not be, or has been.
    again: Option<Again>,
}

impl Future for ClientFuture {
    type Output = Result<Response<Incoming>, ClientError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let error = match ready!(Pin::new(&mut self.sent).poll(cx)) {
                Ok(response) => return Poll::Ready(Ok(response)),
                Err(error) => ClientError::new(error),
            };
            match self.again.take().filter(|_| error.was_given_back()) {
                Some(again) => self.sent = again(),
                None => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl fmt::Debug for ClientFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientFuture").field(&self.sent).finish()
    }
}
