//! The stack of the server: request log, CORS, and the routes of Omneo ID and beside it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use hyper::body::{Body as HttpBody, Incoming};
use omneo_id::Body;
use omneo_id::error::BoxError;
use tower::util::option_layer;
use tower::{Service, ServiceBuilder};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::admin::routes::{AdminRoutes, Routes};
use crate::config::TenantConfig;
use crate::cors::Cors;
use crate::request_log::RequestLogLayer;

/// How long browsers may cache the response to a preflight, which precedes each cross-origin
/// request otherwise. Browsers lower it to their own limit: 2 h in Chromium.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(60 * 60);

/// The service of all routes with its layers.
pub(crate) fn stack<S>(
    id: S,
    admin: Arc<AdminRoutes<S>>,
    request_log: RequestLogLayer,
    tenant: &TenantConfig,
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
    ServiceBuilder::new()
        .layer(request_log)
        .layer(option_layer(tenant.cors.as_ref().map(cors)))
        .service(Routes::new(id, admin))
}

fn cors(cors: &Cors) -> CorsLayer {
    let origins = if cors.allows_any() {
        AllowOrigin::any()
    } else {
        let cors = cors.clone();
        AllowOrigin::predicate(move |origin, _| cors.allows(origin))
    };
    let methods = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods(methods)
        // Listed by name: the wildcard of the Fetch standard excludes `authorization`.
        .allow_headers(cors.headers.clone())
        .expose_headers(cors.exposed.clone())
        .max_age(PREFLIGHT_MAX_AGE)
}
