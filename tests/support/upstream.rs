//! The forwarding service over a scripted client.

use std::future::Future;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use omneo_id::error::BoxError;
use omneo_id::tenant::AllowForward;
use omneo_id::upstream::{RequestBody, UpstreamError};
use omneo_id::{ApiToken, Body, Rejection, RejectionKind, Tenant, Upstream};
use tower::{Service, ServiceExt, service_fn};

use super::logs;

pub(crate) use super::body::{Chunks, Feeder, data, fed, frames, trailers};

/// The API token of the scripted tenants.
pub(crate) const TOKEN: &str = "7|4fzKq0pLw8sN1vXyT2uR";

/// The tenant at `https://api.acme.test`.
pub(crate) fn tenant() -> Tenant {
    tenant_at("https://api.acme.test")
}

/// The tenant at this origin.
pub(crate) fn tenant_at(origin: &str) -> Tenant {
    logs::watch();
    Tenant::new(origin, ApiToken::new(TOKEN).unwrap()).unwrap()
}

/// A GET request that the forwarding service accepts.
pub(crate) fn get(uri: &str) -> Request<Body> {
    permitted(Request::get(uri)).body(Body::empty()).unwrap()
}

/// Marks a request as checked: the forwarding service rejects any other.
pub(crate) fn permitted(request: http::request::Builder) -> http::request::Builder {
    request.extension(AllowForward::new())
}

/// Forwards a request through a client that responds with `response`. Returns the response, and the
/// requests that the client received.
pub(crate) async fn send<B>(
    request: Request<Body>,
    client_response: impl Fn() -> Response<B> + Clone + Send + 'static,
) -> (Response<Body>, Vec<Request<Bytes>>)
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let sent = Arc::new(Mutex::new(Vec::new()));
    let received = Arc::clone(&sent);
    let client = service_fn(move |request: Request<RequestBody>| {
        let received = Arc::clone(&received);
        let client_response = client_response.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(BoxError::from)?.to_bytes();
            received
                .lock()
                .unwrap()
                .push(Request::from_parts(parts, body));
            Ok::<_, BoxError>(client_response())
        }
    });
    let response = Upstream::new(client, tenant())
        .oneshot(request)
        .await
        .unwrap();
    let sent = std::mem::take(&mut *sent.lock().unwrap());
    (response, sent)
}

/// [`send`] with a client that responds 200 and an empty body.
pub(crate) async fn sent(request: Request<Body>) -> (Response<Body>, Vec<Request<Bytes>>) {
    send(request, || Response::new(Body::empty())).await
}

/// A client that reads the request body, and never responds.
pub(crate) fn silent() -> impl Service<
    Request<RequestBody>,
    Response = Response<Body>,
    Error = BoxError,
    Future = impl Future<Output = Result<Response<Body>, BoxError>> + Send,
> + Clone {
    service_fn(|request: Request<RequestBody>| async move {
        request.into_body().collect().await?;
        std::future::pending().await
    })
}

/// The kind of the rejection that `response` is.
pub(crate) fn kind(response: &Response<Body>) -> RejectionKind {
    rejection(response).kind()
}

/// The rejection that `response` is.
pub(crate) fn rejection(response: &Response<Body>) -> &Rejection {
    response.extensions().get().expect("a rejection")
}

/// The [`UpstreamError`] that caused the rejection.
pub(crate) fn cause(response: &Response<Body>) -> &UpstreamError {
    let source = std::error::Error::source(rejection(response)).expect("a cause");
    source.downcast_ref().expect("an `UpstreamError`")
}

/// The whole body as text.
pub(crate) async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}
