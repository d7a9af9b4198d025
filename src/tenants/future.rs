use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http::Response;
use pin_project_lite::pin_project;

use super::TenantKey;
use crate::body::{Body, ResponseBody};
use crate::error::BoxError;
use crate::facade::OmneoIdFuture;
use crate::future::ResponseFuture;

/// The call of a tenant that must be loaded first. It is the rare case.
type Loading = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

pin_project! {
    /// The response future of [`OmneoIdTenants`](crate::OmneoIdTenants).
    pub struct OmneoIdTenantsFuture<F> {
        #[pin]
        kind: Kind<F>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<F> {
        Tenant { #[pin] future: OmneoIdFuture<F>, key: TenantKey },
        Rejected { #[pin] future: OmneoIdFuture<F> },
        Loading { future: Loading },
    }
}

impl<F> OmneoIdTenantsFuture<F> {
    /// The tenant with this key responds.
    pub(super) fn tenant(key: TenantKey, future: OmneoIdFuture<F>) -> Self {
        Kind::Tenant { future, key }.into()
    }

    /// The request has no tenant.
    pub(super) fn rejected(future: OmneoIdFuture<F>) -> Self {
        Kind::Rejected { future }.into()
    }

    /// The tenant must be loaded first.
    pub(super) fn loading<O>(future: O) -> Self
    where
        O: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
    {
        let future = Box::pin(future);
        Kind::Loading { future }.into()
    }
}

impl<F> From<Kind<F>> for OmneoIdTenantsFuture<F> {
    fn from(kind: Kind<F>) -> Self {
        Self { kind }
    }
}

impl<F, B, E> Future for OmneoIdTenantsFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: http_body::Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    E: Into<BoxError>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProj::Tenant { future, key } => {
                let Ok(mut response) = ready!(future.poll(cx));
                response.extensions_mut().insert(*key);
                Poll::Ready(Ok(response))
            }
            KindProj::Rejected { future } => future.poll(cx),
            KindProj::Loading { future } => future.as_mut().poll(cx),
        }
    }
}

pin_project! {
    /// The response future of [`TenantAuth`](super::TenantAuth).
    pub struct TenantAuthFuture<F, B, E> {
        #[pin]
        future: ResponseFuture<F, B, E>,
        // `None` if the request has no tenant, or the future inserts the key itself.
        key: Option<TenantKey>,
    }
}

impl<F, B, E> TenantAuthFuture<F, B, E> {
    pub(super) fn new(future: ResponseFuture<F, B, E>, key: Option<TenantKey>) -> Self {
        Self { future, key }
    }
}

impl<F, B, E> Future for TenantAuthFuture<F, B, E>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.future.poll(cx))?;
        if let Some(key) = this.key.take() {
            response.extensions_mut().insert(key);
        }
        Poll::Ready(Ok(response))
    }
}

impl<F, B, E> fmt::Debug for TenantAuthFuture<F, B, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantAuthFuture").finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for OmneoIdTenantsFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OmneoIdTenantsFuture")
            .finish_non_exhaustive()
    }
}
