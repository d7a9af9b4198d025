use std::convert::Infallible;
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Buf;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower::{Layer, Service};

use super::facts::Facts;
use super::future::{Kind, OmneoIdFuture};
use super::request_checks::{Answer, Stop, admit};
use super::stats::OmneoIdStats;
use super::trace::Trace;
use crate::auth::{JwtAuthLayer, TokenVerifier};
use crate::body::{Body, IdleTimeout};
use crate::client::HttpClient;
use crate::error::BoxError;
use crate::headers::{Bearer, WireProtocol};
use crate::me::{MeRewriteLayer, RestrictedMeLayer};
use crate::path::AccessPolicy;
use crate::rejection::{Rejection, RejectionKind, options};
use crate::report::Route;
use crate::request_body::RequestBody;
use crate::tenant::{AllowForward, ApiToken};
use crate::token::TokenEndpoint;
use crate::upsert::{CommsUpsertLayer, TrustedCaller};
use crate::upstream::Upstream;

/// Omneo ID as a service, in front of one tenant that is called through `C`.
///
/// See the [module docs](super) for its routes and an example. Clones share their configuration,
/// caches and connections.
pub struct OmneoId<C = HttpClient> {
    upstream: Upstream<C>,
    config: Arc<Config>,
}

/// What does not change from request to request.
pub(super) struct Config {
    pub(super) mount: Box<str>,
    pub(super) auth: JwtAuthLayer,
    pub(super) verifier: TokenVerifier,
    /// Only where there is less than everything to be asked of `me`.
    pub(super) me: Option<RestrictedMeLayer>,
    pub(super) upsert: CommsUpsertLayer,
    pub(super) token: TokenEndpoint<()>,
    /// Who may sign people up without an ID token.
    pub(super) trusted_tokens: Vec<ApiToken>,
    /// How long a body that is read here may stand still.
    pub(super) body_idle_timeout: Duration,
}

impl<C> OmneoId<C> {
    pub(super) fn new(upstream: Upstream<C>, config: Config) -> Self {
        Self {
            upstream,
            config: Arc::new(config),
        }
    }

    /// The same service over another client: keys, caches and limits stay shared. So each thread
    /// can have connections of its own, which then need no lock and wake no other thread.
    ///
    /// ```
    /// use omneo_id::keys::SigningKey;
    /// use omneo_id::client::HttpClient;
    /// use omneo_id::OmneoId;
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

    /// The client, for what it can tell of its connections.
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

    /// What its own routes verify ID tokens with, to put before an application's routes: the same
    /// keys, demands and memory. Routes that strangers may ask, too, take
    /// `id.auth_layer().with_mode(AuthMode::Optional)`.
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
    ///         // It looks after its own tokens: the layer is not for it.
    ///         .nest_service("/id/api/v1", id)
    /// }
    /// ```
    #[must_use]
    pub fn auth_layer(&self) -> JwtAuthLayer {
        self.config.auth.clone()
    }

    /// How things stand now, for gauges: nothing is kept up for it, and nobody waits.
    ///
    /// It is the same for all clones, and for those over another client. What became of each
    /// request is in its response's [`Report`](crate::report::Report).
    pub fn stats(&self) -> OmneoIdStats {
        OmneoIdStats {
            token_cache: self.config.verifier.cache_stats(),
            in_flight: self.upstream.in_flight(),
            max_in_flight: self.upstream.max_in_flight(),
        }
    }

    pub(super) fn upstream(&self) -> &Upstream<C> {
        &self.upstream
    }
}

impl Config {
    fn access(&self) -> Option<&AccessPolicy> {
        self.me.as_ref().map(RestrictedMeLayer::access)
    }

    /// Whether the request carries an API token that opens the tenant anyway.
    fn is_trusted<B>(&self, request: &Request<B>) -> bool {
        let Ok(Some(bearer)) = Bearer::unvalidated(request.headers()) else {
            return false;
        };
        // All are compared, so that time does not tell which one matched.
        self.trusted_tokens
            .iter()
            .fold(false, |found, token| token.equals(bearer) | found)
    }

