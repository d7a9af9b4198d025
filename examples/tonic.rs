//! gRPC and HTTP on one port: a gRPC service that knows who is asking, beside Omneo ID, which hands
//! out the tokens for it. Without a good one, a gRPC client sees `UNAUTHENTICATED`.
//!
//! ```sh
//! cargo run --example tonic
//! TOKEN=$(curl -s 127.0.0.1:8080/id/api/v1/auth/token -H 'authorization: Bearer sandbox-api-token' -H 'content-type: application/json' -d '{}' | sed -n 's/.*"token":"\([^"]*\)".*/\1/p')
//! printf '\0\0\0\0\0' | curl -si --http2-prior-knowledge 127.0.0.1:8080/grpc.health.v1.Health/Check -H "authorization: Bearer $TOKEN" -H 'content-type: application/grpc' --data-binary @-
//! ```

use axum::Router;
use omneo_id::error::ConfigError;
use omneo_id::keys::{Keyring, SigningKey};
use omneo_id::sandbox::Sandbox;
use omneo_id::{JwtAuthLayer, OmneoId, Subject, TokenVerifier};
use tonic::codegen::tokio_stream;
use tonic::service::{LayerExt, Routes};
use tonic::{Request, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

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

fn app() -> Result<Router, ConfigError> {
    let keys = Keyring::new(SigningKey::hs256("not a secret: everybody can read this")?);
    let id = OmneoId::builder()
        .upstream("https://api.acme.getomneo.com")?
        .api_token(Sandbox::API_TOKEN)
        .keyring(keys.clone())
        // An invented tenant in memory; `build()` calls the real one.
        .build_with_client(Sandbox::new())?;
    let auth = JwtAuthLayer::new(TokenVerifier::new(keys));
    // One service; `tonic::transport::Server::builder().layer(auth)` guards all of them.
    let greeter = auth.named_layer(HealthServer::new(Greeter));
    let services = Routes::new(greeter).into_axum_router();
    Ok(services.nest_service("/id/api/v1", id))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    Ok(axum::serve(listener, app()?).await?)
}
