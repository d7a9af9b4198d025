//! The stack of the server: request log, CORS, and the routes of Omneo ID and beside it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use hyper::body::{Body as HttpBody, Incoming};
use omneo_id::error::{BoxError, ConfigError};
use omneo_id::upstream::Forwarding;
use omneo_id::{Body, OmneoId, OmneoIdBuilder};
use tower::util::option_layer;
use tower::{Service, ServiceBuilder};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::admin::routes::{AdminRoutes, Routes};
use crate::config::Config;
use crate::cors::Cors;
use crate::request_log::RequestLogLayer;

/// How long browsers may cache the response to a preflight, which precedes each cross-origin
/// request otherwise. Browsers lower it to their own limit: 2 h in Chromium.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(60 * 60);

/// Omneo ID with this configuration, without a client.
pub(crate) fn builder(config: &Config) -> Result<OmneoIdBuilder, ConfigError> {
    let tenant = &config.tenant;
    let origin = format!("{}://{}", tenant.scheme(), tenant.authority());
    let forwarding = if config.via {
        Forwarding::default().with_via()
    } else {
        Forwarding::default()
    };
    let mut builder = OmneoId::builder()
        .upstream(&origin)?
        .base_path(tenant.base_path())
        .api_token(&config.api_token)
        .signing_key(config.signing_key.clone())
        .token_lifetime(config.token_ttl)
        .token_cache_capacity(config.token_cache)
        .revocations(config.sessions.revocations.clone())
        .forwarding(forwarding)
        .mount(&*config.mount);
    if let Some(refresh) = config.sessions.refresh {
        builder = builder.refresh(refresh.policy()?);
    }
    if let Some(webhook) = &config.sessions.webhook {
        builder = builder.webhook(webhook.clone());
    }
    Ok(builder)
}

/// The service of all routes with its layers.
pub(crate) fn stack<S>(
    id: S,
    admin: Arc<AdminRoutes<S>>,
    request_log: RequestLogLayer,
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
    ServiceBuilder::new()
        .layer(request_log)
        .layer(option_layer(config.cors.as_ref().map(cors)))
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
