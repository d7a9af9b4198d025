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

use super::Answer;
use super::failed::Failed;
use super::http2_connection::Http2Connection;
use super::line::{Copies, Line};
use super::pool::{Age, Pool};
use super::replay::{is_always_replayable, is_replayable};
use super::shelf::{Reuse, Shelf, Way};
use crate::body::DrivenBody;
use crate::error::BoxError;
use crate::upstream::RequestBody;

/// Where one request goes, and by which connections it may.
pub(super) struct Errand<K> {
    pool: Arc<Pool<K>>,
    shelf: Arc<Shelf>,
    target: Uri,
}

impl<K> Errand<K>
where
    K: Service<Uri> + Clone + Send + Sync + 'static,
    K::Response: Connection + Read + Write + Send + Unpin + 'static,
    K::Error: Into<BoxError>,
    K::Future: Send + 'static,
{
    /// `None`: the target names no host.
    #[inline]
    pub(super) fn new(pool: Arc<Pool<K>>, target: Uri) -> Option<Self> {
        let shelf = pool.shelf(&target)?;
        Some(Self {
            pool,
            shelf,
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
        match self.shelf.way(reuse(&request)) {
            Some(Way::Http1(line)) => Box::pin(First {
                call: self.over_http1(line, request, true),
                errand: Some(self),
                again: None,
            }),
            Some(way) => Box::pin(self.run(Next::By(way), request, true)),
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
                Next::By(way) => Some(way),
                Next::Any => self.shelf.way(reuse(&request)),
                Next::New => None,
            };
            let (way, age) = match open {
                Some(way) => (way, Age::Kept),
                // Boxed: a handshake's state is large, and hardly any request needs it.
                None => Box::pin(self.pool.connect(&self.shelf, &self.target)).await?,
            };
            let answer = match way {
                Way::Http1(line) => {
                    let may_repeat = may_repeat && age == Age::Kept;
                    self.over_http1(line, request, may_repeat).await
                }
                Way::Http2(connection) => self.over_http2(connection, request, may_repeat).await,
            };
            let failed = match answer {
                Ok(response) => return Ok(response),
                Err(failed) => *failed,
            };
            match (failed.unsent, failed.given_back, failed.unanswered) {
                (Some(unsent), ..) if age == Age::Kept => request = unsent,
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
        line: Box<Line>,
        mut request: Request<RequestBody>,
        may_repeat: bool,
    ) -> impl Future<Output = Result<Response<DrivenBody>, Box<Failed>>> + Send + use<K> {
        *request.uri_mut() = line.target(&self.target);
        if !request.headers().contains_key(HOST) {
            let host = self.shelf.host().clone();
            request.headers_mut().insert(HOST, host);
        }
        let copies = match may_repeat && is_replayable(&request) {
            true => Copies::One,
            false => Copies::None,
        };
        line.call(request, Arc::clone(&self.shelf), copies)
    }

    async fn over_http2(
        &self,
        mut connection: Http2Connection,
        mut request: Request<RequestBody>,
        may_repeat: bool,
    ) -> Result<Response<DrivenBody>, Box<Failed>> {
        // The pseudo-header `:authority` is made of the URI.
        *request.uri_mut() = self.target.clone();
        request.headers_mut().remove(HOST);
        let stream = connection.guard();
        let has_body = !request.body().is_end_stream();
        if has_body {
            request.body_mut().hold_stream(stream.clone());
        }
        // RFC 9113 §8.7 allows to repeat any method. A `GET` is harmless even if the tenant has begun to
        // work on it.
        let harmless = matches!(*request.method(), Method::GET | Method::HEAD);
        // The copy is needed before the request is sent: hyper does not return one that the tenant has
        // refused. It costs about 0.4 µs for 11 headers.
        let copy = (may_repeat && harmless && !has_body)
            .then(|| (request.method().clone(), request.headers().clone()));
        match connection.sender.try_send_request(request).await {
            Ok(response) => Ok(response.map(|body| DrivenBody::new(body, stream))),
            Err(error) => {
                let mut failed = Box::<Failed>::from(error);
                if failed.error.was_given_back() {
                    failed.given_back = copy.map(bodyless);
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
    By(Way),
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
    struct First<F, K> {
        #[pin]
        call: F,
        // `None` once it is of no use any more.
        errand: Option<Errand<K>>,
        again: Option<Pin<Box<dyn Future<Output = Answer> + Send>>>,
    }
}

impl<F, K> Future for First<F, K>
where
    F: Future<Output = Result<Response<DrivenBody>, Box<Failed>>>,
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
            let Some(errand) = this.errand.take() else {
                return Poll::Ready(Err(failed.error));
            };
            *this.again = Some(match (failed.unsent, failed.unanswered) {
                (Some(unsent), _) => Box::pin(errand.run(Next::Any, unsent, true)),
                (_, Some(copy)) => Box::pin(errand.run(Next::New, copy, false)),
                _ => return Poll::Ready(Err(failed.error)),
            });
        }
    }
}
