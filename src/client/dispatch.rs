use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::HOST;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body::Body as _;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::Connection;
use pin_project_lite::pin_project;
use tower::Service;

use super::ClientError;
use super::body::ConnectionBody;
use super::host_pool::{HostPool, PooledConnection, Reuse};
use super::http1_connection::Http1Connection;
use super::http2_connection::Http2Connection;
use super::pool::{ConnectionUse, Pool};
use super::replay::{RecordedBody, Replay, is_always_replayable, is_replayable};
use super::send_error::{Resend, SendError};
use crate::error::BoxError;
use crate::request_body::RequestBody;

/// Sends one request, with its retries.
pub(super) type DispatchFuture =
    Pin<Box<dyn Future<Output = Result<Response<ConnectionBody>, ClientError>> + Send>>;

/// The target of one request, and the connections to it.
pub(super) struct Dispatch<K> {
    pool: Arc<Pool<K>>,
    host_pool: Arc<HostPool>,
    target: Uri,
}

impl<K> Dispatch<K>
where
    K: Service<Uri> + Clone + Send + Sync + 'static,
    K::Response: Connection + Read + Write + Send + Unpin + 'static,
    K::Error: Into<BoxError>,
    K::Future: Send + 'static,
{
    /// Returns `None` if the target has no host.
    #[inline]
    pub(super) fn new(pool: Arc<Pool<K>>, target: Uri) -> Option<Self> {
        let host_pool = pool.host_pool(&target)?;
        Some(Self {
            pool,
            host_pool,
            target,
        })
    }

    /// Sends `request`. In the common case an HTTP/1.1 connection is idle: the request is passed to
    /// hyper at once, and the future does not reserve space for it.
    #[inline]
    pub(super) fn start(self, request: Request<RequestBody>) -> DispatchFuture {
        let retry = Retry::Allowed;
        let connection = match self.host_pool.try_checkout(reuse(&request)) {
            Some(PooledConnection::Http1(connection)) => {
                return Box::pin(ReuseIdle {
                    send: self.send_http1(connection, request, retry),
                    dispatch: Some(self),
                    retry: None,
                });
            }
            Some(connection) => NextConnection::Pooled(connection),
            None => NextConnection::New,
        };
        Box::pin(self.run((connection, request, retry)))
    }

    /// Sends a request, and sends it again as long as [`next_attempt`] permits it.
    async fn run(self, mut attempt: Attempt) -> Result<Response<ConnectionBody>, ClientError> {
        loop {
            let (connection, request, retry) = attempt;
            let pooled = match connection {
                NextConnection::Pooled(connection) => Some(connection),
                NextConnection::PooledOrNew => self.host_pool.try_checkout(reuse(&request)),
                NextConnection::New => None,
            };
            let (connection, connection_use) = match pooled {
                Some(connection) => (connection, ConnectionUse::Reused),
                // Boxed: the state of a handshake is large, and few requests need it.
                None => Box::pin(self.pool.connect(&self.host_pool, &self.target)).await?,
            };
            let sent = match connection {
                PooledConnection::Http1(connection) => {
                    let retry = match connection_use {
                        ConnectionUse::First => Retry::Used,
                        ConnectionUse::Reused => retry,
                    };
                    self.send_http1(connection, request, retry).await
                }
                PooledConnection::Http2(connection) => {
                    self.send_http2(connection, request, retry).await
                }
            };
            attempt = match sent {
                Ok(response) => return Ok(response),
                Err(failed) => next_attempt(*failed, connection_use, retry)?,
            };
        }
    }

    #[inline]
    fn send_http1(
        &self,
        connection: Box<Http1Connection>,
        mut request: Request<RequestBody>,
        retry: Retry,
    ) -> impl Future<Output = Result<Response<ConnectionBody>, Box<SendError>>> + Send + use<K>
    {
        *request.uri_mut() = connection.request_target(&self.target);
        if !request.headers().contains_key(HOST) {
            let host = self.host_pool.host().clone();
            request.headers_mut().insert(HOST, host);
        }
        let (request, replay) = match retry == Retry::Allowed && is_replayable(&request) {
            true => {
                let (request, replay) = Replay::record(request);
                (request, Some(replay))
            }
            false => (request.map(RecordedBody::unrecorded), None),
        };
        connection.send(request, replay, Arc::clone(&self.host_pool) as _)
    }

    async fn send_http2(
        &self,
        mut connection: Http2Connection,
        mut request: Request<RequestBody>,
        retry: Retry,
    ) -> Result<Response<ConnectionBody>, Box<SendError>> {
        // hyper derives the pseudo-header `:authority` from the URI.
        *request.uri_mut() = self.target.clone();
        request.headers_mut().remove(HOST);
        let stream = connection.guard();
        let has_body = !request.body().is_end_stream();
        if has_body {
            request.body_mut().hold_stream(stream.clone());
        }
        // RFC 9113 §8.7 permits a retry of any method. The client retries only `GET` and `HEAD`:
        // they have no effect even if the server has begun to process them.
        let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
        // hyper does not return a request that the server has refused, so that it is copied before
        // it is sent. The copy costs about 0.4 µs for 11 headers.
        let copy = (retry == Retry::Allowed && is_safe && !has_body)
            .then(|| (request.method().clone(), request.headers().clone()));
        match connection.sender.try_send_request(request).await {
            Ok(response) => Ok(response.map(|body| ConnectionBody::http2(body, stream))),
            Err(error) => {
                let mut failed = Box::<SendError>::from(error);
                if failed.error.is_refused() {
                    failed.resend = copy.map(bodyless).map(Resend::Refused);
                }
                if failed.ends_connection() {
                    connection.retire();
                }
                Err(failed)
            }
        }
    }
}

