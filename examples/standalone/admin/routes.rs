//! Dispatches requests between Omneo ID and the routes outside its mount: health, OpenAPI,
//! storefront.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use hyper::body::Incoming;
use omneo_id::headers::WireProtocol;
use omneo_id::{Body, Rejection, RejectionKind};
use pin_project_lite::pin_project;
use tower::Service;

use super::health::Health;
use super::openapi::OpenApi;
use crate::server::host_check::has_valid_host;
use crate::server::upload::with_tracked_body;
use crate::storefront::Storefront;

/// The service of all routes. Omneo ID serves those that [`AdminRoutes`] does not match.
pub(crate) struct Routes<S> {
    id: S,
    admin: Arc<AdminRoutes<S>>,
}

/// The routes outside the mount of Omneo ID.
pub(crate) struct AdminRoutes<S> {
    health: Health,
    openapi: OpenApi,
    storefront: Option<Storefront<S>>,
}

impl<S> Routes<S> {
    pub(crate) fn new(id: S, admin: Arc<AdminRoutes<S>>) -> Self {
        Self { id, admin }
    }
}

impl<S: Clone> Clone for Routes<S> {
    fn clone(&self) -> Self {
        Self {
            id: self.id.clone(),
            admin: Arc::clone(&self.admin),
        }
    }
}

impl<S> AdminRoutes<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
{
    /// The storefront is served for a single tenant, which is the embedded sandbox.
    pub(crate) fn new(health: Health, openapi: OpenApi, storefront: Option<Storefront<S>>) -> Self {
        Self {
            health,
            openapi,
            storefront,
        }
    }

    fn matches<B>(&self, request: &Request<B>) -> bool {
        self.health.matches(request)
            || OpenApi::matches(request)
            || self.storefront.is_some() && Storefront::<S>::matches(request)
    }

    async fn respond(&self, request: Request<Body>) -> Response<Body> {
        match &self.storefront {
            Some(storefront) if Storefront::<S>::matches(&request) => {
                storefront.respond(request).await
            }
            _ if OpenApi::matches(&request) => self.openapi.respond(&request),
            _ => self.health.respond(&request.map(drop)).await,
        }
    }
}

impl<S> Service<Request<Incoming>> for Routes<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.id.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        if !has_valid_host(&request) {
            let rejection = Rejection::new(RejectionKind::HeadersRefused);
            let response = rejection.into_response(WireProtocol::from_headers(request.headers()));
            let future = Box::pin(std::future::ready(Ok(response.map(Body::from))));
            return ResponseFuture::Admin { future };
        }
        let request = with_tracked_body(request);
        if !self.admin.matches(&request) {
            let future = self.id.call(request);
            return ResponseFuture::Id { future };
        }
        let admin = Arc::clone(&self.admin);
        let future = Box::pin(async move { Ok(admin.respond(request).await) });
        ResponseFuture::Admin { future }
    }
}

type BoxFuture = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

pin_project! {
    /// The response future of [`Routes`].
    #[project = ResponseFutureProj]
    pub(crate) enum ResponseFuture<F> {
        Id { #[pin] future: F },
        Admin { future: BoxFuture },
    }
}

impl<F> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            ResponseFutureProj::Id { future } => future.poll(cx),
            ResponseFutureProj::Admin { future } => future.as_mut().poll(cx),
        }
    }
}
