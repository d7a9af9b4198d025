//! The trait bounds of the layers and the facade under axum, hyper, tower and tonic. Most of these
//! tests only have to compile.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body as AxumBody;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use omneo_id::client::HttpClient;
use omneo_id::me::RestrictedMeLayer;
use omneo_id::sandbox::Sandbox;
use omneo_id::upsert::{CommsPolicy, CommsUpsertLayer};
use omneo_id::upstream::RequestBody;
use omneo_id::{AccessPolicy, Body, Keyring, MeRewriteLayer};
use omneo_id::{
    ApiToken, JwtAuthLayer, OmneoId, SigningKey, Tenant, TokenEndpoint, TokenIssuer, TokenVerifier,
    Upstream,
};
use tonic::Status;
use tonic::body::Body as TonicBody;
use tonic::codegen::tokio_stream;
use tonic::service::{LayerExt, Routes};
use tonic::transport::Server;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::buffer::Buffer;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceBuilder, service_fn};

use crate::support::{SECRET, Shop};

fn auth() -> JwtAuthLayer {
    let ring = Keyring::new(SigningKey::hs256(SECRET).unwrap());
    JwtAuthLayer::new(TokenVerifier::new(ring))
}

fn upsert() -> CommsUpsertLayer {
    CommsUpsertLayer::new(CommsPolicy::default())
}

fn id() -> OmneoId<Sandbox> {
    Shop::open().id
}

type EchoResponse = Response<Full<Bytes>>;

/// The innermost service: accepts any request body, and has a response body of another type.
fn echo<B>()
-> impl Service<Request<B>, Response = EchoResponse, Error = Infallible, Future: Send + 'static>
+ Clone
+ Send
+ Sync
+ 'static
where
    B: Send + 'static,
{
    service_fn(|_: Request<B>| std::future::ready(Ok(Response::new(Full::default()))))
}

fn restricted() -> RestrictedMeLayer {
    let policy = AccessPolicy::allow_all().deny("*", "/purge").unwrap();
    MeRewriteLayer::new().with_access_policy(policy)
}

fn upstream<C>(client: C) -> Upstream<C> {
    let api_token = ApiToken::new("t").unwrap();
    Upstream::new(client, Tenant::new("http://127.0.0.1", api_token).unwrap())
}

fn over_the_network() -> OmneoId {
    let builder = OmneoId::builder().upstream("http://127.0.0.1").unwrap();
    let builder = builder.api_token("t");
    builder
        .signing_key(SigningKey::hs256(SECRET).unwrap())
        .build()
        .unwrap()
}

fn mint<S>(tenant: S) -> TokenEndpoint<S> {
    let ring = Keyring::new(SigningKey::hs256(SECRET).unwrap());
    TokenEndpoint::new(tenant, TokenIssuer::new(ring))
}

/// Calls a function with every service that handles requests of clients.
macro_rules! every_service {
    ($accept:ident) => {
        $accept(auth().layer(echo()));
        $accept(MeRewriteLayer::new().layer(echo()));
        $accept(restricted().layer(echo()));
        $accept(upsert().layer(echo()));
        $accept(mint(upstream(Sandbox::new())));
        $accept(mint(upstream(HttpClient::new().unwrap())));
        $accept(upstream(Sandbox::new()));
        $accept(upstream(HttpClient::new().unwrap()));
        $accept(id());
        $accept(over_the_network());
        // All layers together, over the tenant.
        $accept(
            ServiceBuilder::new()
                .layer(auth())
                .layer(restricted())
                .layer(upsert())
                .service(upstream(Sandbox::new())),
        );
    };
}

#[tokio::test]
async fn axum_accepts_every_service_as_a_route_a_nest_and_a_fallback() {
    fn accept<S>(service: S)
    where
        S: Service<Request<AxumBody>, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Response: IntoResponse,
        S::Future: Send + 'static,
    {
        let _: Router = Router::new()
            .nest_service("/nested", service.clone())
            .route_service("/route", service.clone())
            .fallback_service(service.clone());
        let _: MethodRouter = axum::routing::any_service(service);
    }
    every_service!(accept);
}

/// The layers that may forward a collected body need a conversion back to axum's body.
#[test]
fn axum_takes_every_layer_outside_and_inside_of_a_router_and_of_a_handler() {
    let restricted = ServiceBuilder::new()
        .layer(restricted())
        .map_request(|request: Request<_>| request.map(AxumBody::new));
    let upsert = ServiceBuilder::new()
        .layer(upsert())
        .map_request(|request: Request<_>| request.map(AxumBody::new));
    let app = || Router::<()>::new().route("/", get(|| async {}));
    let _: Router = app()
        .layer(auth())
        .layer(MeRewriteLayer::new())
        .layer(restricted.clone())
        .layer(upsert.clone())
        .route_layer(auth())
        .route_layer(MeRewriteLayer::new())
        .route_layer(restricted.clone())
        .route_layer(upsert.clone());
    let _: MethodRouter = get(|| async {})
        .layer::<_, Infallible>(auth())
        .layer::<_, Infallible>(MeRewriteLayer::new())
        .layer::<_, Infallible>(restricted)
        .layer::<_, Infallible>(upsert);
    // Around a router, which then routes by the rewritten path.
    let _: Router = Router::new()
        .nest_service("/auth", auth().layer(app()))
        .fallback_service(MeRewriteLayer::new().layer(app()));
}

