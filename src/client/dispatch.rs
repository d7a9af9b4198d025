use std::future::Future;
use std::mem;
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

use super::body::ConnectionBody;
use super::host_pool::{HostPool, PooledConnection, Reuse};
use super::http1_connection::{Copies, Http1Connection};
use super::http2_connection::Http2Connection;
use super::pool::{Age, Pool};
use super::replay::{is_always_replayable, is_replayable};
use super::send_error::SendError;
use super::service::Answer;
use crate::error::BoxError;
use crate::request_body::RequestBody;

/// Where one request goes, and by which connections it may.
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
    /// `None`: the target names no host.
    #[inline]
    pub(super) fn new(pool: Arc<Pool<K>>, target: Uri) -> Option<Self> {
        let host_pool = pool.host_pool(&target)?;
        Some(Self {
            pool,
            host_pool,
            target,
        })
    }

    /// Begins it. Nearly always there is a connection that waits for the next request: then the
    /// request is handed over at once, and no state here has room for it.
    #[inline]
    pub(super) fn start(
        self,
        request: Request<RequestBody>,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        match self.host_pool.pooled(reuse(&request)) {
            Some(PooledConnection::Http1(connection)) => Box::pin(ReuseIdle {
                call: self.over_http1(connection, request, true),
                dispatch: Some(self),
                again: None,
            }),
            Some(pooled) => Box::pin(self.run(Next::By(pooled), request, true)),
            None => Box::pin(self.run(Next::New, request, true)),
        }
    }

    /// Sends the request by the next connection, and by others for as long as it may be sent.
    async fn run(
        self,
        mut next: Next,
        mut request: Request<RequestBody>,
        mut may_repeat: bool,
    ) -> Answer {
        loop {
            let open = match mem::replace(&mut next, Next::Any) {
                Next::By(pooled) => Some(pooled),
                Next::Any => self.host_pool.pooled(reuse(&request)),
                Next::New => None,
            };
            let (pooled, age) = match open {
                Some(pooled) => (pooled, Age::Reused),
                // Boxed: a handshake's state is large, and hardly any request needs it.
                None => Box::pin(self.pool.connect(&self.host_pool, &self.target)).await?,
            };
            let answer = match pooled {
                PooledConnection::Http1(connection) => {
                    let may_repeat = may_repeat && age == Age::Reused;
                    self.over_http1(connection, request, may_repeat).await
                }
                PooledConnection::Http2(connection) => {
                    self.over_http2(connection, request, may_repeat).await
                }
            };
            let failed = match answer {
                Ok(response) => return Ok(response),
                Err(failed) => *failed,
            };
            match (failed.unsent, failed.refused, failed.unanswered) {
                (Some(unsent), ..) if age == Age::Reused => request = unsent,
                (_, Some(copy), _) => {
                    may_repeat = false;
                    request = copy;
                }
                (.., Some(copy)) => {
                    may_repeat = false;
                    next = Next::New;
                    request = copy;
                }
                _ => return Err(failed.error),
            }
        }
    }

    #[inline]
    fn over_http1(
        &self,
        connection: Box<Http1Connection>,
        mut request: Request<RequestBody>,
        may_repeat: bool,
    ) -> impl Future<Output = Result<Response<ConnectionBody>, Box<SendError>>> + Send + use<K>
    {
        *request.uri_mut() = connection.target(&self.target);
        if !request.headers().contains_key(HOST) {
            let host = self.host_pool.host().clone();
            request.headers_mut().insert(HOST, host);
        }
        let copies = match may_repeat && is_replayable(&request) {
            true => Copies::One,
            false => Copies::None,
        };
        connection.call(request, Arc::clone(&self.host_pool), copies)
    }

    async fn over_http2(
        &self,
        mut connection: Http2Connection,
        mut request: Request<RequestBody>,
        may_repeat: bool,
    ) -> Result<Response<ConnectionBody>, Box<SendError>> {
        // The pseudo-header `:authority` is made of the URI.
        *request.uri_mut() = self.target.clone();
        request.headers_mut().remove(HOST);
        let stream = connection.guard();
        let has_body = !request.body().is_end_stream();
        if has_body {
            request.body_mut().hold_stream(stream.clone());
        }
        // RFC 9113 §8.7 allows to repeat any method. A `GET` is harmless even if the tenant has
        // begun to work on it.
        let harmless = matches!(*request.method(), Method::GET | Method::HEAD);
        // The copy is needed before the request is sent: hyper does not return one that the tenant
        // has refused. It costs about 0.4 µs for 11 headers.
        let copy = (may_repeat && harmless && !has_body)
            .then(|| (request.method().clone(), request.headers().clone()));
        match connection.sender.try_send_request(request).await {
            Ok(response) => Ok(response.map(|body| ConnectionBody::new(body, stream))),
            Err(error) => {
                let mut failed = Box::<SendError>::from(error);
                if failed.error.is_refused() {
                    failed.refused = copy.map(bodyless);
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

/// Which connection carries the next attempt.
enum Next {
    By(PooledConnection),
    /// An open one, or else a new one.
    Any,
    New,
}

/// Which idle connections may carry `request`.
fn reuse(request: &Request<RequestBody>) -> Reuse {
    match is_always_replayable(request) {
        true => Reuse::Any,
        false => Reuse::Recent,
    }
}

pin_project! {
    /// A request on a connection that was kept, and by other ways if that had been closed.
    struct ReuseIdle<F, K> {
        #[pin]
        call: F,
        // `None` once it is of no use any more.
        dispatch: Option<Dispatch<K>>,
        again: Option<Pin<Box<dyn Future<Output = Answer> + Send>>>,
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
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            if let Some(again) = this.again {
                return again.as_mut().poll(cx);
            }
            let failed = match ready!(this.call.as_mut().poll(cx)) {
                Ok(response) => return Poll::Ready(Ok(response)),
                Err(failed) => *failed,
            };
            let Some(dispatch) = this.dispatch.take() else {
                return Poll::Ready(Err(failed.error));
            };
            *this.again = Some(match (failed.unsent, failed.unanswered) {
                (Some(unsent), _) => Box::pin(dispatch.run(Next::Any, unsent, true)),
                (_, Some(copy)) => Box::pin(dispatch.run(Next::New, copy, false)),
                _ => return Poll::Ready(Err(failed.error)),
            });
        }
    }
}
