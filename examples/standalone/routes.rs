//! What lies where: health beside Omneo ID.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use hyper::body::Incoming;
use omneo_id::Body;
use pin_project_lite::pin_project;
use tower::Service;

use crate::health::Health;

/// Health, and Omneo ID for everything else.
#[derive(Clone)]
pub(crate) struct Routes<S> {
    id: S,
    health: Health<S>,
}

impl<S> Routes<S> {
    pub(crate) fn new(id: S, health: Health<S>) -> Self {
        Self { id, health }
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
        if !Health::<S>::is_asked(&request) {
            let future = self.id.call(request.map(Body::new));
            return Answer::Id { future };
        }
        let health = self.health.clone();
        let future = Box::pin(async move { Ok(health.answer(&request).await) });
        Answer::Health { future }
    }
}

type Boxed = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

pin_project! {
    /// The response of [`Routes`].
    #[project = AnswerProj]
    pub(crate) enum Answer<F> {
        Id { #[pin] future: F },
        Health { future: Boxed },
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
            AnswerProj::Health { future } => future.as_mut().poll(cx),
        }
    }
}
