use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::HOST;
use http::{Method, Request, Response, Uri};
use http_body::Body as _;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::Connection;
use pin_project_lite::pin_project;
use tower::Service;

use super::body::ConnectionBody;
use super::host_pool::{HostPool, Http2Connection, PooledConnection};
use super::http1_connection::Http1Connection;
use super::pool::{Age, Pool};
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
        match self.host_pool.pooled() {
            Some(PooledConnection::Http1(connection)) => Box::pin(ReuseIdle {
                call: self.over_http1(connection, request),
                dispatch: Some(self),
                again: None,
            }),
            pooled => Box::pin(self.run(pooled, request)),
        }
    }

    /// By this pooled, or else by any other, for as long as it may be sent.
    async fn run(
        self,
        mut first: Option<PooledConnection>,
        mut request: Request<RequestBody>,
    ) -> Answer {
        let mut may_repeat = true;
        loop {
            let (pooled, age) = match first.take().or_else(|| self.host_pool.pooled()) {
                Some(pooled) => (pooled, Age::Reused),
                // Boxed: a handshake's state is large, and hardly any request needs it.
                None => Box::pin(self.pool.connect(&self.host_pool, &self.target)).await?,
            };
            let answer = match pooled {
                PooledConnection::Http1(connection) => self.over_http1(connection, request).await,
                PooledConnection::Http2(connection) => {
                    self.over_http2(connection, request, may_repeat).await
                }
            };
            let failed = match answer {
                Ok(response) => return Ok(response),
                Err(failed) => *failed,
            };
            match (failed.unsent, failed.refused) {
                (Some(unsent), _) if age == Age::Reused => request = unsent,
                (_, Some(copy)) => {
                    may_repeat = false;
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
    ) -> impl Future<Output = Result<Response<ConnectionBody>, Box<SendError>>> + Send + use<K>
    {
        *request.uri_mut() = connection.target(&self.target);
        if !request.headers().contains_key(HOST) {
            let host = self.host_pool.host().clone();
            request.headers_mut().insert(HOST, host);
        }
        connection.call(request, Arc::clone(&self.host_pool))
    }

    async fn over_http2(
        &self,
        mut connection: Http2Connection,
        mut request: Request<RequestBody>,
        may_repeat: bool,
    ) -> Result<Response<ConnectionBody>, Box<SendError>> {
        // It carries the authority by itself.
        *request.uri_mut() = self.target.clone();
        request.headers_mut().remove(HOST);
        // Any other method may be repeated too, says RFC 9113 §8.7, if the tenant's word is good. It
        // is taken for requests that change nothing even if it is not.
        let harmless = matches!(*request.method(), Method::GET | Method::HEAD);
        let copy = (may_repeat && harmless && request.body().is_end_stream()).then(|| {
            let mut copy = Request::new(RequestBody::default());
            *copy.method_mut() = request.method().clone();
            *copy.headers_mut() = request.headers().clone();
            Box::new(copy)
        });
        match connection.send.try_send_request(request).await {
            Ok(response) => Ok(response.map(ConnectionBody::new)),
            Err(error) => {
                let mut failed = Box::<SendError>::from(error);
                if failed.error.is_refused() {
                    failed.refused = copy.map(|copy| *copy);
                }
                if failed.ends_connection() {
                    self.host_pool.unshare(&connection);
                }
                Err(failed)
            }
        }
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
            let Some((dispatch, unsent)) = this.dispatch.take().zip(failed.unsent) else {
                return Poll::Ready(Err(failed.error));
            };
            *this.again = Some(Box::pin(dispatch.run(None, unsent)));
        }
    }
}
