//! What lies where: health, the description and the storefront beside Omneo ID.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::HOST;
use http::uri::Authority;
use http::{Request, Response, Version};
use hyper::body::Incoming;
use omneo_id::headers::WireProtocol;
use omneo_id::{Body, Rejection, RejectionKind};
use pin_project_lite::pin_project;
use tower::Service;

use crate::config::Config;
use crate::describe::Description;
use crate::health::{self, Health};
use crate::storefront::Storefront;
use crate::upload;

/// What is beside Omneo ID, and Omneo ID for everything else.
pub(crate) struct Routes<S> {
    id: S,
    beside: Arc<Beside<S>>,
}

/// What the server answers itself, outside the mount.
pub(crate) struct Beside<S> {
    health: Health<S>,
    description: Description,
    storefront: Option<Storefront<S>>,
}

impl<S> Routes<S> {
    pub(crate) fn new(id: S, beside: Arc<Beside<S>>) -> Self {
        Self { id, beside }
    }
}

impl<S: Clone> Clone for Routes<S> {
    fn clone(&self) -> Self {
        Self {
            id: self.id.clone(),
            beside: Arc::clone(&self.beside),
        }
    }
}

impl<S> Beside<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
{
    pub(crate) fn new(id: &S, config: &Config) -> Self {
        Self {
            health: Health::new(id.clone(), config),
            description: Description::new(&config.mount),
            storefront: Storefront::new(id, config),
        }
    }

    fn is_asked<B>(&self, request: &Request<B>) -> bool {
        health::is_probe(request.uri().path())
            || Description::is_asked(request)
            || self.storefront.is_some() && Storefront::<S>::is_asked(request)
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        match &self.storefront {
            Some(storefront) if Storefront::<S>::is_asked(&request) => {
                storefront.answer(request).await
            }
            _ if Description::is_asked(&request) => self.description.answer(&request),
            _ => self.health.answer(&request.map(drop)).await,
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
    type Future = Answer<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.id.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        if !names_one_host(&request) {
            let refusal = Rejection::new(RejectionKind::HeadersRefused);
            let response = refusal.into_response(WireProtocol::from_headers(request.headers()));
            let future = Box::pin(std::future::ready(Ok(response.map(Body::from))));
            return Answer::Beside { future };
        }
        let request = upload::take(request);
        if !self.beside.is_asked(&request) {
            let future = self.id.call(request);
            return Answer::Id { future };
        }
        let beside = Arc::clone(&self.beside);
        let future = Box::pin(async move { Ok(beside.answer(request).await) });
        Answer::Beside { future }
    }
}

/// RFC 9112 §3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1
/// request message that lacks a Host header field and to any request message that contains more
/// than one Host header field line or a Host header field with an invalid field value."
fn names_one_host<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version() != Version::HTTP_11,
        (Some(host), None) => is_host(host.as_bytes()),
        _ => false,
    }
}

fn is_host(host: &[u8]) -> bool {
    // What nearly all are: a name or an IPv4 address, and perhaps a port.
    let mut parts = host.splitn(2, |&byte| byte == b':');
    let name = parts.next().unwrap_or_default();
    let port = parts.next().unwrap_or(b"0");
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let is_usual = !name.is_empty()
        && name.iter().all(is_plain)
        && matches!(port.len(), 1..=5)
        && port.iter().all(u8::is_ascii_digit);
    // A host has no userinfo (RFC 9110 §7.2).
    is_usual || Authority::try_from(host).is_ok_and(|host| !host.as_str().contains('@'))
}

type Boxed = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

pin_project! {
    /// The response of [`Routes`].
    #[project = AnswerProj]
    pub(crate) enum Answer<F> {
        Id { #[pin] future: F },
        Beside { future: Boxed },
    }
}

impl<F> Future for Answer<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            AnswerProj::Id { future } => future.poll(cx),
            AnswerProj::Beside { future } => future.as_mut().poll(cx),
        }
    }
}
