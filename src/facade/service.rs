use std::convert::Infallible;
use std::fmt;
use std::mem;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Buf;
use http::{Method, Request, Response};
use http_body::Body as HttpBody;
use tower::{Layer, Service};

use super::config::Config;
use super::deleted_profile::end_sessions_after;
use super::future::{Kind, OmneoIdFuture};
use super::request_checks::{check_method, find_route};
use super::stats::OmneoIdStats;
use super::trace::Trace;
use crate::auth::JwtAuthLayer;
use crate::body::Body;
use crate::client::HttpClient;
use crate::error::BoxError;
use crate::headers::WireProtocol;
use crate::me::MeRewriteLayer;
use crate::rejection::{Rejection, RejectionKind};
use crate::report::{Report, Route, TokenCheck};
use crate::request_body::RequestBody;
use crate::revocation::Revocations;
use crate::tenant::AllowForward;
use crate::token::{SignOut, TokenIssuer};
use crate::upsert::TrustedCaller;
use crate::upstream::Upstream;

/// Omneo ID as a service, in front of one tenant that is called through the client `C`.
///
/// Use it to mount all of Omneo ID in an application. It serves under any framework that accepts a
/// tower service. Below the mount it has these routes:
///
/// | route | credential | response |
/// | --- | --- | --- |
/// | `POST /auth/token` | the tenant's API token | a new ID token |
/// | `DELETE /auth/token` | ID token, anonymous too | ends this token |
/// | `POST /auth/revoke` | the tenant's API token | ends tokens |
/// | `POST /auth/refresh` | ID token of a profile | a new ID token; [off by default](crate::OmneoIdBuilder::refresh) |
/// | `GET /auth/jwks` | none | the public keys; 404 if the keys are secrets |
/// | any method `/profiles/me…` | ID token of a profile | the tenant's, from `/profiles/{id}…` |
/// | `POST /profiles` | ID token, anonymous too, or the API token | signs up, or changes consent |
/// | `GET /locations`, `GET /locations/{id}` | ID token, anonymous too | the tenant's stores |
/// | `POST /hooks/omneo` | the tenant's signature | none: ends the tokens of a deleted profile; off without [`webhook`](crate::OmneoIdBuilder::webhook) |
///
/// Other paths are rejected with 404, other methods with 405.
///
/// ```no_run
/// # #[cfg(all(feature = "tls", feature = "aws-lc-rs"))]
/// # fn app() -> Result<axum::Router, omneo_id::error::ConfigError> {
/// use omneo_id::{OmneoId, SigningKey};
///
/// # let (env_token, secret) = ("token", "secret");
/// let id = OmneoId::builder()
///     .upstream("https://api.acme.getomneo.com")?
///     .api_token(env_token)
///     .signing_key(SigningKey::hs256(secret)?)
///     .build()?;
/// let app = axum::Router::new().nest_service("/id/api/v1", id);
/// # Ok(app) }
/// ```
///
/// Under raw hyper no router strips the mount: set it with
/// [`OmneoIdBuilder::mount`](crate::OmneoIdBuilder::mount).
///
/// To authenticate further routes of the application, wrap them in
/// [`auth_layer`](Self::auth_layer).
///
/// The [page about observability](crate::docs::observability) describes the response extensions,
/// [`stats`](Self::stats) and the log.
///
/// Clones share their configuration, caches and connections.
pub struct OmneoId<C = HttpClient> {
    upstream: Upstream<C>,
    config: Arc<Config>,
}

impl<C> OmneoId<C> {
    pub(super) fn new(upstream: Upstream<C>, config: Config) -> Self {
        Self {
            upstream,
            config: Arc::new(config),
        }
    }

    /// The same service over another client, with shared keys, caches and limits. With a client
    /// per thread, connections need no lock and wake no other thread.
    ///
    /// ```
    /// use omneo_id::client::HttpClient;
    /// use omneo_id::{OmneoId, SigningKey};
    ///
    /// let id = OmneoId::builder()
    ///     .upstream("https://api.acme.getomneo.com")?
    ///     .api_token("secret")
    ///     .signing_key(SigningKey::hs256("0123456789abcdef0123456789abcdef")?)
    ///     .build()?;
    /// let of_another_thread = id.with_client(HttpClient::new()?);
    /// # Ok::<(), omneo_id::error::ConfigError>(())
    /// ```
    #[must_use]
    pub fn with_client<D>(&self, client: D) -> OmneoId<D> {
        OmneoId {
            upstream: self.upstream.with_client(client),
            config: Arc::clone(&self.config),
        }
    }

