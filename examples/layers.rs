//! The layers à la carte, each before a service of one's own and none before a tenant. The tokens are
//! another service's; one to try it with is printed.
//!
//! ```sh
//! cargo run --example layers
//!
//! # Auth alone, before any service: 200 "Profile(ProfileId(\"ada-1\"))"
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/whoami -H "authorization: Bearer $TOKEN"
//! # Without a token the service is never asked: 401 "Unauthenticated."
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/whoami
//! # `me` becomes the path of an ordinary handler: 200 "points of ada-1"
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/profiles/me/points -H "authorization: Bearer $TOKEN"
//! # What is not `me` is not reached: 404 "Not found."
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/profiles/grace-2/points -H "authorization: Bearer $TOKEN"
//! # A path that can be read in two ways neither: 404 "Not found."
//! curl -s --path-as-is -w ' -> %{http_code}\n' http://127.0.0.1:8080/profiles/me/%2e%2e/grace-2/points -H "authorization: Bearer $TOKEN"
//! # Sign-ups, before a customer base of one's own: 200 "success"
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/profiles -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{"email":"ada@example.com","attributes":{"comms":{"email_promo":true}}}'
//! # They are checked before anybody is looked for: 422 "errors"
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/profiles -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{"email":"no address"}'
//! ```
//!
//! Another address is the first argument: `cargo run --example layers -- 127.0.0.1:0`. SIGTERM and
//! Ctrl-C let requests under way finish. The me layer before a tenant is in the `client` example, and
//! all of them together are `OmneoId`.

use std::convert::Infallible;
use std::error::Error;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use omneo_id::auth::{JwtAuthLayer, TokenVerifier};
use omneo_id::error::ConfigError;
use omneo_id::keys::{Keyring, SigningKey};
use omneo_id::me::MeRewriteLayer;
use omneo_id::token::TokenIssuer;
use omneo_id::upsert::{CommsPolicy, CommsUpsertLayer};
use omneo_id::{ProfileId, Subject};
use tokio::net::TcpListener;
use tower::{Layer, ServiceBuilder, service_fn};

type Answer = Result<Response<Full<Bytes>>, Infallible>;

/// A service that wants to know who is asking, and nothing else.
async fn whoami<B>(request: Request<B>) -> Answer {
    let subject = format!("{:?}\n", Subject::of(request.extensions()));
    Ok(Response::new(subject.into()))
}

/// A customer base: asked who has an address, told what to change or whom to take in.
async fn customers<B>(request: Request<B>) -> Answer {
    println!("{} {}", request.method(), request.uri().path());
    let known = r#"{"data":[{"id":"ada-1","email":"ada@example.com"}]}"#;
    Ok(Response::new(match *request.method() {
        Method::GET => known.into(),
        _ => r#"{"data":{}}"#.into(),
    }))
}

fn app(keys: Keyring) -> Result<Router, ConfigError> {
    let verifier = TokenVerifier::new(keys).with_audience("storefront")?;
    let auth = JwtAuthLayer::new(verifier);
    let whoami = auth.layer(service_fn(whoami));

    // Around the router, so that the rewritten path decides which route is taken.
    let points = get(async |Path(id): Path<String>| format!("points of {id}\n"));
    let me = ServiceBuilder::new()
        .layer(auth.clone())
        .layer(MeRewriteLayer::new())
        .service(Router::new().route("/profiles/{id}/points", points));

    // A consent of one's own besides the documented ones.
    let policy = CommsPolicy::new().add_field("whatsapp_promo")?;
    let sign_ups = ServiceBuilder::new()
        .layer(auth)
        .layer(CommsUpsertLayer::new(policy))
        .service(service_fn(customers));

    Ok(Router::new()
        .route_service("/whoami", whoami)
        .route_service("/profiles", sign_ups)
        // Not as `/profiles/{*rest}`: axum's `Path` would count the outer parameter, too.
        .fallback_service(me))
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
async fn main() -> Result<(), Box<dyn Error>> {
    let keys = Keyring::new(SigningKey::hs256("not a secret: everybody can read this")?);
    // What the other service does.
    let issuer = TokenIssuer::new(keys.clone()).with_audience("storefront")?;
    let ada: ProfileId = "ada-1".parse()?;
    let token = issuer.issue(&Subject::Profile(ada))?;

    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:8080")).await?;
    let mut terminate = terminate()?;
    println!("listening on http://{}", listener.local_addr()?);
    println!("TOKEN={}", token.token());
    let told_to_end = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    let server = axum::serve(listener, app(keys)?);
    Ok(server.with_graceful_shutdown(told_to_end).await?)
}
