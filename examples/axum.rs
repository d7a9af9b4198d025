//! Omneo ID in an axum application, with own routes that read the profile of the ID token.
//!
//! ```sh
//! cargo run --example axum
//!
//! # The front page accepts requests without a token: 200 "Welcome to Acme, guest."
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/
//! # The account page needs a token: 401 "Unauthenticated."
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/account
//! # Ada's token, minted with the tenant's API token
//! TOKEN=$(curl -s http://127.0.0.1:8080/id/api/v1/auth/token -H 'authorization: Bearer sandbox-api-token' -H 'content-type: application/json' -d '{"id":"6513270e-269e-4d37-b2a7-4de452e6b438"}' | sed -n 's/.*"token":"\([^"]*\)".*/\1/p')
//! # The front page with her token: 200 "Welcome to Acme, 6513270e-269e-4d37-b2a7-4de452e6b438."
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/ -H "authorization: Bearer $TOKEN"
//! # The account page needs a profile: 200 "The account of 6513270e-269e-4d37-b2a7-4de452e6b438"
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/account -H "authorization: Bearer $TOKEN"
//! # Omneo ID is mounted beside these routes: 200 "ada.lovelace@example.com"
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/id/api/v1/profiles/me -H "authorization: Bearer $TOKEN"
//! # An anonymous token has no profile: 404 "Not found."
//! ANONYMOUS=$(curl -s http://127.0.0.1:8080/id/api/v1/auth/token -H 'authorization: Bearer sandbox-api-token' -H 'content-type: application/json' -d '{}' | sed -n 's/.*"token":"\([^"]*\)".*/\1/p')
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/account -H "authorization: Bearer $ANONYMOUS"
//! # A preflight of a page on another origin: 200 "access-control-allow-origin"
//! curl -s -o /dev/null -D - -w ' -> %{http_code}\n' http://127.0.0.1:8080/id/api/v1/profiles/me -X OPTIONS -H 'origin: https://shop.example' -H 'access-control-request-method: GET' -H 'access-control-request-headers: authorization'
//! ```
//!
//! Another address is the first argument: `cargo run --example axum -- 127.0.0.1:0`. SIGTERM and
//! Ctrl-C shut down gracefully.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::map_request;
use axum::routing::get;
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use omneo_id::auth::AuthMode;
use omneo_id::client_info::ClientInfo;
use omneo_id::error::ConfigError;
use omneo_id::identity::VerifiedToken;
use omneo_id::sandbox::Sandbox;
use omneo_id::{OmneoId, ProfileId, SigningKey, Subject};
use tokio::net::TcpListener;
use tower_http::cors::{Any, CorsLayer};

/// State of the application's handlers.
#[derive(Clone)]
struct Shop {
    name: &'static str,
}

/// Accepts requests without a token: `Option` is `None` for them.
async fn front_page(State(shop): State<Shop>, subject: Option<Subject>) -> String {
    let visitor = match &subject {
        Some(Subject::Profile(id)) => id.as_str(),
        Some(Subject::Anonymous) | None => "guest",
    };
    format!("Welcome to {}, {visitor}.\n", shop.name)
}

/// Needs a profile: 401 without a token, 404 with an anonymous one.
async fn account(State(shop): State<Shop>, id: ProfileId, token: VerifiedToken) -> String {
    let until = token.claims().expires_at;
    format!("The account of {id} at {}, until {until}.\n", shop.name)
}

/// Reports the client's address to the tenant, which otherwise receives none. Behind a balancer,
/// `TrustedProxies` reads the address from its headers.
async fn insert_client_info(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
) -> Request {
    let client = ClientInfo::default().add_addr(peer.ip().to_canonical());
    request.extensions_mut().insert(client);
    request
}

fn app() -> Result<Router, ConfigError> {
    let id = OmneoId::builder()
        .upstream("https://api.acme.getomneo.com")?
        .api_token(Sandbox::API_TOKEN)
        .signing_key(SigningKey::hs256(
            "an example key, published in the repository",
        )?)
        // An in-memory tenant; `build()` calls the real one.
        .build_with_client(Sandbox::new())?;
    let auth = id.auth_layer();
    // In a router of their own: these layers wrap only its routes.
    let pages = Router::new()
        .route("/", get(front_page))
        .route_layer(auth.clone().with_mode(AuthMode::Optional));
    let accounts = Router::new()
        .route("/account", get(account))
        .route_layer(auth);
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
        // By name: the wildcard of the Fetch standard does not cover `authorization`.
        .allow_headers([AUTHORIZATION, CONTENT_TYPE]);
    Ok(Router::new()
        .merge(pages)
        .merge(accounts)
        .with_state(Shop { name: "Acme" })
        // It verifies tokens itself, so the auth layer does not wrap it.
        .nest_service("/id/api/v1", id)
        .layer(map_request(insert_client_info))
        // Outermost: error responses need CORS headers too, and preflights end here.
        .layer(cors))
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
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:8080")).await?;
    let mut terminate = terminate()?;
    println!("listening on http://{}", listener.local_addr()?);
    let shutdown_signal = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    let app = app()?.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, app);
    Ok(server.with_graceful_shutdown(shutdown_signal).await?)
}
