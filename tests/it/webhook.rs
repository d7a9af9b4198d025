//! Webhooks: the endpoint alone, and as a route of the whole service.

mod events;
#[cfg(feature = "client")]
mod facade;
mod requests;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use omneo_id::sandbox::Sandbox;
use omneo_id::webhook::WebhookOutcome;
use omneo_id::{Body, Rejection, RejectionKind, WebhookEndpoint};
use serde_json::Value;
use tower::ServiceExt;

const DELETED: &str = "profile.deleted";
const SIGNATURE: &str = "x-omneo-hmac-sha256";

/// An endpoint with the sandbox's secret.
fn endpoint() -> WebhookEndpoint {
    crate::support::logs::watch();
    WebhookEndpoint::new(Sandbox::WEBHOOK_SECRET).unwrap()
}

fn signed(event: &str, body: &Value) -> Request<Full<Bytes>> {
    Sandbox::webhook(event, body.to_string()).unwrap()
}

/// A signed webhook without the header that names its event.
fn without_event(body: &Value) -> Request<Full<Bytes>> {
    let mut request = signed("removed", body);
    request.headers_mut().remove("x-omneo-event");
    request
}

async fn send<B>(endpoint: &WebhookEndpoint, request: Request<B>) -> Response<Full<Bytes>>
where
    B: http_body::Body<Data = Bytes, Error: Into<omneo_id::error::BoxError>> + Send + 'static,
{
    let request = request.map(Body::new);
    endpoint.clone().oneshot(request).await.unwrap()
}

fn kind<B>(response: &Response<B>) -> Option<RejectionKind> {
    response.extensions().get().map(Rejection::kind)
}

/// The outcome of a response, which must be an empty 204.
async fn outcome(response: Response<Full<Bytes>>) -> WebhookOutcome {
    assert_eq!(response.status(), 204);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let outcome = *response.extensions().get().unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(body.is_empty());
    outcome
}
