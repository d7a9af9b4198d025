use std::future::poll_fn;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};
#[cfg(feature = "client")]
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Either, Full};
use tower::Service;

use super::content::inspect;
use super::future::RestrictedFuture;
use super::rule::{Go, apply};
use crate::body::ResponseBody;
use crate::error::BoxError;
use crate::headers::WireProtocol;
use crate::path::AccessPolicy;
use crate::read::ReadTimeout;

/// [`MeRewrite`](super::MeRewrite) that keeps here what an [`AccessPolicy`] does not permit.
///
/// Made by [`MeRewriteLayer::with_access`](super::MeRewriteLayer::with_access). Where nothing may
/// be asked, the answer is 403; where only the method is wrong, 405 with those that are right.
///
/// A Laravel tenant takes its method from the content of a `POST` that names one, `_method`. Where
/// not every method is permitted, the content of a `POST` is therefore read before anything is
/// sent: JSON or a form of at most 64 KiB (413), in no content coding (415), without `_method`
/// (400). What has been read reaches the inner service as [`Either::Right`], every other body as it
/// came.
#[derive(Clone, Debug)]
pub struct RestrictedMe<S> {
    inner: S,
    access: Arc<AccessPolicy>,
    mount: usize,
    read_timeout: ReadTimeout,
}

impl<S> RestrictedMe<S> {
    /// Rewrites what goes to `inner`, as far as `policy` permits it.
    pub fn new(inner: S, policy: AccessPolicy) -> Self {
        Self::from_shared(inner, Arc::new(policy), 0, ReadTimeout::default())
    }

    pub(super) fn from_shared(
        inner: S,
        access: Arc<AccessPolicy>,
        mount: usize,
        read_timeout: ReadTimeout,
    ) -> Self {
        Self {
            inner,
            access,
            mount,
            read_timeout,
        }
    }

    /// Sets how long a client may take to send a body that is read here, in total (408 after that).
    /// [`Duration::MAX`] is for ever. It needs the time driver of a tokio runtime.
    ///
    /// Default is no limit; [`OmneoId`](crate::OmneoId) sets 30 seconds.
    #[cfg(feature = "client")]
    #[cfg_attr(docsrs, doc(cfg(feature = "client")))]
    #[must_use]
    pub fn with_read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = ReadTimeout::new(timeout);
        self
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, mutably.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Gives the inner service back.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B, RB> Service<Request<B>> for RestrictedMe<S>
where
    S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<RB>>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<RB>>;
    type Error = S::Error;
    type Future = RestrictedFuture<S::Future, RB, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match apply(&mut request, Some(&self.access), self.mount) {
            Ok(Go::AfterReading) if !request.body().is_end_stream() => {}
            Ok(_) => return RestrictedFuture::inner(self.inner.call(request.map(Either::Left))),
            Err(stop) => return RestrictedFuture::answer(stop.into_response(request.headers())),
        }
        // The readiness that was reserved for this call is given back: a client that is slow with
        // its content must not hold a slot of a concurrency limit meanwhile.
        let not_ready_inner = self.inner.clone();
        let mut inner = not_ready_inner.clone();
        drop(mem::replace(&mut self.inner, not_ready_inner));
        let timeout = self.read_timeout;
        RestrictedFuture::reading(async move {
            let protocol = WireProtocol::from_headers(request.headers());
            let request = match inspect(request, timeout).await {
                Ok(request) => request,
                Err(rejection) => {
                    return Ok(rejection.into_response(protocol).map(ResponseBody::own));
                }
            };
            poll_fn(|cx| inner.poll_ready(cx)).await?;
            let response = inner.call(request.map(Either::Right)).await?;
            Ok(response.map(ResponseBody::inner))
        })
    }
}
