//! The layers as a *client*: a backend for a frontend. It has its own session cookie, calls the
//! tenant in process, and uses no ID tokens.
//!
//! ```sh
//! cargo run --example client
//!
//! # With Ada's session; the page needs two calls of the tenant: 200 "Ada Lovelace"
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/account -H 'cookie: session=ada'
//! # Without a session: 401 "Unauthenticated."
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/account
//! # With an unknown session: 401 "Unauthenticated."
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/account -H 'cookie: session=grace'
//! # The stores are public: 200 "opening hours of 5 shops"
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/shops
//! ```
//!
//! Another address is the first argument: `cargo run --example client -- 127.0.0.1:0`. SIGTERM and
//! Ctrl-C shut down gracefully.

use std::error::Error;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use http::header::{ACCEPT, COOKIE};
use http_body_util::BodyExt;
use omneo_id::error::ConfigError;
use omneo_id::me::MeRewrite;
use omneo_id::sandbox::Sandbox;
use omneo_id::tenant::AllowForward;
use omneo_id::{
    ApiToken, Body, MeRewriteLayer, ProfileId, Rejection, RejectionKind, Subject, Tenant, Upstream,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::{ServiceBuilder, ServiceExt};

/// The tenant, as a client in this process. Only this type has the API token.
#[derive(Clone)]
struct Acme(MeRewrite<Upstream<Sandbox>>);

impl Acme {
    fn new() -> Result<Self, ConfigError> {
        let api_token = ApiToken::new(Sandbox::API_TOKEN)?;
        let tenant = Tenant::new("https://api.acme.getomneo.com", api_token)?;
        Ok(Self(
            ServiceBuilder::new()
                // The me layer restricts every path to the profile.
                .layer(MeRewriteLayer::new())
                // An in-memory tenant; `HttpClient::new()?` calls the real one.
                .service(Upstream::new(Sandbox::new(), tenant)),
        ))
    }

    /// Calls a path below `/profiles/me` for this profile.
    async fn me(&self, id: &ProfileId, path: &str) -> Result<Value, Rejection> {
        let subject = Subject::Profile(id.clone());
        let uri = format!("/profiles/me{path}");
        self.call(http::Request::get(uri).extension(subject)).await
    }

    /// Calls a path that belongs to no profile. `AllowForward` states that our own code has checked
    /// it.
    async fn shops(&self) -> Result<Value, Rejection> {
        let uri = "/locations?page[size]=5";
        let request = http::Request::get(uri).extension(AllowForward::new());
        self.call(request).await
    }

    async fn call(&self, request: http::request::Builder) -> Result<Value, Rejection> {
        let unusable = || Rejection::new(RejectionKind::TenantAnswer);
        let request = request.header(ACCEPT, "application/json");
        let request = request
            .body(Body::empty())
            .map_err(|error| unusable().because(error))?;
        let Ok(response) = self.0.clone().oneshot(request).await;
        // If the call was rejected or has failed, the reason is in the extensions.
        if let Some(rejection) = response.extensions().get::<Rejection>() {
            return Err(rejection.clone());
        }
        let body = response.into_body().collect().await;
        let body = body.map_err(|_| unusable())?.to_bytes();
        serde_json::from_slice(&body).map_err(|error| unusable().because(error))
    }
}

/// Two concurrent calls for one page. `id` is the profile that is signed in.
async fn account(State(acme): State<Acme>, id: ProfileId) -> Result<Json<Value>, Rejection> {
    let (profile, balances) = tokio::try_join!(acme.me(&id, ""), acme.me(&id, "/balances"))?;
    let text = |pointer| profile.pointer(pointer).and_then(Value::as_str);
    let names = ["/data/first_name", "/data/last_name"].map(text);
    let name = names.map(Option::unwrap_or_default).join(" ");
    let balances = balances.get("data");
    Ok(Json(json!({"name": name, "balances": balances})))
}

async fn shops(State(acme): State<Acme>) -> Result<String, Rejection> {
    let shops = acme.shops().await?;
    let count = shops
        .get("data")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    Ok(format!("opening hours of {count} shops\n"))
}

/// A stand-in for the application's sessions: it inserts the `Subject` of the request.
async fn session(mut request: Request, next: Next) -> Response {
    let cookie = request.headers().get(COOKIE).map(|value| value.as_bytes());
    if cookie == Some(b"session=ada")
        && let Ok(ada) = Sandbox::ADA_ID.parse()
    {
        request.extensions_mut().insert(Subject::Profile(ada));
    }
    next.run(request).await
}

fn app() -> Result<Router, ConfigError> {
    Ok(Router::new()
        .route("/account", get(account))
        .route("/shops", get(shops))
        .layer(from_fn(session))
        .with_state(Acme::new()?))
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
    let server = axum::serve(listener, app()?);
    Ok(server.with_graceful_shutdown(shutdown_signal).await?)
}
