use std::convert::Infallible;
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower::Service;

use super::directory::{Directory, Found, Tenants};
use super::{
    OmneoIdTenantsFuture, RequestHead, TenantAuthLayer, TenantCache, TenantKey, TenantResolver,
    TenantSet,
};
use crate::body::Body;
use crate::client::HttpClient;
use crate::error::BoxError;
use crate::facade::{OmneoId, OmneoIdFuture};
use crate::request_body::RequestBody;

/// Many tenants as one service: each request is served by the [`OmneoId`] of its tenant.
///
/// A request of an unknown tenant is rejected with 404, with the bytes of an unknown route. A
/// request of a known tenant and its response have the [`TenantKey`] in their extensions.
///
/// The tenants can be replaced while requests run: a request that has begun ends on the tenant
/// that it began on.
///
/// Clones share the tenants. See the [module docs](super).
pub struct OmneoIdTenants<C = HttpClient> {
    client: C,
    directory: Arc<Directory>,
    // An error of the client's `poll_ready`: the next call is rejected with it.
    unready: Option<BoxError>,
}

impl<C> OmneoIdTenants<C> {
    /// Serves the tenants of `set`, which are called through `client`.
    pub fn new(resolver: impl TenantResolver, set: TenantSet, client: C) -> Self {
        let tenants = Tenants::Set(Arc::new(set));
        Self::from_directory(Directory::new(resolver, tenants), client)
    }

    /// Serves the tenants of a source, which are called through `client`.
    pub fn from_source(resolver: impl TenantResolver, tenants: TenantCache, client: C) -> Self {
        let tenants = Tenants::Cache(tenants);
        Self::from_directory(Directory::new(resolver, tenants), client)
    }

    fn from_directory(directory: Directory, client: C) -> Self {
        Self {
            client,
            directory: Arc::new(directory),
            unready: None,
        }
    }

    /// The same service over another client, with the same tenants. With a client per thread,
    /// connections need no lock and wake no other thread.
    #[must_use]
    pub fn with_client<D>(&self, client: D) -> OmneoIdTenants<D> {
        OmneoIdTenants {
            client,
            directory: Arc::clone(&self.directory),
            unready: None,
        }
    }

    /// The client, for example to read the statistics of its connections.
    pub fn client(&self) -> &C {
        &self.client
    }

    /// The tenants in use; those that are loaded, if they come from a source.
    pub fn tenants(&self) -> Arc<TenantSet> {
        self.directory.tenants()
    }

    /// Replaces the tenants, for this service and all its clones; also those of a source. The
    /// resolver stays.
    pub fn replace(&self, set: TenantSet) {
        let tenants = Tenants::Set(Arc::new(set));
        self.directory.replace(&tenants);
    }

    /// As [`replace`](Self::replace), together with the resolver: no request sees the one without
    /// the other.
    pub fn replace_with_resolver(&self, resolver: impl TenantResolver, set: TenantSet) {
        let tenants = Tenants::Set(Arc::new(set));
        self.directory.replace_with_resolver(resolver, tenants);
    }

    /// The layer that authenticates further routes of the application: each request with the
    /// [`auth_layer`](OmneoId::auth_layer) of its tenant.
    ///
    /// ```
    /// use axum::Router;
    /// use axum::routing::get;
    /// use omneo_id::{OmneoIdTenants, ProfileId};
    ///
    /// async fn account(id: ProfileId) -> String {
    ///     format!("The account of {id}")
    /// }
    ///
    /// fn app(tenants: OmneoIdTenants) -> Router {
    ///     Router::new()
    ///         .route("/account", get(account))
    ///         .route_layer(tenants.auth_layer())
    ///         .nest_service("/id/api/v1", tenants)
    /// }
    /// ```
    #[must_use]
    pub fn auth_layer(&self) -> TenantAuthLayer {
        TenantAuthLayer::new(Arc::clone(&self.directory))
    }
}

impl<C, B, ResBody> Service<Request<B>> for OmneoIdTenants<C>
where
    C: Service<Request<RequestBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send,
    B: HttpBody<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    ResBody: HttpBody<Data: Buf, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = OmneoIdTenantsFuture<C::Future>;

    /// Never fails: an error of the client's `poll_ready` becomes the rejection of the next call of
    /// a tenant.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.unready.is_none() {
            self.unready = ready!(self.client.poll_ready(cx)).err().map(Into::into);
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.directory.find(RequestHead::from_request(&request)) {
            Found::Tenant(key, tenant) => {
                let future = self.ready_client().call(tenant, key, request);
                OmneoIdTenantsFuture::tenant(key, future)
            }
            Found::Pending(pending) => {
                let client = self.ready_client();
                OmneoIdTenantsFuture::loading(async move {
                    let (key, tenant) = match pending.load().await {
                        Ok(found) => found,
                        Err(rejection) => {
                            let rejected: OmneoIdFuture<C::Future> =
                                OmneoIdFuture::rejected(&request, rejection);
                            return rejected.await;
                        }
                    };
                    let future = client.call(tenant, key, request);
                    OmneoIdTenantsFuture::tenant(key, future).await
                })
            }
            Found::Rejected(rejection) => {
                OmneoIdTenantsFuture::rejected(OmneoIdFuture::rejected(&request, rejection))
            }
        }
    }
}

/// A client whose `poll_ready` has been called, and its error.
struct ReadyClient<C> {
    client: C,
    unready: Option<BoxError>,
}

impl<C: Clone> OmneoIdTenants<C> {
    /// Takes the client that is ready, and leaves a clone that is not.
    fn ready_client(&mut self) -> ReadyClient<C> {
        let not_ready_client = self.client.clone();
        ReadyClient {
            client: mem::replace(&mut self.client, not_ready_client),
            unready: self.unready.take(),
        }
    }
}

impl<C> ReadyClient<C> {
    /// Calls a tenant through this client.
    fn call<B, ResBody>(
        self,
        tenant: OmneoId<()>,
        key: TenantKey,
        mut request: Request<B>,
    ) -> OmneoIdFuture<C::Future>
    where
        C: Service<Request<RequestBody>, Response = Response<ResBody>> + Clone + Send + 'static,
        C::Error: Into<BoxError>,
        C::Future: Send,
        B: HttpBody<Data: Buf, Error: Into<BoxError>> + Send + 'static,
        ResBody: HttpBody<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    {
        request.extensions_mut().insert(key);
        tenant.into_ready(self.client, self.unready).call(request)
    }
}

impl<C: Clone> Clone for OmneoIdTenants<C> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            directory: Arc::clone(&self.directory),
            unready: None,
        }
    }
}

impl<C> fmt::Debug for OmneoIdTenants<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OmneoIdTenants")
            .field("tenants", &self.tenants())
            .finish_non_exhaustive()
    }
}