fn bodyless((method, headers): (Method, HeaderMap)) -> Request<RequestBody> {
    let mut request = Request::new(RequestBody::default());
    *request.method_mut() = method;
    *request.headers_mut() = headers;
    request
}

/// One attempt to send a request.
type Attempt = (NextConnection, Request<RequestBody>, Retry);

/// The connection of an attempt.
enum NextConnection {
    /// This one, which was checked out already.
    Pooled(PooledConnection),
    /// One of the pool; a new one if the pool has none.
    PooledOrNew,
    New,
}

/// Whether a copy of the request may be sent if this attempt fails. It is sent at most once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Retry {
    Allowed,
    Used,
}

/// The attempt that follows a failed one.
///
/// # Errors
/// If the request is not sent again.
fn next_attempt(
    failed: SendError,
    connection_use: ConnectionUse,
    retry: Retry,
) -> Result<Attempt, ClientError> {
    match failed.resend {
        Some(Resend::Unsent(unsent)) if connection_use == ConnectionUse::Reused => {
            Ok((NextConnection::PooledOrNew, unsent, retry))
        }
        Some(Resend::Refused(copy)) => Ok((NextConnection::PooledOrNew, copy, Retry::Used)),
        Some(Resend::Unanswered(copy)) => Ok((NextConnection::New, copy, Retry::Used)),
        _ => Err(failed.error),
    }
}

/// Which idle connections `request` may reuse.
fn reuse(request: &Request<RequestBody>) -> Reuse {
    match is_always_replayable(request) {
        true => Reuse::Any,
        false => Reuse::Recent,
    }
}

pin_project! {
    /// Sends a request on an idle connection, and retries it on others if that one was closed.
    struct ReuseIdle<F, K> {
        #[pin]
        send: F,
        // `None` after the first attempt.
        dispatch: Option<Dispatch<K>>,
        // Boxed on the first retry, which is rare.
        retry: Option<DispatchFuture>,
    }
}

impl<F, K> Future for ReuseIdle<F, K>
where
    F: Future<Output = Result<Response<ConnectionBody>, Box<SendError>>>,
    K: Service<Uri> + Clone + Send + Sync + 'static,
    K::Response: Connection + Read + Write + Send + Unpin + 'static,
    K::Error: Into<BoxError>,
    K::Future: Send + 'static,
{
    type Output = Result<Response<ConnectionBody>, ClientError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            if let Some(retry) = this.retry {
                return retry.as_mut().poll(cx);
            }
            let failed = match ready!(this.send.as_mut().poll(cx)) {
                Ok(response) => return Poll::Ready(Ok(response)),
                Err(failed) => *failed,
            };
            let Some(dispatch) = this.dispatch.take() else {
                return Poll::Ready(Err(failed.error));
            };
            let attempt = next_attempt(failed, ConnectionUse::Reused, Retry::Allowed)?;
            *this.retry = Some(Box::pin(dispatch.run(attempt)));
        }
    }
}
