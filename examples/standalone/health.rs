//! `GET /healthz`, alive; `GET /readyz`, the tenant can be reached and takes our API token.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use omneo_id::{ApiToken, Body};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tower::{Service, ServiceExt};

use crate::config::Config;

/// Whoever asks for readiness is told within this time.
const PROBE_LIMIT: Duration = Duration::from_secs(2);
/// Anybody may ask, and as often as they like: the tenant is bothered this often at most.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// What is known of the tenant.
pub(crate) struct Health<S>(Arc<Known<S>>);

struct Known<S> {
    id: S,
    mint: String,
    api_token: ApiToken,
    last: Mutex<Option<(Instant, Readiness)>>,
}

#[derive(Clone, Copy)]
enum Readiness {
    Ready,
    Refused,
    Unreachable,
}

impl<S> Health<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone,
{
    pub(crate) fn new(id: S, config: &Config) -> Self {
        Self(Arc::new(Known {
            id,
            mint: format!("{}/auth/token", config.mount.trim_end_matches('/')),
            api_token: config.tenant.api_token().clone(),
            last: Mutex::default(),
        }))
    }

    /// Whether this is a question about health.
    pub(crate) fn is_asked<B>(request: &Request<B>) -> bool {
        matches!(request.uri().path(), "/healthz" | "/readyz")
    }

    pub(crate) async fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let refusal = r#"{"message":"The method is not allowed here."}"#;
            let mut response = json(StatusCode::METHOD_NOT_ALLOWED, refusal);
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        if request.uri().path() == "/healthz" {
            return json(StatusCode::OK, r#"{"status":"ok"}"#);
        }
        match self.readiness().await {
            Readiness::Ready => json(StatusCode::OK, r#"{"status":"ready"}"#),
            Readiness::Refused => json(
                StatusCode::SERVICE_UNAVAILABLE,
                r#"{"status":"unavailable","reason":"the tenant refuses the API token"}"#,
            ),
            Readiness::Unreachable => json(
                StatusCode::SERVICE_UNAVAILABLE,
                r#"{"status":"unavailable","reason":"the tenant cannot be reached"}"#,
            ),
        }
    }

    /// Those who ask while a probe is under way wait for it and share what it found.
    async fn readiness(&self) -> Readiness {
        let mut last = self.0.last.lock().await;
        if let Some((when, readiness)) = *last
            && when.elapsed() < PROBE_EVERY
        {
            return readiness;
        }
        let readiness = self.probe().await;
        *last = Some((Instant::now(), readiness));
        readiness
    }

    /// Mints an anonymous token and drops it: to do so the tenant is asked about the API token, on
    /// the very way that requests take.
    async fn probe(&self) -> Readiness {
        let mut request = Request::new(Body::from(Bytes::from_static(b"{}")));
        *request.method_mut() = Method::POST;
        let Ok(uri) = self.0.mint.parse() else {
            return Readiness::Unreachable;
        };
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.0.api_token.to_header());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match timeout(PROBE_LIMIT, self.0.id.clone().oneshot(request)).await {
            Ok(Ok(response)) if response.status().is_success() => Readiness::Ready,
            Ok(Ok(response)) if response.status().is_client_error() => Readiness::Refused,
            Ok(Ok(_)) | Err(_) => Readiness::Unreachable,
        }
    }
}

impl<S> Clone for Health<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

fn json(status: StatusCode, body: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