    /// Whether the request carries an ID token. It cannot mint others, and the tenant need not be
    /// asked about it.
    fn is_id_token<B>(&self, request: &Request<B>) -> bool {
        matches!(Bearer::from_headers(request.headers()), Ok(Some(bearer)) if self.verifier.verify(bearer.as_str()).is_ok())
    }

    /// A request whose body is read here, and not for ever. Bodies that pass through are watched by
    /// the forwarding service.
    fn watched<B>(&self, request: Request<B>) -> Request<Body>
    where
        B: HttpBody<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    {
        request.map(|body| Body::new(IdleTimeout::new(body, self.body_idle_timeout)))
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
        let trace = Trace::begin(&request, self.upstream.tenant());
        let mut facts = Facts::default();
        OmneoIdFuture {
            kind: trace.in_scope(|| self.dispatch(request, &mut facts)),
            facts,
            trace,
        }
    }
}

impl<C> OmneoId<C> {
    /// From the request to the stack that answers it, and what is known of it by then.
    fn dispatch<B, ResBody>(
        &mut self,
        mut request: Request<B>,
        facts: &mut Facts,
    ) -> Kind<C::Future>
    where
        C: Service<Request<RequestBody>, Response = Response<ResBody>> + Clone + Send + 'static,
        C::Error: Into<BoxError>,
        C::Future: Send,
        B: HttpBody<Data: Buf, Error: Into<BoxError>> + Send + 'static,
        ResBody: HttpBody<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    {
        let config = &*self.config;
        let route = match admit(&mut request, &config.mount, config.access()) {
            Ok(route) => route,
            Err(Stop { route, answer }) => {
                facts.route = route;
                return Kind::answer(match answer {
                    Answer::Options(allow) => options(allow),
                    Answer::Refused(rejection) => {
                        rejection.into_response(WireProtocol::from_headers(request.headers()))
                    }
                });
            }
        };
        facts.route = Some(route);

        // The stacks are thin shells around shared configuration: made here, for one request each.
        let not_ready_inner = self.upstream.clone();
        let ready_inner = mem::replace(&mut self.upstream, not_ready_inner);
        let token = &mut facts.token;
        match route {
            Route::Me | Route::MeResource => match &config.me {
                None => {
                    let me = MeRewriteLayer::behind_mount(config.mount.len()).layer(ready_inner);
                    let future = config.auth.layer(me).call_telling(request, token);
                    Kind::Me { future }
                }
                Some(me) => {
                    let me = me.layer(ready_inner);
                    // It may read the body.
                    let request = config.watched(request);
                    let future = config.auth.layer(me).call_telling(request, token);
                    Kind::RestrictedMe { future }
                }
            },
            Route::Locations | Route::Location => {
                request.extensions_mut().insert(AllowForward::new());
                let future = config.auth.layer(ready_inner).call_telling(request, token);
                Kind::Locations { future }
            }
            Route::Profiles => {
                let mut request = config.watched(request);
                let mut upsert = config.upsert.layer(ready_inner);
                if config.is_trusted(&request) {
                    request.extensions_mut().insert(TrustedCaller);
                    let future = upsert.call(request);
                    Kind::TrustedUpsert { future }
                } else {
                    let future = config.auth.layer(upsert).call_telling(request, token);
                    Kind::Upsert { future }
                }
            }
            Route::Token if config.is_id_token(&request) => {
                let rejection = Rejection::new(RejectionKind::InvalidToken);
                let protocol = WireProtocol::from_headers(request.headers());
                Kind::answer(rejection.into_response(protocol))
            }
            Route::Token => {
                let mut endpoint = config.token.with_inner(ready_inner);
                let future = endpoint.call(config.watched(request));
                Kind::Token { future }
            }
        }
    }
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
