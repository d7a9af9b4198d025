//! What operators see of each request: an id, which the tenant and the caller see, too, a line in
//! the log, and counts. The query, which may hold an e-mail address, is never logged, and of paths
//! only those that cannot hold one.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use omneo_id::Rejection;
use omneo_id::auth::AuthFailure;
use omneo_id::report::{Report, Route, TokenCheck};
use pin_project_lite::pin_project;
use tower::{Layer, Service};
use tracing::{Level, enabled};

use crate::count::{Count, UnderWay};
use crate::health;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer request ids are not a caller's to choose.
const MAX_REQUEST_ID: usize = 64;
/// Longer paths are not logged.
const MAX_PATH: usize = 256;

/// Makes [`Observe`] services.
#[derive(Clone)]
pub(crate) struct ObserveLayer {
    ids: Arc<Ids>,
    count: Option<Arc<Count>>,
}

impl ObserveLayer {
    /// `keys` are secret: request ids are derived from them.
    pub(crate) fn new(keys: RandomState) -> Self {
        let made = AtomicU64::new(0);
        let ids = Arc::new(Ids { keys, made });
        Self { ids, count: None }
    }

    /// The same, and counts.
    pub(crate) fn counting(&self, count: Arc<Count>) -> Self {
        let ids = Arc::clone(&self.ids);
        let count = Some(count);
        Self { ids, count }
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let ids = Arc::clone(&self.ids);
        let count = self.count.clone();
        Observe { inner, ids, count }
    }
}

/// Middleware that gives each request an id and logs it with its outcome.
#[derive(Clone)]
pub(crate) struct Observe<S> {
    inner: S,
    ids: Arc<Ids>,
    count: Option<Arc<Count>>,
}

/// Request ids: a counter under a keyed hash (SipHash), so that they tell neither how many requests
/// there are nor which of them belong together.
struct Ids {
    keys: RandomState,
    made: AtomicU64,
}

impl Ids {
    /// The caller's id if it is fit for logs and headers, or a new one.
    fn of<B>(&self, request: &Request<B>) -> HeaderValue {
        let mut ids = request.headers().get_all(REQUEST_ID).iter();
        let mut id = match (ids.next(), ids.next()) {
            (Some(id), None) if is_fit(id.as_bytes()) => id.clone(),
            _ => self.next(),
        };
        // Not secret, but never the same again: HTTP/2 keeps it out of the table of headers that
        // may come again, where ids would displace those that do, and be searched through
        // for each next one.
        id.set_sensitive(true);
        id
    }

    fn next(&self) -> HeaderValue {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let half = |half: u8| hexadecimal(self.keys.hash_one((number, half)));
        let id = [half(0), half(1)].concat();
        HeaderValue::from_maybe_shared(Bytes::from(id)).unwrap_or(HeaderValue::from_static("none"))
    }
}

/// 16 digits, and no formatting machinery: this is done for every request.
fn hexadecimal(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    for (digit, place) in digits.iter_mut().rev().zip(0..) {
        let nibble = (number >> (4 * place)) as u8 & 0xf;
        *digit = nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
    }
    digits
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
        let id = self.ids.of(&request);
        // Kept only for a line that will be written.
        let asked = enabled!(Level::INFO).then(|| Asked {
            method: request.method().clone(),
            uri: request.uri().clone(),
        });
        let is_timed = asked.is_some() || self.count.is_some();
        let began = is_timed.then(Instant::now);
        request.headers_mut().insert(REQUEST_ID, id.clone());
        let under_way = self.count.as_ref().map(Count::enter);
        Observed {
            inner: self.inner.call(request),
            began,
            id: Some(id),
            asked,
            under_way,
        }
    }
}

/// What the line in the log says of the request.
struct Asked {
    method: Method,
    uri: Uri,
}

impl Asked {
    /// The fields are in the table of the crate's documentation.
    fn log<B>(&self, response: &Response<B>, id: &HeaderValue, took: Duration) {
        let extensions = response.extensions();
        let rejection = extensions.get::<Rejection>();
        let report = extensions.get::<Report>().copied().unwrap_or_default();
        let tenant = report.tenant();
        let tenant_status = tenant.and_then(|tenant| tenant.status());
        // The level of an event is part of its callsite.
        macro_rules! answered {
            ($level:ident) => {
                tracing::$level!(
                    http.request.method = known(&self.method),
                    url.path = fit_path(&self.uri),
                    http.route = report.route().map(Route::template),
                    http.response.status_code = response.status().as_u16(),
                    error.type = rejection.map(|rejection| rejection.kind().code()),
                    cause = rejection.and_then(AuthFailure::from_rejection).map(AuthFailure::code),
                    request.id = id.to_str().ok(),
                    duration_ms = millis(took),
                    token = report.token().map(TokenCheck::name),
                    tenant.calls = tenant.map(|tenant| tenant.calls()),
                    tenant.status_code = tenant_status.map(|status| status.as_u16()),
                    tenant.latency_ms = tenant.map(|tenant| millis(tenant.latency())),
                    "answered"
                )
            };
        }
        if health::is_probe(self.uri.path()) && response.status().is_success() {
            answered!(debug);
        } else {
            answered!(info);
        }
    }
}

/// A method that HTTP knows; others are a client's words.
fn known(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::OPTIONS
        | Method::TRACE
        | Method::CONNECT => method.as_str(),
        _ => "_OTHER",
    }
}

/// A path of plain words. In another one a client may have put a token, an address or a number.
fn fit_path(uri: &Uri) -> Option<&str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/".contains(&byte);
    Some(uri.path()).filter(|path| path.len() <= MAX_PATH && path.bytes().all(plain))
}

/// Milliseconds with three decimals.
fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e3
}

pin_project! {
    /// The response of [`Observe`].
    pub(crate) struct Observed<F> {
        #[pin]
        inner: F,
        // `None` if nobody wants to know.
        began: Option<Instant>,
        // `None` once it is over.
        id: Option<HeaderValue>,
        // `None` if nobody reads the log.
        asked: Option<Asked>,
        // `None` if nobody counts, and once it is over.
        under_way: Option<UnderWay>,
    }
}

impl<F, B, E> Future for Observed<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        let Some(id) = this.id.take() else {
            return Poll::Ready(Ok(response));
        };
        let took = this.began.map_or(Duration::ZERO, |began| began.elapsed());
        if let Some(under_way) = this.under_way.take() {
            under_way.count().answered(&response, took);
        }
        if let Some(asked) = this.asked {
            asked.log(&response, &id, took);
        }
        response.headers_mut().insert(REQUEST_ID, id);
        Poll::Ready(Ok(response))
    }
}
