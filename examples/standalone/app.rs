//! The stack of the server: request log, CORS, and the routes inside and outside the mount of
//! Omneo ID.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body as HttpBody, Incoming};
use omneo_id::Body;
use omneo_id::error::BoxError;
use tower::{Service, ServiceBuilder};

use crate::admin::routes::{AdminRoutes, Routes};
use crate::request_log::RequestLogLayer;
use crate::tenants::{ServedTenants, TenantCorsLayer};

/// The service of all routes with its layers.
pub(crate) fn stack<S>(
    id: S,
    admin: Arc<AdminRoutes<S>>,
    request_log: RequestLogLayer,
    tenants: Arc<ServedTenants>,
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
        .layer(TenantCorsLayer(tenants))
        .service(Routes::new(id, admin))
}
