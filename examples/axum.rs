//! Omneo ID in an axum application, beside its own routes.
//!
//! ```sh
//! cargo run --example axum
//! curl 127.0.0.1:8080/id/api/v1/auth/token -H 'authorization: Bearer sandbox-api-token' -H 'content-type: application/json' -d '{}'
//! ```

use axum::Router;
use axum::routing::get;
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use omneo_id::error::ConfigError;
use omneo_id::sandbox::Sandbox;
use omneo_id::{OmneoId, SigningKey};
use tower_http::cors::{Any, CorsLayer};

fn app() -> Result<Router, ConfigError> {
    let id = OmneoId::builder()
        .upstream("https://api.acme.getomneo.com")?
        .api_token(Sandbox::API_TOKEN)
        .signing_key(SigningKey::hs256("not a secret: everybody can read this")?)
        // An invented tenant in memory; `build()` calls the real one.
        .build_with_client(Sandbox::new())?;
    let methods = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(methods)
        // By name: the Fetch standard's wildcard does not cover `authorization`.
        .allow_headers([AUTHORIZATION, CONTENT_TYPE]);
    Ok(Router::new()
        .nest_service("/id/api/v1", id)
        // Outside of Omneo ID: its refusals need these headers, too, and preflights end here.
        .layer(cors)
        .route("/", get(|| async { "a shop" })))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    Ok(axum::serve(listener, app()?).await?)
}
