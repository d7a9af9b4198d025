use std::future::poll_fn;
use std::marker::PhantomData;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{Either, Full};
use tower::Service;

use super::answer::Answer;
use crate::error::BoxError;
use crate::rejection::{Rejection, RejectionKind};
use crate::report::Report;
use crate::request_body::Replayable;
use crate::tenant::AllowForward;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Room for the headers of a request: ours, and those that the forwarding service adds.
const HEADERS: usize = 12;

/// Headers of the client that its sign-up's own requests repeat: to be found again in the tenant's
/// logs, and answered in the client's language.
fn is_repeated(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "accept-language" | "x-request-id" | "traceparent" | "tracestate"
    )
}

/// Why a sign-up was not stored.
pub(super) enum Failure<E> {
    /// Answered by the table.
    Rejected(Rejection),
    /// The inner service's own error, which stays one.
    Inner(E),
}

impl<E> From<Rejection> for Failure<E> {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// The inner service, called as the tenant.
pub(super) struct Caller<S, B> {
    service: S,
    repeated: Vec<(HeaderName, HeaderValue)>,
    extensions: Extensions,
    report: Report,
    body: PhantomData<fn() -> B>,
}

impl<S, B> Caller<S, B> {
    /// Requests will carry the client's extensions: which tenant is meant may stand there. The
    /// forwarding service lets them up, as they are made here and not by the client.
    pub(super) fn new(service: S, client: &HeaderMap, mut extensions: Extensions) -> Self {
        extensions.insert(AllowForward::new());
        let repeated = client.iter().filter(|(name, _)| is_repeated(name));
        Self {
            service,
            repeated: repeated
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            extensions,
            report: Report::default(),
            body: PhantomData,
        }
    }

    /// How the tenant was called so far.
    pub(super) fn report(&self) -> Report {
        self.report
    }

    pub(super) async fn get<RB>(&mut self, path: String) -> Result<Answer, Failure<S::Error>>
    where
        S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<RB>>,
        RB: http_body::Body,
        RB::Error: Into<BoxError>,
    {
        self.send(Method::GET, path, None).await
    }

    /// Asks a question by POST. The tenant changes nothing, so that it may be asked twice.
    pub(super) async fn query<RB>(
        &mut self,
        path: String,
        question: Bytes,
    ) -> Result<Answer, Failure<S::Error>>
    where
        S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<RB>>,
        RB: http_body::Body,
        RB::Error: Into<BoxError>,
    {
        let mut extensions = self.extensions.clone();
        extensions.insert(Replayable);
        self.call(Method::POST, path, Some(question), extensions)
            .await
    }

    /// Sends one request, when the service is ready for it, and reads the answer.
    pub(super) async fn send<RB>(
        &mut self,
        method: Method,
        path: String,
        body: Option<Bytes>,
    ) -> Result<Answer, Failure<S::Error>>
    where
        S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<RB>>,
        RB: http_body::Body,
        RB::Error: Into<BoxError>,
    {
        let extensions = self.extensions.clone();
        self.call(method, path, body, extensions).await
    }

    async fn call<RB>(
        &mut self,
        method: Method,
        path: String,
        body: Option<Bytes>,
        extensions: Extensions,
    ) -> Result<Answer, Failure<S::Error>>
    where
        S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<RB>>,
        RB: http_body::Body,
        RB::Error: Into<BoxError>,
    {
        let uri = Uri::try_from(path)
            .map_err(|error| Rejection::new(RejectionKind::TenantAnswer).because(error))?;
        let mut headers = HeaderMap::with_capacity(HEADERS);
        for (name, value) in &self.repeated {
            headers.append(name, value.clone());
        }
        headers.insert(ACCEPT, JSON);
        if body.is_some() {
            headers.insert(CONTENT_TYPE, JSON);
        }
        let mut request = Request::new(Either::Right(Full::new(body.unwrap_or_default())));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        *request.extensions_mut() = extensions;
        poll_fn(|cx| self.service.poll_ready(cx))
            .await
            .map_err(Failure::Inner)?;
        let response = self.service.call(request).await.map_err(Failure::Inner)?;
        self.report.add_call(response.extensions());
        Ok(Answer::read(response).await?)
    }
}
