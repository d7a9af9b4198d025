//! Everywhere the layers and the facade have to fit in: there is little here to run, it has to
//! compile.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body as AxumBody;
use axum::routing::get;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::service::TowerToHyperService;
use omneo_id::body::Body;
use omneo_id::keys::Keyring;
use omneo_id::me::MeRewriteLayer;
use omneo_id::sandbox::Sandbox;
use omneo_id::upsert::{CommsPolicy, CommsUpsertLayer};
use omneo_id::{JwtAuthLayer, OmneoId, SigningKey, TokenVerifier};
use tonic::body::Body as TonicBody;
use tower::buffer::Buffer;
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

/// The innermost service: any request body, a body of its own.
fn echo<B>()
-> impl Service<Request<B>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send + 'static>
+ Clone
+ Send
+ Sync
+ 'static
where
    B: Send + 'static,
{
    service_fn(|_: Request<B>| std::future::ready(Ok(Response::new(Full::default()))))
}

#[test]
fn axum_takes_them_as_layers_routes_and_fallbacks() {
    let app = || Router::<()>::new().route("/", get(|| async {}));
    let _: Router = app()
        .layer(auth())
        .layer(MeRewriteLayer::new())
        .layer(
            // What it reads and sends on has to become a body of axum's again.
            ServiceBuilder::new()
                .layer(upsert())
                .map_request(|request: Request<_>| request.map(AxumBody::new)),
        )
        .route_layer(auth())
        .route_layer(MeRewriteLayer::new())
        .nest_service("/id", id())
        .nest_service("/auth", auth().layer(id()))
        .nest_service("/me", MeRewriteLayer::new().layer(echo()))
        .nest_service("/upsert", upsert().layer(echo()))
        .route_service("/one", auth().layer(app()))
        .fallback_service(auth().layer(MeRewriteLayer::new().layer(upsert().layer(app()))));
    let _: Router = Router::new().fallback_service(id());
}

#[test]
fn hyper_takes_them_as_services() {
    fn is_hyper_service<S>(_: S)
    where
        S: hyper::service::Service<Request<Incoming>, Error = Infallible, Future: Send>,
    {
    }
    is_hyper_service(TowerToHyperService::new(id()));
    is_hyper_service(TowerToHyperService::new(auth().layer(echo())));
    is_hyper_service(TowerToHyperService::new(
        MeRewriteLayer::new().layer(echo()),
    ));
    is_hyper_service(TowerToHyperService::new(upsert().layer(echo())));
}

#[tokio::test]
async fn tower_takes_them_in_any_stack_buffered_too() {
    fn is_cloneable<S, B>(service: S) -> S
    where
        S: Service<Request<B>> + Clone + Send + 'static,
        S::Future: Send,
    {
        service
    }
    let stack = ServiceBuilder::new()
        .concurrency_limit(9)
        .layer(auth())
        .layer(MeRewriteLayer::new())
        .layer(upsert())
        .service(echo());
    let stack = is_cloneable::<_, Full<Bytes>>(stack);
    // In front of a buffer, and behind one.
    let buffered = is_cloneable::<_, Full<Bytes>>(Buffer::new(stack, 9));
    is_cloneable::<_, Full<Bytes>>(auth().layer(buffered));
    is_cloneable::<_, Body>(Buffer::new(id(), 9));
    is_cloneable::<_, Body>(auth().layer(Buffer::new(id(), 9)));
}

#[test]
fn tonic_takes_them_around_its_services() {
    fn is_servable<S, ResBody>(_: S)
    where
        S: Service<Request<TonicBody>, Response = Response<ResBody>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<tower::BoxError> + Send + 'static,
        ResBody: http_body::Body<Data = Bytes> + Send + 'static,
        ResBody::Error: Into<tower::BoxError>,
    {
    }
    let routes = || tonic::service::Routes::default().prepare();
    is_servable(auth().layer(routes()));
    is_servable(MeRewriteLayer::new().layer(routes()));
    is_servable(auth().layer(MeRewriteLayer::new().layer(routes())));
    is_servable(id());
    // HTTP and gRPC on one port: the facade is a route beside the services.
    let router = routes().into_axum_router().nest_service("/id", id());
    is_servable(auth().layer(tonic::service::Routes::from(router).prepare()));
}
