use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::HOST;
use http::uri::Scheme;
use http::{Method, Request, Response, Uri};
use http_body::Body as _;
use hyper::client::conn::TrySendError;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::Connection;
use tower::Service;

use super::pool::{Age, Pool};
use super::shelf::{Trunk, Way};
use super::{ClientError, ClientStats, DefaultConnector, HttpClientBuilder};
use crate::body::DrivenBody;
use crate::error::{BoxError, ConfigError, ConfigErrorKind};
use crate::tenant::Tenant;
use crate::upstream::RequestBody;

/// A pooled client for HTTP/1.1 and HTTP/2, over TCP and TLS.
///
/// Clones share the pool. A request without `Host` gets that of its URI, on the protocol that needs it.
/// Redirects are not followed.
///
/// # What is sent again
/// Only what the tenant has certainly not begun to work on: a request whose connection, kept from an
/// earlier one, was closed before any of it was written, as often as that happens; and once, a `GET`
/// or `HEAD` without a body that an HTTP/2 tenant gave back by `REFUSED_STREAM` or by a graceful
/// `GOAWAY`, as nginx does to what crosses the end of a connection. Nothing else, whatever the error.
///
/// # Who does the work
/// An HTTP/1.1 connection has no task of its own: it moves while its answer's head, then its body,
/// is polled. An answer that nobody reads does not move, and one that is dropped closes its
/// connection. What is left of a request when its answer has begun is sent by a task, until the
/// tenant has taken nothing of it for as long as a connection may be idle. A connection of HTTP/2 is
/// spawned, and needs tokio's runtime. Idle connections go with the runtime that looks after them.
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
    type Response = Response<DrivenBody>;
    type Error = ClientError;
    type Future = ClientFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        ClientFuture(Box::pin(send(Arc::clone(&self.pool), request)))
    }
}

async fn send<K>(
    pool: Arc<Pool<K>>,
    mut request: Request<RequestBody>,
) -> Result<Response<DrivenBody>, ClientError>
where
    K: Service<Uri> + Clone + Send + Sync + 'static,
    K::Response: Connection + Read + Write + Send + Unpin + 'static,
    K::Error: Into<BoxError>,
    K::Future: Send + 'static,
{
    let target = mem::take(request.uri_mut());
    let shelf = pool.shelf(&target).ok_or_else(ClientError::no_target)?;
    let mut may_repeat = true;
    loop {
        let (way, age) = match shelf.way() {
            Some(way) => (way, Age::Kept),
            // Boxed: a handshake's state is large, and hardly any request needs it.
            None => Box::pin(pool.connect(&shelf, &target)).await?,
        };
        let failed = match way {
            Way::Http1(line) => {
                *request.uri_mut() = line.target(&target);
                if !request.headers().contains_key(HOST) {
                    request.headers_mut().insert(HOST, shelf.host().clone());
                }
                line.call(request, Arc::clone(&shelf))
                    .await
                    .map_err(Failed::from)
            }
            Way::Http2(mut trunk) => {
                // It carries the authority by itself.
                *request.uri_mut() = target.clone();
                request.headers_mut().remove(HOST);
                let answer = over_http2(&mut trunk, request, may_repeat).await;
                if answer.as_ref().is_err_and(Failed::ends_connection) {
                    shelf.unshare(&trunk);
                }
                answer
            }
        };
        match failed {
            Ok(response) => return Ok(response),
            Err(Failed {
                unsent: Some(unsent),
                ..
            }) if age == Age::Kept => request = unsent,
            Err(Failed {
                given_back: Some(copy),
                ..
            }) => {
                may_repeat = false;
                request = copy;
            }
            Err(Failed { error, .. }) => return Err(error),
        }
    }
}

/// Why there is no answer, and what could be sent again.
struct Failed {
    error: ClientError,
    /// The connection had been closed: nothing of the request was written.
    unsent: Option<Request<RequestBody>>,
    /// The tenant said that it has not begun to work on it.
    given_back: Option<Request<RequestBody>>,
}

impl Failed {
    /// Whether no other request should be sent the same way.
    fn ends_connection(&self) -> bool {
        self.unsent.is_some() || self.error.ends_connection()
    }
}

impl From<TrySendError<Request<RequestBody>>> for Failed {
    fn from(mut error: TrySendError<Request<RequestBody>>) -> Self {
        Self {
            unsent: error.take_message(),
            error: error.into_error().into(),
            given_back: None,
        }
    }
}

async fn over_http2(
    trunk: &mut Trunk,
    request: Request<RequestBody>,
    may_repeat: bool,
) -> Result<Response<DrivenBody>, Failed> {
    // Any other method may be repeated too, says RFC 9113 §8.7, if the tenant's word is good. It is
    // taken for requests that change nothing even if it is not.
    let harmless = matches!(*request.method(), Method::GET | Method::HEAD);
    let copy = (may_repeat && harmless && request.body().is_end_stream()).then(|| {
        let mut copy = Request::new(RequestBody::default());
        *copy.method_mut() = request.method().clone();
        *copy.headers_mut() = request.headers().clone();
        copy
    });
    match trunk.send.try_send_request(request).await {
        Ok(response) => Ok(response.map(DrivenBody::new)),
        Err(error) => {
            let mut failed = Failed::from(error);
            failed.given_back = copy.filter(|_| failed.error.was_given_back());
            Err(failed)
        }
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
#[must_use = "futures do nothing unless polled"]
pub struct ClientFuture(Pin<Box<dyn Future<Output = Answer> + Send>>);

type Answer = Result<Response<DrivenBody>, ClientError>;

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
