use std::future::poll_fn;
use std::marker::PhantomData;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{Either, Full};
use tower::Service;

use super::tenant_response::TenantResponse;
use crate::error::BoxError;
use crate::rejection::{Rejection, RejectionKind};
use crate::report::Report;
use crate::request_body::Replayable;
use crate::tenant::AllowForward;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Initial capacity for headers: up to 6 are set here, and the forwarding service adds its own.
const HEADER_CAPACITY: usize = 12;

/// Whether requests to the tenant copy this header of the client: the language of messages, and the
/// identifiers that correlate logs.
fn is_copied(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "accept-language" | "x-request-id" | "traceparent" | "tracestate"
    )
}

/// The inner service of a sign-up, which forwards requests to the tenant.
pub(super) trait TenantService<B>:
    Service<Request<Either<B, Full<Bytes>>>, Response = Response<Self::ResponseBody>>
{
    type ResponseBody: http_body::Body<Error: Into<BoxError>>;
}

impl<S, B, RB> TenantService<B> for S
where
    S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<RB>>,
    RB: http_body::Body<Error: Into<BoxError>>,
{
    type ResponseBody = RB;
}

/// The error of a sign-up.
pub(super) enum UpsertError<E> {
    /// A rejection, which becomes a response.
    Rejected(Rejection),
    /// A rejection that reveals whether the person has a profile. The policy may conceal it.
    Revealing(Rejection),
    /// The error of the inner service, which is returned unchanged.
    Inner(E),
}

impl<E> From<Rejection> for UpsertError<E> {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// Sends requests to the tenant through the inner service.
pub(super) struct TenantClient<S, B> {
    service: S,
    copied_headers: Vec<(HeaderName, HeaderValue)>,
    extensions: Extensions,
    report: Report,
    body: PhantomData<fn() -> B>,
}

impl<S, B> TenantClient<S, B> {
    /// Requests carry the client's extensions, which may name the tenant, and [`AllowForward`]: the
    /// forwarding service accepts them because this layer has built them.
    pub(super) fn new(service: S, client: &HeaderMap, mut extensions: Extensions) -> Self {
        extensions.insert(AllowForward::new());
        let copied = client.iter().filter(|(name, _)| is_copied(name));
        Self {
            service,
            copied_headers: copied
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            extensions,
            report: Report::default(),
            body: PhantomData,
        }
    }

    /// The report of the calls so far.
    pub(super) fn report(&self) -> Report {
        self.report
    }
}

impl<S: TenantService<B>, B> TenantClient<S, B> {
    pub(super) async fn get(
        &mut self,
        path: String,
    ) -> Result<TenantResponse, UpsertError<S::Error>> {
        let extensions = self.extensions.clone();
        self.send(Method::GET, path, None, extensions).await
    }

    /// Sends a POST that changes nothing at the tenant, so that it may be retried.
    pub(super) async fn query(
        &mut self,
        path: String,
        body: Bytes,
    ) -> Result<TenantResponse, UpsertError<S::Error>> {
        let mut extensions = self.extensions.clone();
        extensions.insert(Replayable);
        self.send(Method::POST, path, Some(body), extensions).await
    }

    pub(super) async fn write(
        &mut self,
        method: Method,
        path: String,
        body: Bytes,
    ) -> Result<TenantResponse, UpsertError<S::Error>> {
        let extensions = self.extensions.clone();
        self.send(method, path, Some(body), extensions).await
    }

    /// Sends one request when the service is ready, and reads the response.
    async fn send(
        &mut self,
        method: Method,
        path: String,
        body: Option<Bytes>,
        extensions: Extensions,
    ) -> Result<TenantResponse, UpsertError<S::Error>> {
        let uri = Uri::try_from(path)
            .map_err(|error| Rejection::new(RejectionKind::TenantAnswer).because(error))?;
        let mut headers = HeaderMap::with_capacity(HEADER_CAPACITY);
        for (name, value) in &self.copied_headers {
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
            .map_err(UpsertError::Inner)?;
        let response = self
            .service
            .call(request)
            .await
            .map_err(UpsertError::Inner)?;
        self.report.add_call(response.extensions());
        Ok(TenantResponse::read(response).await?)
    }
}
