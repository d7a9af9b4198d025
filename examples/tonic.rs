//! gRPC and HTTP on one port: a gRPC service that knows who is asking, beside Omneo ID, which hands
//! out the tokens for it. Without a good one, a gRPC client sees `UNAUTHENTICATED`.
//!
//! ```sh
//! cargo run --example tonic
//!
//! # Ada's token, by HTTP, minted with the tenant's API token
//! TOKEN=$(curl -s http://127.0.0.1:8080/id/api/v1/auth/token -H 'authorization: Bearer sandbox-api-token' -H 'content-type: application/json' -d '{"id":"6513270e-269e-4d37-b2a7-4de452e6b438"}' | sed -n 's/.*"token":"\([^"]*\)".*/\1/p')
//! # A call with it, by gRPC (the five bytes are an empty message): 200 "grpc-status: 0"
//! printf '\0\0\0\0\0' | curl -s -o /dev/null -D - -w ' -> %{http_code}\n' --http2-prior-knowledge http://127.0.0.1:8080/grpc.health.v1.Health/Check -H "authorization: Bearer $TOKEN" -H 'content-type: application/grpc' --data-binary @-
//! # Without one gRPC is told in its own words, before any message: 200 "grpc-status: 16"
//! curl -s -o /dev/null -D - -w ' -> %{http_code}\n' --http2-prior-knowledge http://127.0.0.1:8080/grpc.health.v1.Health/Check -H 'content-type: application/grpc' -X POST
//! # Omneo ID, on the same port: 200 "ada.lovelace@example.com"
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/id/api/v1/profiles/me -H "authorization: Bearer $TOKEN"
//! ```
//!
//! The first argument is another address, the second says what is guarded: `one` service, by its name
//! (the default), or `all` that is gRPC: `cargo run --example tonic -- 127.0.0.1:8080 all`. SIGTERM and
//! Ctrl-C let calls under way finish.

use axum::middleware::map_request;
use axum::{Extension, Router, extract};
use omneo_id::client_info::ClientInfo;
use omneo_id::error::ConfigError;
use omneo_id::sandbox::Sandbox;
use omneo_id::{OmneoId, SigningKey, Subject};
use tokio::net::TcpListener;
use tonic::codegen::tokio_stream;
use tonic::service::{LayerExt, Routes};
use tonic::transport::Server;
use tonic::transport::server::{TcpConnectInfo, TcpIncoming};
use tonic::{Request, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::Layer;

/// Stands for a service of one's own: the one that tonic brings along ready-made.
struct Greeter;

type Answer = Result<HealthCheckResponse, Status>;

#[tonic::async_trait]
impl Health for Greeter {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        println!("{:?} is asking", Subject::of(request.extensions()));
        let status = ServingStatus::Serving as i32;
        Ok(Response::new(HealthCheckResponse { status }))
    }

    type WatchStream = tokio_stream::Once<Answer>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let answer = self.check(request).await?.into_inner();
        Ok(Response::new(tokio_stream::once(Ok(answer))))
    }
}

/// For the tenant, which would take all customers for one: it sees no connection but ours.
async fn tell_client(
    Extension(connection): Extension<TcpConnectInfo>,
    mut request: extract::Request,
) -> extract::Request {
    if let Some(peer) = connection.remote_addr() {
        let client = ClientInfo::default().add_addr(peer.ip().to_canonical());
        request.extensions_mut().insert(client);
    }
    request
}

/// What of gRPC is behind the layer.
#[derive(Clone, Copy)]
enum Guarded {
    One,
    All,
}

fn app(guarded: Guarded) -> Result<Router, ConfigError> {
    let id = OmneoId::builder()
        .upstream("https://api.acme.getomneo.com")?
        .api_token(Sandbox::API_TOKEN)
        .signing_key(SigningKey::hs256("not a secret: everybody can read this")?)
        // An invented tenant in memory; `build()` calls the real one.
        .build_with_client(Sandbox::new())?;
    let auth = id.auth_layer();
    let greeter = HealthServer::new(Greeter);
    let services = match guarded {
        // Further services are added with `add_service`, guarded or not.
        Guarded::One => Routes::new(auth.named_layer(greeter)).into_axum_router(),
        // Where there is nothing but gRPC, `Server::builder().layer(auth)` does the same.
        Guarded::All => Router::new().fallback_service(auth.layer(Routes::new(greeter).prepare())),
    };
    // It looks after its own tokens: the layer is not for it.
    let app = services.nest_service("/id/api/v1", id);
    Ok(app.layer(map_request(tell_client)))
}

/// SIGTERM, by which servers are told to end; on Windows, that the system goes down.
#[cfg(unix)]
fn terminate() -> std::io::Result<tokio::signal::unix::Signal> {
    use tokio::signal::unix::{SignalKind, signal};
    signal(SignalKind::terminate())
}

#[cfg(windows)]
use tokio::signal::windows::ctrl_shutdown as terminate;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next();
    let app = app(match arguments.next().as_deref() {
        None | Some("one") => Guarded::One,
        Some("all") => Guarded::All,
        Some(other) => return Err(format!("{other:?} is neither `one` nor `all`").into()),
    })?;
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:8080")).await?;
    let mut terminate = terminate()?;
    println!("listening on http://{}", listener.local_addr()?);
    let told_to_end = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    let server = Server::builder().accept_http1(true);
    let server = { server }.add_routes(Routes::from(app));
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Ok(server
        .serve_with_incoming_shutdown(incoming, told_to_end)
        .await?)
}
