//! gRPC and HTTP on one port: a gRPC service behind the auth layer, beside Omneo ID, which mints
//! the tokens. Without a valid token, a gRPC client gets `UNAUTHENTICATED`.
//!
//! ```sh
//! cargo run --example tonic
//!
//! # Ada's token, by HTTP, minted with the tenant's API token
//! TOKEN=$(curl -s http://127.0.0.1:8080/id/api/v1/auth/token -H 'authorization: Bearer sandbox-api-token' -H 'content-type: application/json' -d '{"id":"6513270e-269e-4d37-b2a7-4de452e6b438"}' | sed -n 's/.*"token":"\([^"]*\)".*/\1/p')
//! # A call with it, by gRPC (the five bytes are an empty message): 200 "grpc-status: 0"
//! printf '\0\0\0\0\0' | curl -s -o /dev/null -D - -w ' -> %{http_code}\n' --http2-prior-knowledge http://127.0.0.1:8080/grpc.health.v1.Health/Check -H "authorization: Bearer $TOKEN" -H 'content-type: application/grpc' --data-binary @-
//! # Without a token, a trailers-only response: 200 "grpc-status: 16"
//! curl -s -o /dev/null -D - -w ' -> %{http_code}\n' --http2-prior-knowledge http://127.0.0.1:8080/grpc.health.v1.Health/Check -H 'content-type: application/grpc' -X POST
//! # Omneo ID, on the same port: 200 "ada.lovelace@example.com"
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/id/api/v1/profiles/me -H "authorization: Bearer $TOKEN"
//! ```
//!
//! The first argument is another address. The second is the scope of the auth layer: `one` service,
//! by its name (the default), or `all` gRPC services:
//! `cargo run --example tonic -- 127.0.0.1:8080 all`. SIGTERM and Ctrl-C shut down gracefully.

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

/// A stand-in for the application's service: tonic's health service.
struct HealthService;

type CallResult = Result<HealthCheckResponse, Status>;

#[tonic::async_trait]
impl Health for HealthService {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        println!(
            "{:?} has called a gRPC method",
            Subject::from_extensions(request.extensions())
        );
        let status = ServingStatus::Serving as i32;
        Ok(Response::new(HealthCheckResponse { status }))
    }

    type WatchStream = tokio_stream::Once<CallResult>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let response = self.check(request).await?.into_inner();
        Ok(Response::new(tokio_stream::once(Ok(response))))
    }
}

/// Reports the client's address to the tenant, which otherwise receives none.
async fn insert_client_info(
    Extension(connection): Extension<TcpConnectInfo>,
    mut request: extract::Request,
) -> extract::Request {
    if let Some(peer) = connection.remote_addr() {
        let client = ClientInfo::default().add_addr(peer.ip().to_canonical());
        request.extensions_mut().insert(client);
    }
    request
}

/// The gRPC services behind the auth layer.
#[derive(Clone, Copy)]
enum Guarded {
    One,
    All,
}

fn app(guarded: Guarded) -> Result<Router, ConfigError> {
    let id = OmneoId::builder()
        .upstream("https://api.acme.getomneo.com")?
        .api_token(Sandbox::API_TOKEN)
        .signing_key(SigningKey::hs256(
            "an example key, published in the repository",
        )?)
        // An in-memory tenant; `build()` calls the real one.
        .build_with_client(Sandbox::new())?;
    let auth = id.auth_layer();
    let health = HealthServer::new(HealthService);
    let services = match guarded {
        // `add_service` adds further services, with or without the layer.
        Guarded::One => Routes::new(auth.named_layer(health)).into_axum_router(),
        // In a gRPC-only server, `Server::builder().layer(auth)` does the same.
        Guarded::All => Router::new().fallback_service(auth.layer(Routes::new(health).prepare())),
    };
    // It verifies tokens itself, so the auth layer does not wrap it.
    let app = services.nest_service("/id/api/v1", id);
    Ok(app.layer(map_request(insert_client_info)))
}

/// Waits for SIGTERM; on Windows, for the shutdown of the system.
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
    let shutdown_signal = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    let server = Server::builder().accept_http1(true);
    let server = { server }.add_routes(Routes::from(app));
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Ok(server
        .serve_with_incoming_shutdown(incoming, shutdown_signal)
        .await?)
}
