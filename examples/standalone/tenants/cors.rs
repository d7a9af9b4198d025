//! Applies to each request the CORS policy of its tenant.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Method, Request, Response};
use pin_project_lite::pin_project;
use tower::{Layer, Service};
use tower_http::cors::{self, AllowOrigin, CorsLayer};

use super::served::ServedTenants;
use crate::cors::Cors;

/// How long browsers may cache the response to a preflight, which precedes each cross-origin
/// request otherwise. Browsers lower it to their own limit: 2 h in Chromium.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(60 * 60);

/// The layer of [`TenantCors`].
#[derive(Clone)]
pub(crate) struct TenantCorsLayer(pub(crate) Arc<ServedTenants>);

impl<S> Layer<S> for TenantCorsLayer {
    type Service = TenantCors<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let tenants = Arc::clone(&self.0);
        TenantCors { inner, tenants }
    }
}

/// Middleware that responds to preflights, and adds CORS headers, as the request's tenant allows.
#[derive(Clone)]
pub(crate) struct TenantCors<S> {
    inner: S,
    tenants: Arc<ServedTenants>,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for TenantCors<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    ResBody: Default,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let tenant = self.tenants.resolve(&request);
        let Some(layer) = tenant.as_ref().and_then(|tenant| tenant.cors.as_ref()) else {
            let future = self.inner.call(request);
            return ResponseFuture::Plain { future };
        };
        let not_ready_inner = self.inner.clone();
        let ready_inner = mem::replace(&mut self.inner, not_ready_inner);
        let future = layer.layer(ready_inner).call(request);
        ResponseFuture::WithCors { future }
    }
}

pin_project! {
    /// The response future of [`TenantCors`].
    #[project = ResponseFutureProj]
    pub(crate) enum ResponseFuture<F> {
        Plain { #[pin] future: F },
        WithCors { #[pin] future: cors::ResponseFuture<F> },
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Default,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            ResponseFutureProj::Plain { future } => future.poll(cx),
            ResponseFutureProj::WithCors { future } => future.poll(cx),
        }
    }
}

/// The layer of a policy.
pub(super) fn layer(cors: &Cors) -> CorsLayer {
    let origins = if cors.allows_any() {
        AllowOrigin::any()
    } else {
        let cors = cors.clone();
        AllowOrigin::predicate(move |origin, _| cors.allows(origin))
    };
    let methods = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods(methods)
        // Listed by name: the wildcard of the Fetch standard excludes `authorization`.
        .allow_headers(cors.headers.clone())
        .expose_headers(cors.exposed.clone())
        .max_age(PREFLIGHT_MAX_AGE)
}