    /// The client, for example to read the statistics of its connections.
    ///
    /// ```
    /// use omneo_id::OmneoId;
    ///
    /// fn idle_connections(id: &OmneoId) -> usize {
    ///     id.client().stats().idle
    /// }
    /// ```
    pub fn client(&self) -> &C {
        self.upstream.get_ref()
    }

    /// The layer that authenticates the routes of this service, for further routes of the
    /// application: the same keys, requirements and token cache. For routes that accept requests
    /// without a token, use `id.auth_layer().with_mode(AuthMode::Optional)`.
    ///
    /// ```
    /// use axum::Router;
    /// use axum::routing::get;
    /// use omneo_id::{OmneoId, ProfileId};
    ///
    /// async fn account(id: ProfileId) -> String {
    ///     format!("The account of {id}")
    /// }
    ///
    /// fn app(id: OmneoId) -> Router {
    ///     Router::new()
    ///         .route("/account", get(account))
    ///         .route_layer(id.auth_layer())
    ///         // `id` authenticates its own requests, so it is added after the layer.
    ///         .nest_service("/id/api/v1", id)
    /// }
    /// ```
    #[must_use]
    pub fn auth_layer(&self) -> JwtAuthLayer {
        self.config.auth.clone()
    }

    /// The ended sessions of this service, to end further ones from the application.
    ///
    /// ```
    /// use omneo_id::{OmneoId, ProfileId};
    /// use omneo_id::revocation::RevokeError;
    ///
    /// async fn suspend(id: &OmneoId, customer: &ProfileId) -> Result<(), RevokeError> {
    ///     id.revocations().revoke_profile(customer).await
    /// }
    /// ```
    pub fn revocations(&self) -> &Revocations {
        &self.config.revocations
    }

    /// The issuer of the ID tokens of this service: the same keys, lifetime, issuer and audience.
    /// For an application with a login of its own, which mints tokens without an API token.
    ///
    /// ```
    /// use omneo_id::token::{IssueError, IssuedToken};
    /// use omneo_id::{OmneoId, ProfileId, Subject};
    ///
    /// fn signed_in(id: &OmneoId, customer: ProfileId) -> Result<IssuedToken, IssueError> {
    ///     id.issuer().issue(&Subject::Profile(customer))
    /// }
    /// ```
    pub fn issuer(&self) -> &TokenIssuer {
        self.config.token.issuer()
    }

    /// A snapshot for gauges. It takes no lock.
    ///
    /// It is the same for all clones, and for services over another client. The
    /// [`Report`](crate::report::Report) in each response describes a single request.
    pub fn stats(&self) -> OmneoIdStats {
        OmneoIdStats {
            token_cache: self.config.verifier.cache_stats(),
            in_flight: self.upstream.in_flight(),
            max_in_flight: self.upstream.max_in_flight(),
        }
    }

    /// The audience of the ID tokens of this service.
    pub(crate) fn audience(&self) -> Option<&str> {
        self.issuer().audience()
    }

    /// Replaces the client by one whose `poll_ready` has been called. `unready` is its error.
    pub(crate) fn into_ready<D>(self, client: D, unready: Option<BoxError>) -> OmneoId<D> {
        let upstream = self.upstream.into_ready(client, unready);
        let config = self.config;
        OmneoId { upstream, config }
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn upstream(&self) -> &Upstream<C> {
        &self.upstream
    }
}

impl<C, B, ResBody> Service<Request<B>> for OmneoId<C>
where
    C: Service<Request<RequestBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send,
    B: HttpBody<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    ResBody: HttpBody<Data: Buf, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = OmneoIdFuture<C::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Request<B>>::poll_ready(&mut self.upstream, cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let trace = Trace::new(&request, Some(self.upstream.tenant()));
        let (report, kind) = trace.in_scope(|| self.check_and_dispatch(request));
        OmneoIdFuture {
            kind,
            report,
            trace,
        }
    }
}

impl<C> OmneoId<C> {
    /// Checks a request and calls the stack of its route.
    fn check_and_dispatch<B, ResBody>(
        &mut self,
        mut request: Request<B>,
    ) -> (Report, Kind<C::Future>)
    where
        C: Service<Request<RequestBody>, Response = Response<ResBody>> + Clone + Send + 'static,
        C::Error: Into<BoxError>,
        C::Future: Send,
        B: HttpBody<Data: Buf, Error: Into<BoxError>> + Send + 'static,
        ResBody: HttpBody<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    {
        let route = find_route(&mut request, &self.config.mount);
        let route = match route.and_then(|route| self.config.check_served(route)) {
            Ok(route) => route,
            Err(rejection) => return (Report::default(), reject(&request, rejection)),
        };
        match check_method(&request, route, self.config.access()) {
            ControlFlow::Continue(()) => {
                let (token, kind) = self.dispatch(request, route);
                (Report::new(route, token), kind)
            }
            ControlFlow::Break(response) => (Report::new(route, None), Kind::ready(response)),
        }
    }