#[tokio::test]
async fn hyper_accepts_every_service_over_both_versions() {
    fn accept<S, ResBody>(service: S)
    where
        S: Service<Request<Incoming>, Response = Response<ResBody>, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send + 'static,
        ResBody: http_body::Body<Data: Send, Error: Into<tower::BoxError>> + Send + 'static,
    {
        let (io, _) = tokio::io::duplex(1);
        let service = TowerToHyperService::new(service);
        let server = auto::Builder::new(TokioExecutor::new());
        drop(server.serve_connection(TokioIo::new(io), service));
    }
    every_service!(accept);
}

#[tokio::test]
async fn tower_accepts_every_service_buffered_boxed_and_shared() {
    fn accept<S>(service: S)
    where
        S: Service<Request<Body>> + Clone + Send + Sync + 'static,
        S::Error: Into<tower::BoxError> + Send + Sync,
        S::Future: Send + 'static,
        S::Response: Send + 'static,
    {
        let shared = Arc::new(service);
        let thread_local = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || (*shared).clone()).join()
        };
        drop(BoxCloneSyncService::new(thread_local.unwrap()));
        let limited = ServiceBuilder::new()
            .buffer::<Request<Body>>(9)
            .concurrency_limit(9)
            .service((*shared).clone());
        drop(auth().layer(Buffer::new((*shared).clone(), 9)));
        drop(limited);
    }
    every_service!(accept);
    accept(Sandbox::new());
}

#[tokio::test]
async fn a_buffered_client_is_a_client() {
    // Further middleware below the forwarding service: its errors are boxed, its clones shared.
    let client = ServiceBuilder::new()
        .buffer::<Request<RequestBody>>(9)
        .concurrency_limit(9)
        .service(HttpClient::new().unwrap());
    fn accept<S>(_: S)
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
        S: Clone + Send + Sync + 'static,
        S::Future: Send,
    {
    }
    accept(upstream(client));
}

fn is_shared<T: Clone + Send + Sync + std::fmt::Debug + 'static>() {}

#[test]
fn configured_types_are_shared_by_clones() {
    is_shared::<JwtAuthLayer>();
    is_shared::<MeRewriteLayer>();
    is_shared::<RestrictedMeLayer>();
    is_shared::<CommsUpsertLayer>();
    is_shared::<TokenVerifier>();
    is_shared::<TokenIssuer>();
    is_shared::<TokenEndpoint<()>>();
    is_shared::<Keyring>();
    is_shared::<SigningKey>();
    is_shared::<Tenant>();
    is_shared::<ApiToken>();
    is_shared::<AccessPolicy>();
    is_shared::<CommsPolicy>();
    is_shared::<HttpClient>();
    is_shared::<Upstream<HttpClient>>();
    is_shared::<OmneoId>();
    is_shared::<Sandbox>();
}

/// gRPC does not need `CommsUpsertLayer` or a me layer with an access policy. Both compile where a
/// server also has HTTP routes, if the bodies that they collect are converted to tonic's body.
#[tokio::test]
async fn tonic_takes_every_layer_around_its_whole_server_and_before_one_service() {
    macro_rules! around {
        ($layer:expr) => {
            let server = Server::builder().layer($layer);
            let server = { server }.add_service(HealthServer::new(GrpcService));
            drop(server.serve(([127, 0, 0, 1], 0).into()));
        };
    }
    around!(auth());
    around!(MeRewriteLayer::new());
    around!(
        ServiceBuilder::new()
            .layer(auth())
            .layer(MeRewriteLayer::new())
            .into_inner()
    );
    let restricted = ServiceBuilder::new()
        .layer(restricted())
        .map_request(|request: Request<_>| request.map(TonicBody::new));
    around!(restricted.into_inner());
    let upsert = ServiceBuilder::new()
        .layer(upsert())
        .map_request(|request: Request<_>| request.map(TonicBody::new));
    around!(upsert.into_inner());

    // In front of one service of several, which keeps its name.
    let services = Routes::new(auth().named_layer(HealthServer::new(GrpcService)));
    // HTTP and gRPC on one port: the facade is a route beside the services.
    let router = services.into_axum_router().nest_service("/id", id());
    let server = Server::builder().accept_http1(true);
    let server = { server }.add_routes(Routes::from(router));
    drop(server.serve(([127, 0, 0, 1], 0).into()));
}

/// A gRPC service for the layers to wrap.
#[derive(Clone)]
struct GrpcService;

#[tonic::async_trait]
impl Health for GrpcService {
    async fn check(
        &self,
        _: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<HealthCheckResponse>, Status> {
        Err(Status::unimplemented("test"))
    }

    type WatchStream = tokio_stream::Empty<Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        _: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("test"))
    }
}
