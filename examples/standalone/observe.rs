//! What operators see of each request: an id, which the tenant and the caller see, too, and a line in
//! the log. The path is logged, never the query, which may hold an e-mail address.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use http::{HeaderName, HeaderValue, Request, Response};
use omneo_id::Rejection;
use pin_project_lite::pin_project;
use tower::{Layer, Service};
use tracing::{Span, field, info, info_span};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer request ids are not a caller's to choose.
const MAX_REQUEST_ID: usize = 64;

/// Makes [`Observe`] services.
#[derive(Clone)]
pub(crate) struct ObserveLayer(Arc<Ids>);

impl ObserveLayer {
    /// `start` tells the ids of this process from those of others.
    pub(crate) fn new(start: u64) -> Self {
        let made = AtomicU64::new(0);
        Self(Arc::new(Ids { start, made }))
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let ids = Arc::clone(&self.0);
        Observe { inner, ids }
    }
}

/// Middleware that gives each request an id and logs it with its outcome.
#[derive(Clone)]
pub(crate) struct Observe<S> {
    inner: S,
    ids: Arc<Ids>,
}

struct Ids {
    start: u64,
    made: AtomicU64,
}

impl Ids {
    /// The caller's id if it is fit for logs and headers, or a new one.
    fn of<B>(&self, request: &Request<B>) -> HeaderValue {
        let mut ids = request.headers().get_all(REQUEST_ID).iter();
        match (ids.next(), ids.next()) {
            (Some(id), None) if is_fit(id.as_bytes()) => id.clone(),
            _ => self.next(),
        }
    }

    fn next(&self) -> HeaderValue {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let mut id = [0; 32];
        // 32 hexadecimal digits, and no formatting machinery: this is done for every request.
        for (digits, half) in id.chunks_exact_mut(16).zip([self.start, number]) {
            for (digit, place) in digits.iter_mut().rev().zip(0..) {
                let nibble = (half >> (4 * place)) as u8 & 0xf;
                *digit = nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
            }
        }
        HeaderValue::from_bytes(&id).unwrap_or(HeaderValue::from_static("none"))
    }
}

fn is_fit(id: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (1..=MAX_REQUEST_ID).contains(&id.len()) && id.iter().all(plain)
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Observe<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Observed<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let began = Instant::now();
        let id = self.ids.of(&request);
        let span = info_span!(
            "request",
            id = id.to_str().unwrap_or_default(),
            method = %request.method(),
            path = request.uri().path(),
            status = field::Empty,
        );
        request.headers_mut().insert(REQUEST_ID, id.clone());
        let entered = span.enter();
        let inner = self.inner.call(request);
        drop(entered);
        Observed {
            inner,
            span,
            began,
            id: Some(id),
        }
    }
}

pin_project! {
    /// The response of [`Observe`].
    pub(crate) struct Observed<F> {
        #[pin]
        inner: F,
        span: Span,
        began: Instant,
        // `None` once it is over.
        id: Option<HeaderValue>,
    }
}

impl<F, B, E> Future for Observed<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let _entered = this.span.enter();
        let mut response = ready!(this.inner.poll(cx))?;
        let status = response.status().as_u16();
        let ms = this.began.elapsed().as_millis();
        match response.extensions().get::<Rejection>() {
            Some(rejection) => info!(status, ms, refused = rejection.kind().code(), "answered"),
            None => info!(status, ms, "answered"),
        }
        if let Some(id) = this.id.take() {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        Poll::Ready(Ok(response))
    }
}