    /// Calls the stack of a route, and returns how a valid ID token was checked.
    fn dispatch<B, ResBody>(
        &mut self,
        mut request: Request<B>,
        route: Route,
    ) -> (Option<TokenCheck>, Kind<C::Future>)
    where
        C: Service<Request<RequestBody>, Response = Response<ResBody>> + Clone + Send + 'static,
        C::Error: Into<BoxError>,
        C::Future: Send,
        B: HttpBody<Data: Buf, Error: Into<BoxError>> + Send + 'static,
        ResBody: HttpBody<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    {
        let config = &*self.config;
        // The stacks are thin wrappers of shared configuration: they are made for each request.
        let not_ready_inner = self.upstream.clone();
        let ready_inner = mem::replace(&mut self.upstream, not_ready_inner);
        match route {
            Route::Me | Route::MeResource => {
                let deleted = config.deleted_profile(&request);
                let (check, future) = match &config.me {
                    None => {
                        let me = MeRewriteLayer::new().layer(ready_inner);
                        config.auth.layer(me).authenticate_and_call(request)
                    }
                    Some(restricted) => {
                        let me = restricted.layer(ready_inner);
                        // The access policy may have to read the body.
                        let request = config.with_idle_timeout(request);
                        config.auth.layer(me).authenticate_and_call(request)
                    }
                };
                let kind = match deleted {
                    None => Kind::TwoLayers { future },
                    Some(profile) => {
                        let revocations = config.revocations.clone();
                        let future = end_sessions_after(future, profile, revocations);
                        Kind::Deletion { future }
                    }
                };
                (check, kind)
            }
            Route::Locations | Route::Location => {
                request.extensions_mut().insert(AllowForward::new());
                let mut auth = config.auth.layer(ready_inner);
                let (check, future) = auth.authenticate_and_call(request);
                (check, Kind::OneLayer { future })
            }
            Route::Profiles => {
                let mut request = config.with_idle_timeout(request);
                let mut upsert = config.upsert.layer(ready_inner);
                if config.has_trusted_token(&request) {
                    request.extensions_mut().insert(TrustedCaller);
                    let future = upsert.call(request);
                    return (None, Kind::OneLayer { future });
                }
                let (check, future) = config.auth.layer(upsert).authenticate_and_call(request);
                (check, Kind::TwoLayers { future })
            }
            Route::Webhook => match &config.webhook {
                Some(webhook) => {
                    let mut webhook = webhook.clone();
                    let future = webhook.call(config.with_idle_timeout(request));
                    (None, Kind::Endpoint { future })
                }
                None => (None, reject(&request, RejectionKind::NotFound.into())),
            },
            Route::Token if request.method() == Method::DELETE => {
                let sign_out = SignOut::new(config.revocations.clone());
                let mut auth = config.auth.layer(sign_out);
                let (check, future) = auth.authenticate_and_call(request);
                (check, Kind::Authenticated { future })
            }
            Route::Token | Route::Revoke if config.has_id_token(&request) => {
                let rejection = RejectionKind::InvalidToken.into();
                (None, reject(&request, rejection))
            }
            Route::Token => {
                let mut endpoint = config.token.with_inner(ready_inner);
                let future = endpoint.call(config.with_idle_timeout(request));
                (None, Kind::Endpoint { future })
            }
            Route::Revoke => {
                let mut endpoint = config.revoke.with_inner(ready_inner);
                let future = endpoint.call(config.with_idle_timeout(request));
                (None, Kind::Endpoint { future })
            }
            Route::Refresh => match &config.refresh {
                Some(refresh) => {
                    let endpoint = refresh.with_inner(ready_inner);
                    let mut auth = config.auth.layer(endpoint);
                    let (check, future) = auth.authenticate_and_call(request);
                    (check, Kind::Authenticated { future })
                }
                None => (None, reject(&request, RejectionKind::NotFound.into())),
            },
            Route::Jwks => (None, Kind::ready(config.jwks.respond(&request))),
        }
    }
}

fn reject<B, F>(request: &Request<B>, rejection: Rejection) -> Kind<F> {
    let protocol = WireProtocol::from_headers(request.headers());
    Kind::ready(rejection.into_response(protocol))
}

impl<C: Clone> Clone for OmneoId<C> {
    fn clone(&self) -> Self {
        Self {
            upstream: self.upstream.clone(),
            config: self.config.clone(),
        }
    }
}

impl<C> fmt::Debug for OmneoId<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OmneoId")
            .field("mount", &self.config.mount)
            .finish_non_exhaustive()
    }
}
