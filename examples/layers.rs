//! The layers by hand: only `/me`, for tokens that another service signs, with a layer of one's own
//! between them. Prints a token to try it with.
//!
//! ```sh
//! cargo run --example layers
//! curl -H "authorization: Bearer $TOKEN" 127.0.0.1:8080/profiles/me/balances
//! ```

use std::error::Error;

use axum::Router;
use http::Request;
use omneo_id::auth::{JwtAuthLayer, TokenVerifier};
use omneo_id::error::ConfigError;
use omneo_id::keys::{Keyring, SigningKey};
use omneo_id::me::MeRewriteLayer;
use omneo_id::sandbox::Sandbox;
use omneo_id::token::TokenIssuer;
use omneo_id::{ApiToken, Subject, Tenant, Upstream};
use tower::ServiceBuilder;

fn app(keys: Keyring) -> Result<Router, ConfigError> {
    let verifier = TokenVerifier::new(keys).with_audience("storefront")?;
    let api_token = ApiToken::new(Sandbox::API_TOKEN)?;
    let tenant = Tenant::new("https://api.acme.getomneo.com", api_token)?;
    let me = ServiceBuilder::new()
        .layer(JwtAuthLayer::new(verifier))
        .map_request(|request: Request<_>| {
            let subject = Subject::of(request.extensions());
            println!("{:?} asks for {}", subject, request.uri().path());
            request
        })
        .layer(MeRewriteLayer::new())
        // Any client is a service; this one is an invented tenant in memory.
        .service(Upstream::new(Sandbox::new(), tenant));
    // What is not `me` has no business at the tenant: nothing else is routed to it.
    Ok(Router::new()
        .route_service("/profiles/me", me.clone())
        .route_service("/profiles/me/{*rest}", me))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let keys = Keyring::new(SigningKey::hs256("not a secret: everybody can read this")?);
    let issuer = TokenIssuer::new(keys.clone()).with_audience("storefront")?;
    let ada = Subject::Profile(Sandbox::ADA_ID.parse()?);
    println!("TOKEN={}", issuer.issue(&ada)?.token());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    Ok(axum::serve(listener, app(keys)?).await?)
}
