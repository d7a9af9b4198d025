use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower::{Layer, Service};

use super::directory::{Directory, Found};
use super::{RequestHead, TenantAuthFuture, TenantKey};
use crate::auth::JwtAuthLayer;
use crate::body::ResponseBody;
use crate::facade::OmneoId;
use crate::future::ResponseFuture;
use crate::headers::WireProtocol;

/// Authenticates each request with the [`JwtAuthLayer`] of its tenant.
///
/// A request of an unknown tenant is rejected with 404. The request of a known tenant and its
/// response have the [`TenantKey`] in their extensions. See
/// [`OmneoIdTenants::auth_layer`](crate::OmneoIdTenants::auth_layer).
#[derive(Clone)]
pub struct TenantAuthLayer(Shared);

/// Forwards the requests with a valid token of their tenant to `S`, and rejects all others.
///
/// See [`TenantAuthLayer`].
#[derive(Clone)]
pub struct TenantAuth<S> {
    inner: S,
    shared: Shared,
}

#[derive(Clone)]
struct Shared {
    directory: Arc<Directory>,
    map: Option<Arc<LayerMap>>,
}

type LayerMap = dyn Fn(JwtAuthLayer) -> JwtAuthLayer + Send + Sync;

impl TenantAuthLayer {
    pub(super) fn new(directory: Arc<Directory>) -> Self {
        let map = None;
        Self(Shared { directory, map })
    }

    /// Changes the layer of each tenant, for example its mode. The function is called for each
    /// request.
    ///
    /// Default is the layer of the tenant as it is.
    ///
    /// ```
    /// use omneo_id::auth::AuthMode;
    /// use omneo_id::OmneoIdTenants;
    /// use omneo_id::tenants::TenantAuthLayer;
    ///
    /// fn optional(tenants: &OmneoIdTenants) -> TenantAuthLayer {
    ///     tenants.auth_layer().map_layer(|layer| layer.with_mode(AuthMode::Optional))
    /// }
    /// ```
    #[must_use]
    pub fn map_layer<F>(mut self, map: F) -> Self
    where
        F: Fn(JwtAuthLayer) -> JwtAuthLayer + Send + Sync + 'static,
    {
        self.0.map = Some(Arc::new(map));
        self
    }
}

impl<S> Layer<S> for TenantAuthLayer {
    type Service = TenantAuth<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TenantAuth {
            inner,
            shared: self.0.clone(),
        }
    }
}

impl<S> TenantAuth<S> {
    define_inner_service_accessors!();
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for TenantAuth<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    ReqBody: Send + 'static,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = TenantAuthFuture<S::Future, ResBody, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        match self.shared.find(&request) {
            Found::Tenant(key, tenant) => {
                let inner = &mut self.inner;
                self.shared.authenticate(inner, key, &tenant, request)
            }
            Found::Pending(pending) => {
                let not_ready_inner = self.inner.clone();
                let mut ready_inner = mem::replace(&mut self.inner, not_ready_inner);
                let shared = self.shared.clone();
                let future = ResponseFuture::boxed(async move {
                    let protocol = WireProtocol::from_headers(request.headers());
                    let (key, tenant) = match pending.load().await {
                        Ok(found) => found,
                        Err(rejection) => {
                            let response = rejection.into_response(protocol);
                            return Ok(response.map(ResponseBody::from_layer));
                        }
                    };
                    let inner = &mut ready_inner;
                    let future = shared.authenticate(inner, key, &tenant, request);
                    future.await
                });
                TenantAuthFuture::new(future, None)
            }
            Found::Rejected(rejection) => {
                let protocol = WireProtocol::from_headers(request.headers());
                let response = rejection.into_response(protocol);
                TenantAuthFuture::new(ResponseFuture::ready(response), None)
            }
        }
    }
}

impl Shared {
    fn find<B>(&self, request: &Request<B>) -> Found {
        self.directory.find(RequestHead::from_request(request))
    }

    /// Authenticates a request, and calls the inner service, which is ready.
    fn authenticate<S, ReqBody, ResBody>(
        &self,
        inner: &mut S,
        key: TenantKey,
        tenant: &OmneoId<()>,
        mut request: Request<ReqBody>,
    ) -> TenantAuthFuture<S::Future, ResBody, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    {
        request.extensions_mut().insert(key);
        let layer = tenant.auth_layer();
        let layer = match &self.map {
            Some(map) => map(layer),
            None => layer,
        };
        let future = layer.layer(inner).call(request);
        TenantAuthFuture::new(future, Some(key))
    }
}

impl fmt::Debug for TenantAuthLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantAuthLayer").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug> fmt::Debug for TenantAuth<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantAuth")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
