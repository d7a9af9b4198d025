use std::future::poll_fn;
use std::mem;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::{Context, Poll};
#[cfg(feature = "client")]
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Either, Full};
use tower::Service;

use super::body::read_body;
use super::rewrite::{BodyCheck, rewrite};
use crate::body::ResponseBody;
use crate::error::BoxError;
use crate::future::ResponseFuture;
use crate::headers::WireProtocol;
use crate::path::AccessPolicy;
use crate::read::ReadTimeout;

/// [`MeRewrite`](super::MeRewrite) that rejects the requests that an [`AccessPolicy`] denies.
///
/// Made by [`MeRewriteLayer::with_access_policy`](super::MeRewriteLayer::with_access_policy). If
/// the policy denies every method on a path, the response is 403. If it denies the method only, the
/// response is 405 with the permitted methods.
///
/// The content of two kinds of requests is read before they are forwarded:
///
/// - a `POST`, if the policy does not permit every method with all fields on the path. A Laravel
///   tenant replaces the method of a `POST` by the field `_method` of its content, so the content
///   must not have it (400).
/// - a request whose fields the policy [limits](AccessPolicy::allow_fields). A field that is not
///   allowed is rejected with 403, and the message names it. The query is checked in the same way.
///   JSON must be an object (400).
///
/// This content must be JSON or a form (415) of at most 64 KiB (413), in no content coding (415),
/// because the tenant's reading of other content is unknown. It is forwarded byte for byte. The
/// inner service receives content that was read as [`Either::Right`], and every other body unread
/// as [`Either::Left`].
#[derive(Clone, Debug)]
pub struct RestrictedMe<S> {
    inner: S,
    access: Arc<AccessPolicy>,
    read_timeout: ReadTimeout,
}

impl<S> RestrictedMe<S> {
    /// Rewrites the requests that `policy` permits before they reach `inner`.
    pub fn new(inner: S, policy: AccessPolicy) -> Self {
        Self::from_shared(inner, Arc::new(policy), ReadTimeout::default())
    }

    pub(super) fn from_shared(
        inner: S,
        access: Arc<AccessPolicy>,
        read_timeout: ReadTimeout,
    ) -> Self {
        Self {
            inner,
            access,
            read_timeout,
        }
    }

    /// Sets the total time in which a client must send a body that is read here (408 after that).
    /// [`Duration::MAX`] disables the limit. The timeout needs the time driver of a tokio runtime.
    ///
    /// Default is none; [`OmneoId`](crate::OmneoId) sets 30 seconds.
    #[cfg(feature = "client")]
    #[cfg_attr(docsrs, doc(cfg(feature = "client")))]
    #[must_use]
    pub fn with_read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = ReadTimeout::new(timeout);
        self
    }

    define_inner_service_accessors!();
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
    type Future = ResponseFuture<S::Future, RB, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let permission = match rewrite(&mut request, Some(&self.access)) {
            ControlFlow::Continue(BodyCheck::Required(permission))
                if !request.body().is_end_stream() =>
            {
                permission
            }
            ControlFlow::Continue(_) => {
                return ResponseFuture::inner(self.inner.call(request.map(Either::Left)));
            }
            ControlFlow::Break(response) => return ResponseFuture::ready(response),
        };
        // Drop the ready service: while a slow client sends its content, this request must not
        // occupy a slot of a concurrency limit.
        let not_ready_inner = self.inner.clone();
        let mut inner = not_ready_inner.clone();
        drop(mem::replace(&mut self.inner, not_ready_inner));
        let timeout = self.read_timeout;
        ResponseFuture::boxed(async move {
            let protocol = WireProtocol::from_headers(request.headers());
            let request = match read_body(request, timeout, permission).await {
                Ok(request) => request,
                Err(rejection) => {
                    return Ok(rejection
                        .into_response(protocol)
                        .map(ResponseBody::from_layer));
                }
            };
            poll_fn(|cx| inner.poll_ready(cx)).await?;
            let response = inner.call(request.map(Either::Right)).await?;
            Ok(response.map(ResponseBody::inner))
        })
    }
}
