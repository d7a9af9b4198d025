use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Buf;
use http::{Request, Response};
use tower::Service;

use super::call::{Exchange, rejection_kind};
use super::config::Config;
use super::error::{Cause, UpstreamError};
use super::{Forwarding, ResponseFuture};
use crate::body::Body;
use crate::error::BoxError;
use crate::headers::{RequestHeaders, ResponseHeaders, WireProtocol};
use crate::rejection::Rejection;
use crate::request_body::{CallBudget, RequestBody};
use crate::tenant::Tenant;

/// Forwards requests to a tenant over the client `C`.
///
/// See the [module docs](super). Clones share the configuration and the in-flight count.
pub struct Upstream<C> {
    client: C,
    config: Arc<Config>,
    // An error of the client's `poll_ready`: the next call is rejected with it.
    unready: Option<BoxError>,
}

impl<C> Upstream<C> {
    /// Forwards requests to `tenant` over `client`: an [`HttpClient`](crate::client::HttpClient),
    /// or any service that sends requests.
    pub fn new(client: C, tenant: Tenant) -> Self {
        Self {
            client,
            config: Arc::new(Config::new(tenant)),
            unready: None,
        }
    }

    /// Replaces the policy for request headers.
    ///
    /// Default is [`RequestHeaders::default`].
    #[must_use]
    pub fn with_request_headers(self, headers: RequestHeaders) -> Self {
        self.edit(|config| config.request_headers = headers)
    }

    /// Replaces the policy for response headers.
    ///
    /// Default is [`ResponseHeaders::default`].
    #[must_use]
    pub fn with_response_headers(self, headers: ResponseHeaders) -> Self {
        self.edit(|config| config.response_headers = headers)
    }

    /// Replaces the forwarding headers that are sent to the tenant.
    ///
    /// Default is [`Forwarding::default`].
    #[must_use]
    pub fn with_forwarding(self, forwarding: Forwarding) -> Self {
        self.edit(|config| config.forwarding = forwarding)
    }

    /// Replaces the head timeout: the time from the moment when the tenant has received everything
    /// that the client sent until its response head. When it elapses, the response is a 504.
    /// [`Duration::MAX`] disables it.
    ///
    /// Default is 30 seconds.
    #[must_use]
    pub fn with_head_timeout(self, timeout: Duration) -> Self {
        self.edit(|config| config.head_timeout = timeout)
    }

    /// Replaces the longest time that a body may be idle, in either direction. An idle request
    /// body ends the call with 408; an idle response body is aborted. [`Duration::MAX`] disables
    /// it.
    ///
    /// Default is 60 seconds.
    #[must_use]
    pub fn with_body_idle_timeout(self, timeout: Duration) -> Self {
        self.edit(|config| config.body_idle_timeout = timeout)
    }

    /// Replaces the limit of calls in flight. A call is in flight from its request to the end of
    /// its response body; over HTTP/1.1 to the end of its request body, if that is later. Calls
    /// beyond the limit are rejected at once with 503 and `Retry-After`.
    ///
    /// Default is 1024.
    #[must_use]
    pub fn with_max_in_flight(self, max: usize) -> Self {
        self.edit(|config| config.in_flight = config.in_flight.with_max(max))
    }

    /// Makes the service a member of a limit of calls in flight that several services share: see
    /// [`CallBudget`]. The service's own limit applies, too.
    ///
    /// Default is the limit of the service alone.
    #[must_use]
    pub fn with_call_budget(self, budget: &CallBudget) -> Self {
        self.edit(|config| config.in_flight = config.in_flight.with_budget(budget))
    }

    /// The same service over another client: both share the configuration and the in-flight
    /// count. With this, each thread can have its own connections.
    #[must_use]
    pub fn with_client<D>(&self, client: D) -> Upstream<D> {
        Upstream {
            client,
            config: Arc::clone(&self.config),
            unready: None,
        }
    }

    /// Replaces the client by one whose `poll_ready` has been called. `unready` is its error.
    pub(crate) fn into_ready<D>(self, client: D, unready: Option<BoxError>) -> Upstream<D> {
        let config = self.config;
        Upstream {
            client,
            config,
            unready,
        }
    }

    /// Continues the count of calls in flight of the service that this one replaces, unless their
    /// call budgets differ.
    pub(crate) fn continue_in_flight<D>(self, replaced: &Upstream<D>) -> Self {
        let replaced = &replaced.config.in_flight;
        self.edit(|config| config.in_flight.continue_count(replaced))
    }

    /// The number of calls in flight, from the request to the end of the response body.
    pub fn in_flight(&self) -> usize {
        self.config.in_flight.count().min(self.max_in_flight())
    }

    /// The limit of calls in flight.
    pub fn max_in_flight(&self) -> usize {
        self.config.in_flight.max()
    }

    /// The tenant.
    pub fn tenant(&self) -> &Tenant {
        &self.config.tenant
    }

    define_inner_service_accessors!(client: C, "the client");

    fn edit(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(Arc::make_mut(&mut self.config));
        self
    }
}

impl<C, B, RB> Service<Request<B>> for Upstream<C>
where
    C: Service<Request<RequestBody>, Response = Response<RB>>,
    C::Error: Into<BoxError>,
    B: http_body::Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    RB: http_body::Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture<C::Future>;

    /// Never fails: an error of the client's `poll_ready` becomes the rejection of the next call.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.unready.is_none() {
            self.unready = ready!(self.client.poll_ready(cx)).err().map(Into::into);
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let protocol = WireProtocol::from_headers(request.headers());
        if let Some(error) = self.unready.take() {
            let rejection = Rejection::new(rejection_kind(&*error));
            let rejection = rejection.because(UpstreamError(Cause::Client(error)));
            return ResponseFuture::rejected(rejection, protocol);
        }
        match Exchange::prepare(&self.config, request, protocol) {
            Ok((request, exchange)) => ResponseFuture::call(self.client.call(request), exchange),
            Err(rejection) => ResponseFuture::rejected(rejection, protocol),
        }
    }
}

impl<C: Clone> Clone for Upstream<C> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            config: Arc::clone(&self.config),
            unready: None,
        }
    }
}

impl<C> fmt::Debug for Upstream<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
