//! Each layer alone, in front of a service of the application instead of a tenant. The tokens are
//! minted by another service; the example prints one.
//!
//! ```sh
//! cargo run --example layers
//!
//! # The auth layer alone, in front of any service: 200 "Profile(ProfileId(\"ada-1\"))"
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/whoami -H "authorization: Bearer $TOKEN"
//! # Without a token the service is not called: 401 "Unauthenticated."
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/whoami
//! # `me` is rewritten to the path of an ordinary handler: 200 "points of ada-1"
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/profiles/me/points -H "authorization: Bearer $TOKEN"
//! # Another profile: 404 "Not found."
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/profiles/grace-2/points -H "authorization: Bearer $TOKEN"
//! # An ambiguous path: 404 "Not found."
//! curl -s --path-as-is -w ' -> %{http_code}\n' http://127.0.0.1:8080/profiles/me/%2e%2e/grace-2/points -H "authorization: Bearer $TOKEN"
//! # A sign-up, in front of the application's own customer data: 200 "success"
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/profiles -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{"email":"ada@example.com","attributes":{"comms":{"email_promo":true}}}'
//! # A sign-up is validated before the look-up: 422 "errors"
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/profiles -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{"email":"no address"}'
//! ```
//!
//! Another address is the first argument: `cargo run --example layers -- 127.0.0.1:0`. SIGTERM and
//! Ctrl-C shut down gracefully. The `client` example has the me layer in front of a tenant;
//! `OmneoId` is all of the layers together.

use std::convert::Infallible;
use std::error::Error;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use omneo_id::error::ConfigError;
use omneo_id::upsert::{CommsPolicy, CommsUpsertLayer};
use omneo_id::{
    JwtAuthLayer, Keyring, MeRewriteLayer, ProfileId, SigningKey, Subject, TokenIssuer,
    TokenVerifier,
};
use tokio::net::TcpListener;
use tower::{Layer, ServiceBuilder, service_fn};

type CallResult = Result<Response<Full<Bytes>>, Infallible>;

/// A service that reads the subject of the request.
async fn whoami<B>(request: Request<B>) -> CallResult {
    let subject = format!("{:?}\n", Subject::from_extensions(request.extensions()));
    Ok(Response::new(subject.into()))
}

/// The application's customer data: finds a profile by address, updates or creates one.
async fn customers<B>(request: Request<B>) -> CallResult {
    println!("{} {}", request.method(), request.uri().path());
    let existing = r#"{"data":[{"id":"ada-1","email":"ada@example.com"}]}"#;
    Ok(Response::new(match *request.method() {
        Method::GET => existing.into(),
        _ => r#"{"data":{}}"#.into(),
    }))
}

fn app(keys: Keyring) -> Result<Router, ConfigError> {
    let verifier = TokenVerifier::new(keys).with_audience("storefront")?;
    let auth = JwtAuthLayer::new(verifier);
    let whoami = auth.layer(service_fn(whoami));

    // Around the router, so that routing uses the rewritten path.
    let points = get(async |Path(id): Path<String>| format!("points of {id}\n"));
    let me = ServiceBuilder::new()
        .layer(auth.clone())
        .layer(MeRewriteLayer::new())
        .service(Router::new().route("/profiles/{id}/points", points));

    // A consent field in addition to the documented ones.
    let policy = CommsPolicy::new().add_field("whatsapp_promo")?;
    let sign_ups = ServiceBuilder::new()
        .layer(auth)
        .layer(CommsUpsertLayer::new(policy))
        .service(service_fn(customers));

    Ok(Router::new()
        .route_service("/whoami", whoami)
        .route_service("/profiles", sign_ups)
        // Not as `/profiles/{*rest}`: axum's `Path` would include the outer parameter.
        .fallback_service(me))
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
async fn main() -> Result<(), Box<dyn Error>> {
    let keys = Keyring::new(SigningKey::hs256(
        "an example key, published in the repository",
    )?);
    // The other service mints the token.
    let issuer = TokenIssuer::new(keys.clone()).with_audience("storefront")?;
    let ada: ProfileId = "ada-1".parse()?;
    let token = issuer.issue(&Subject::Profile(ada))?;

    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:8080")).await?;
    let mut terminate = terminate()?;
    println!("listening on http://{}", listener.local_addr()?);
    println!("TOKEN={}", token.token());
    let shutdown_signal = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    let server = axum::serve(listener, app(keys)?);
    Ok(server.with_graceful_shutdown(shutdown_signal).await?)
}
