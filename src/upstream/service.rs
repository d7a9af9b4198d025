use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Buf;
use http::{Request, Response};
use tower::Service;

use super::call::{Exchange, failure};
use super::config::Config;
use super::error::UpstreamError;
use super::{Forwarding, ResponseFuture};
use crate::body::Body;
use crate::error::BoxError;
use crate::headers::{RequestHeaders, ResponseHeaders, WireProtocol};
use crate::rejection::Rejection;
use crate::request_body::InFlight;
use crate::request_body::RequestBody;
use crate::tenant::Tenant;

/// Forwards requests to a tenant over the client `C`.
///
/// See the [module docs](super). Clones share the configuration and the count of calls in flight.
pub struct Upstream<C> {
    client: C,
    config: Arc<Config>,
    // Why the client was not ready, until the call that is answered with it.
    unready: Option<BoxError>,
}

impl<C> Upstream<C> {
    /// Calls `tenant` by way of `client`: an [`HttpClient`](crate::client::HttpClient), or any service
    /// that sends requests.
    pub fn new(client: C, tenant: Tenant) -> Self {
        Self {
            client,
            config: Arc::new(Config::new(tenant)),
            unready: None,
        }
    }

    /// Replaces the list of headers that go up.
    ///
    /// Default is [`RequestHeaders::default`].
    #[must_use]
    pub fn with_request_headers(self, headers: RequestHeaders) -> Self {
        self.configure(|config| config.request_headers = headers)
    }

    /// Replaces the list of headers that do not come down.
    ///
    /// Default is [`ResponseHeaders::default`].
    #[must_use]
    pub fn with_response_headers(self, headers: ResponseHeaders) -> Self {
        self.configure(|config| config.response_headers = headers)
    }

    /// Replaces which headers tell the tenant whom a request comes from, and on which way.
    ///
    /// Default is [`Forwarding::default`].
    #[must_use]
    pub fn with_forwarding(self, forwarding: Forwarding) -> Self {
        self.configure(|config| config.forwarding = forwarding)
    }

    /// Replaces how long the tenant may take to begin its answer once it has what the client sent
    /// (504 after that). [`Duration::MAX`] is for ever.
    ///
    /// Default is 30 seconds.
    #[must_use]
    pub fn with_head_timeout(self, timeout: Duration) -> Self {
        self.configure(|config| config.head_timeout = timeout)
    }

    /// Replaces how long a body may stand still, in either direction: a client's is then given up
    /// (408), a tenant's breaks off. [`Duration::MAX`] is for ever.
    ///
    /// Default is 60 seconds.
    #[must_use]
    pub fn with_body_idle_timeout(self, timeout: Duration) -> Self {
        self.configure(|config| config.body_idle_timeout = timeout)
    }

    /// Replaces how many calls may be in flight at once, each from its request to the end of its
    /// answer's body; over HTTP/1.1 to the end of its own, if that takes longer. One more is
    /// answered with 503 and `Retry-After` at once.
    ///
    /// Default is 1024.
    #[must_use]
    pub fn with_max_in_flight(self, max: usize) -> Self {
        self.configure(|config| config.in_flight = InFlight::new(max))
    }

    /// The same service over another client: the configuration and the count of calls in flight
    /// stay shared. So each thread can have connections of its own.
    #[must_use]
    pub fn with_client<D>(&self, client: D) -> Upstream<D> {
        Upstream {
            client,
            config: Arc::clone(&self.config),
            unready: None,
        }
    }

    /// How many calls are in flight, from the request to the end of the answer's body.
    pub fn in_flight(&self) -> usize {
        self.config.in_flight.now().min(self.max_in_flight())
    }

    /// How many calls may be in flight at once.
    pub fn max_in_flight(&self) -> usize {
        self.config.in_flight.max()
    }

    /// The tenant that is called.
    pub fn tenant(&self) -> &Tenant {
        &self.config.tenant
    }

    /// The client.
    pub fn get_ref(&self) -> &C {
        &self.client
    }

    /// The client.
    pub fn get_mut(&mut self) -> &mut C {
        &mut self.client
    }

    /// The client.
    pub fn into_inner(self) -> C {
        self.client
    }

    fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
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

    /// A client that fails to become ready is answered for by `call`.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.unready.is_none() {
            self.unready = ready!(self.client.poll_ready(cx)).err().map(Into::into);
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let protocol = WireProtocol::of(request.headers());
        if let Some(error) = self.unready.take() {
            let rejection = Rejection::new(failure::kind(&*error));
            let rejection = rejection.because(UpstreamError::client(error));
            return ResponseFuture::rejected(rejection, protocol);
        }
        match Exchange::begin(&self.config, request, protocol) {
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
