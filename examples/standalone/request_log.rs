//! Gives each request an id, logs it with its outcome, and counts it. The id is sent to the tenant
//! and to the caller. The query may contain an e-mail address and is not logged, nor are paths that
//! may contain one.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use omneo_id::Rejection;
use omneo_id::auth::AuthFailure;
use omneo_id::client_info::ClientInfo;
use omneo_id::report::{Report, Route, TokenCheck};
use omneo_id::tenants::TenantKey;
use pin_project_lite::pin_project;
use tower::{Layer, Service};
use tracing::{Level, enabled, field};

use crate::admin::health;
use crate::admin::thread_counts::{InFlightGuard, ThreadCounts};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A longer request id of the caller is replaced.
const MAX_REQUEST_ID: usize = 64;
/// Longer paths are not logged.
const MAX_PATH: usize = 256;

/// The layer of [`RequestLog`].
#[derive(Clone)]
pub(crate) struct RequestLogLayer {
    ids: Arc<RequestIds>,
    counts: Option<Arc<ThreadCounts>>,
    with_client: bool,
}

impl RequestLogLayer {
    /// `keys` are secret: request ids are derived from them. `with_client`: whether the log has
    /// the addresses of clients.
    pub(crate) fn new(keys: RandomState, with_client: bool) -> Self {
        let count = AtomicU64::new(0);
        let ids = Arc::new(RequestIds { keys, count });
        Self {
            ids,
            counts: None,
            with_client,
        }
    }

    /// The same layer, which also counts requests. Default is not to count.
    pub(crate) fn with_counts(&self, counts: Arc<ThreadCounts>) -> Self {
        Self {
            counts: Some(counts),
            ..self.clone()
        }
    }
}

impl<S> Layer<S> for RequestLogLayer {
    type Service = RequestLog<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let settings = self.clone();
        RequestLog { inner, settings }
    }
}

/// Middleware that gives each request an id and logs it with its outcome.
#[derive(Clone)]
pub(crate) struct RequestLog<S> {
    inner: S,
    settings: RequestLogLayer,
}

/// Generates request ids: a counter under a keyed hash (SipHash). The ids reveal neither the number
/// of requests nor which requests follow each other.
struct RequestIds {
    keys: RandomState,
    count: AtomicU64,
}

impl RequestIds {
    /// Returns the caller's id if it is safe in logs and headers, or a new one.
    fn get_or_generate<B>(&self, request: &Request<B>) -> HeaderValue {
        let mut ids = request.headers().get_all(REQUEST_ID).iter();
        let mut id = match (ids.next(), ids.next()) {
            (Some(id), None) if is_safe_id(id.as_bytes()) => id.clone(),
            _ => self.next(),
        };
        // Not a secret. HTTP/2 does not index sensitive values: unique ids would evict reusable
        // entries from the dynamic table of HPACK.
        id.set_sensitive(true);
        id
    }

    fn next(&self) -> HeaderValue {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let [high, low] = [0u8, 1].map(|half| hexadecimal(self.keys.hash_one((number, half))));
        let id = [high, low].concat();
        HeaderValue::from_maybe_shared(Bytes::from(id)).unwrap_or(HeaderValue::from_static("none"))
    }
}

/// 16 hexadecimal digits. Faster than `format!`, as this runs for every request.
fn hexadecimal(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    for (digit, place) in digits.iter_mut().rev().zip(0..) {
        let nibble = (number >> (4 * place)) as u8 & 0xf;
        *digit = nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
    }
    digits
}

fn is_safe_id(id: &[u8]) -> bool {
    let is_safe = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (1..=MAX_REQUEST_ID).contains(&id.len()) && id.iter().all(is_safe)
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for RequestLog<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let settings = &self.settings;
        let id = settings.ids.get_or_generate(&request);
        // Cloned only for a line that will be written.
        let line = enabled!(Level::INFO).then(|| LogLine {
            method: request.method().clone(),
            uri: request.uri().clone(),
            client: client(&request).filter(|_| settings.with_client),
        });
        let is_timed = line.is_some() || settings.counts.is_some();
        let began = is_timed.then(Instant::now);
        request.headers_mut().insert(REQUEST_ID, id.clone());
        let in_flight = settings.counts.as_ref().map(ThreadCounts::enter);
        ResponseFuture {
            inner: self.inner.call(request),
            began,
            id: Some(id),
            line,
            in_flight,
        }
    }
}

/// The fields of the log line that come from the request.
struct LogLine {
    method: Method,
    uri: Uri,
    /// `None` if the log does not have the addresses of clients.
    client: Option<IpAddr>,
}

impl LogLine {
    /// Logs the request. The crate's documentation has a table of the fields.
    fn log<B>(&self, response: &Response<B>, id: &HeaderValue, duration: Duration) {
        let extensions = response.extensions();
        let rejection = extensions.get::<Rejection>();
        let report = extensions.get::<Report>().copied().unwrap_or_default();
        let tenant = report.tenant();
        let tenant_status = tenant.and_then(|tenant| tenant.status());
        // The level of an event is part of its callsite.
        macro_rules! answered {
            ($level:ident) => {
                tracing::$level!(
                    http.request.method = known_method(&self.method),
                    url.path = safe_path(&self.uri),
                    client.address = self.client.map(field::display),
                    tenant.key = extensions.get::<TenantKey>().map(TenantKey::as_str),
                    http.route = report.route().map(Route::template),
                    http.response.status_code = response.status().as_u16(),
                    error.type = rejection.map(|rejection| rejection.kind().code()),
                    cause = rejection.and_then(AuthFailure::from_rejection).map(AuthFailure::code),
                    request.id = id.to_str().ok(),
                    duration_ms = millis(duration),
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

/// The address of the client, as a trusted proxy reports it.
fn client<B>(request: &Request<B>) -> Option<IpAddr> {
    request.extensions().get::<ClientInfo>()?.addr()
}

/// A standard method, or `_OTHER`: a client can write any text as a method.
fn known_method(method: &Method) -> &str {
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

/// A path of letters, digits, `-`, `_` and `/`. Others may contain an e-mail address or a token.
fn safe_path(uri: &Uri) -> Option<&str> {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/".contains(&byte);
    Some(uri.path()).filter(|path| path.len() <= MAX_PATH && path.bytes().all(is_safe))
}

/// Milliseconds with three decimals.
fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e3
}

pin_project! {
    /// The response future of [`RequestLog`].
    pub(crate) struct ResponseFuture<F> {
        #[pin]
        inner: F,
        // `None` if the request is neither logged nor counted.
        began: Option<Instant>,
        // `None` after completion.
        id: Option<HeaderValue>,
        // `None` if the log level is above INFO.
        line: Option<LogLine>,
        // `None` without counts, and after completion.
        in_flight: Option<InFlightGuard>,
    }
}

impl<F, B, E> Future for ResponseFuture<F>
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
        let duration = this.began.map_or(Duration::ZERO, |began| began.elapsed());
        if let Some(in_flight) = this.in_flight.take() {
            in_flight.counts().record(&response, duration);
        }
        if let Some(line) = this.line {
            line.log(&response, &id, duration);
        }
        response.headers_mut().insert(REQUEST_ID, id);
        Poll::Ready(Ok(response))
    }
}
