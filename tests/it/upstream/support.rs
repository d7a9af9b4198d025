//! Scripted clients and bodies.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use omneo_id::error::BoxError;
use omneo_id::tenant::AllowForward;
use omneo_id::upstream::{RequestBody, UpstreamError};
use omneo_id::{ApiToken, Body, Rejection, RejectionKind, Tenant, Upstream};
use tokio::sync::mpsc;
use tower::{ServiceExt, service_fn};

pub(crate) const TOKEN: &str = "7|4fzKq0pLw8sN1vXyT2uR";

pub(crate) fn tenant() -> Tenant {
    tenant_at("https://api.acme.test")
}

pub(crate) fn tenant_at(origin: &str) -> Tenant {
    crate::support::logs::watch();
    Tenant::new(origin, ApiToken::new(TOKEN).unwrap()).unwrap()
}

/// A request with `AllowForward`.
pub(crate) fn get(uri: &str) -> Request<Body> {
    permitted(Request::get(uri)).body(Body::empty()).unwrap()
}

pub(crate) fn permitted(request: http::request::Builder) -> http::request::Builder {
    request.extension(AllowForward::new())
}

/// Calls a client that returns this response. Returns the response to the caller, and the requests.
pub(crate) async fn ask<B>(
    request: Request<Body>,
    answer: impl Fn() -> Response<B> + Clone + Send + 'static,
) -> (Response<Body>, Vec<Request<Bytes>>)
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let sent = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&sent);
    let client = service_fn(move |request: Request<RequestBody>| {
        let kept = Arc::clone(&kept);
        let answer = answer.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(BoxError::from)?.to_bytes();
            kept.lock().unwrap().push(Request::from_parts(parts, body));
            Ok::<_, BoxError>(answer())
        }
    });
    let response = Upstream::new(client, tenant())
        .oneshot(request)
        .await
        .unwrap();
    let sent = std::mem::take(&mut *sent.lock().unwrap());
    (response, sent)
}

/// Calls a client that returns an empty 200.
pub(crate) async fn sent(request: Request<Body>) -> (Response<Body>, Vec<Request<Bytes>>) {
    ask(request, || Response::new(Body::empty())).await
}

/// Calls a client that reads the request body and then never responds.
pub(crate) fn silent() -> impl tower::Service<
    Request<RequestBody>,
    Response = Response<Body>,
    Error = BoxError,
    Future = impl Future<Output = Result<Response<Body>, BoxError>> + Send,
> + Clone {
    service_fn(|request: Request<RequestBody>| async move {
        request.into_body().collect().await?;
        std::future::pending().await
    })
}

pub(crate) fn kind(response: &Response<Body>) -> RejectionKind {
    rejection(response).kind()
}

pub(crate) fn rejection(response: &Response<Body>) -> &Rejection {
    response.extensions().get().expect("an answer of our own")
}

/// The `UpstreamError` of a rejection.
pub(crate) fn cause(response: &Response<Body>) -> &UpstreamError {
    let source = std::error::Error::source(rejection(response)).expect("a cause");
    source
        .downcast_ref()
        .expect("a cause of the forwarding service")
}

pub(crate) async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A body whose frames come from a channel. It ends when the sender is dropped.
pub(crate) struct Fed(mpsc::Receiver<Result<Frame<Bytes>, BoxError>>);

pub(crate) type Feeder = mpsc::Sender<Result<Frame<Bytes>, BoxError>>;

pub(crate) fn fed() -> (Feeder, Body) {
    let (feeder, frames) = mpsc::channel(1);
    (feeder, Body::new(Fed(frames)))
}

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.poll_recv(cx)
    }
}

pub(crate) fn data(text: &'static str) -> Result<Frame<Bytes>, BoxError> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

pub(crate) fn trailers(pairs: &[(&'static str, &'static str)]) -> Result<Frame<Bytes>, BoxError> {
    let mut trailers = HeaderMap::new();
    for (name, value) in pairs {
        trailers.append(*name, value.parse().unwrap());
    }
    Ok(Frame::trailers(trailers))
}

/// Frames that are all ready, without a size hint.
pub(crate) struct Frames(pub std::collections::VecDeque<Result<Frame<Bytes>, BoxError>>);

pub(crate) fn frames<const N: usize>(frames: [Result<Frame<Bytes>, BoxError>; N]) -> Body {
    Body::new(Frames(frames.into()))
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(self.0.pop_front())
    }
}

/// A body with this number of chunks, each created when it is polled.
pub(crate) struct Chunks {
    pub(crate) left: usize,
    pub(crate) chunk: Bytes,
    pub(crate) made: Arc<std::sync::atomic::AtomicUsize>,
}

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        ready!(tokio::task::coop::poll_proceed(cx)).made_progress();
        self.left -= 1;
        self.made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(self.chunk.clone()))))
    }
}
