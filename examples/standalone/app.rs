//! The stack: request id, log, CORS, health, the description, the storefront, Omneo ID.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, Method, Request, Response};
use hyper::body::{Body as HttpBody, Incoming};
use omneo_id::error::{BoxError, ConfigError};
use omneo_id::{Body, OmneoId, OmneoIdBuilder, Rejection};
use tower::util::option_layer;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::trace::TraceLayer;
use tracing::{Span, field, info, info_span};

use crate::config::{Config, Cors};
use crate::describe::Description;
use crate::health::Health;
use crate::storefront::Storefront;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer request ids are not a caller's to choose.
const MAX_REQUEST_ID: usize = 64;
/// Every cross-origin call is preceded by a preflight: browsers may remember the answer this long.
const PREFLIGHT_LIFE: Duration = Duration::from_secs(60 * 60);

/// What Omneo ID is told; the client decides the rest.
pub(crate) fn builder(config: &Config) -> Result<OmneoIdBuilder, ConfigError> {
    let tenant = &config.tenant;
    let origin = format!("{}://{}", tenant.scheme(), tenant.authority());
    let builder = OmneoId::builder()
        .upstream(&origin)?
        .base_path(tenant.base_path())
        .api_token(&config.api_token)
        .signing_key(config.signing_key.clone())
        .token_lifetime(config.token_ttl)
        .mount(&*config.mount);
    Ok(builder)
}

/// Everything that is served, as one service.
pub(crate) fn stack<S>(
    id: S,
    config: &Config,
) -> impl Service<
    Request<Incoming>,
    Response = Response<impl HttpBody<Data = Bytes, Error = BoxError> + Send + 'static>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ 'static
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
{
    let health = Health::new(id.clone(), config);
    let description = Description::new(&config.mount);
    let storefront = Storefront::new(id.clone(), config).map(Arc::new);
    let routes = service_fn(move |request: Request<Incoming>| {
        let (id, health) = (id.clone(), health.clone());
        let (description, storefront) = (description.clone(), storefront.clone());
        async move {
            if let Some(response) = health.answer(&request).await {
                return Ok(response);
            }
            if let Some(response) = description.answer(&request) {
                return Ok(response);
            }
            let request = request.map(Body::new);
            match storefront.filter(|storefront| storefront.is_for(&request)) {
                Some(storefront) => Ok(storefront.answer(request).await),
                None => id.oneshot(request).await,
            }
        }
    });
    let trace = TraceLayer::new_for_http()
        .make_span_with(span)
        .on_request(())
        .on_response(log)
        .on_body_chunk(())
        .on_eos(())
        .on_failure(());
    ServiceBuilder::new()
        .map_request(usable_request_id)
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
        .layer(trace)
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(option_layer(cors(&config.cors)))
        .service(routes)
}

fn cors(cors: &Cors) -> Option<CorsLayer> {
    let origins = match cors {
        Cors::None => return None,
        Cors::Any => AllowOrigin::any(),
        Cors::Origins(origins) => AllowOrigin::list(origins.iter().cloned()),
    };
    let methods = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    let layer = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods(methods)
        // By name: the Fetch standard's wildcard does not cover `authorization`.
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, ACCEPT])
        .expose_headers([RETRY_AFTER, REQUEST_ID])
        .max_age(PREFLIGHT_LIFE);
    Some(layer)
}

/// Drops a request id that is not fit for logs and headers; a new one is made then.
fn usable_request_id(mut request: Request<Incoming>) -> Request<Incoming> {
    let fit = |id: &[u8]| {
        (1..=MAX_REQUEST_ID).contains(&id.len())
            && id
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
    };
    let mut ids = request.headers().get_all(REQUEST_ID).iter();
    if let (Some(id), None) = (ids.next(), ids.next())
        && fit(id.as_bytes())
    {
        return request;
    }
    request.headers_mut().remove(REQUEST_ID);
    request
}

/// Method and path; never the query, which may hold an e-mail address.
fn span(request: &Request<Incoming>) -> Span {
    let id = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|id| id.to_str().ok());
    info_span!(
        "request",
        id = id.unwrap_or_default(),
        method = %request.method(),
        path = request.uri().path(),
        status = field::Empty,
    )
}

fn log(response: &Response<Body>, latency: Duration, _span: &Span) {
    let status = response.status().as_u16();
    let ms = latency.as_millis();
    match response.extensions().get::<Rejection>() {
        Some(rejection) => info!(status, ms, refused = rejection.kind().code(), "answered"),
        None => info!(status, ms, "answered"),
    }
}
