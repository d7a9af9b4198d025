//! The same pieces as a *client*: a backend for a frontend, which knows its visitors by a cookie of its
//! own, calls the tenant in process, and needs no ID tokens at all.
//!
//! ```sh
//! cargo run --example client
//!
//! # Ada is signed in; the page is made of two calls to the tenant: 200 "Ada Lovelace"
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/account -H 'cookie: session=ada'
//! # A stranger is not: 401 "Unauthenticated."
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/account
//! # Nor is one who invents a session: 401 "Unauthenticated."
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/account -H 'cookie: session=grace'
//! # Shops are for everybody: 200 "opening hours of 5 shops"
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/shops
//! ```
//!
//! Another address is the first argument: `cargo run --example client -- 127.0.0.1:0`. SIGTERM and
//! Ctrl-C let requests under way finish.

use std::error::Error;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use http::header::{ACCEPT, COOKIE};
use http_body_util::BodyExt;
use omneo_id::error::ConfigError;
use omneo_id::me::{MeRewrite, MeRewriteLayer};
use omneo_id::sandbox::Sandbox;
use omneo_id::tenant::AllowForward;
use omneo_id::{ApiToken, Body, ProfileId, Rejection, RejectionKind, Subject, Tenant, Upstream};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::{ServiceBuilder, ServiceExt};

/// The tenant, as a client of this process. It holds the API token; nothing else here does.
#[derive(Clone)]
struct Acme(MeRewrite<Upstream<Sandbox>>);

impl Acme {
    fn new() -> Result<Self, ConfigError> {
        let api_token = ApiToken::new(Sandbox::API_TOKEN)?;
        let tenant = Tenant::new("https://api.acme.getomneo.com", api_token)?;
        Ok(Self(
            ServiceBuilder::new()
                // Before the tenant as before a server: a path cannot leave the profile.
                .layer(MeRewriteLayer::new())
                // An invented tenant in memory; `HttpClient::new()?` calls the real one.
                .service(Upstream::new(Sandbox::new(), tenant)),
        ))
    }

    /// Below `/profiles/me` of this profile.
    async fn me(&self, id: &ProfileId, path: &str) -> Result<Value, Rejection> {
        let who = Subject::Profile(id.clone());
        let uri = format!("/profiles/me{path}");
        self.call(http::Request::get(uri).extension(who)).await
    }

    /// What is nobody's. Our own code vouches for it, else the tenant would not be asked.
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
        // Refused or failed: the reason is in the extensions, as a value.
        if let Some(rejection) = response.extensions().get::<Rejection>() {
            return Err(rejection.clone());
        }
        let body = response.into_body().collect().await;
        let body = body.map_err(|_| unusable())?.to_bytes();
        serde_json::from_slice(&body).map_err(|error| unusable().because(error))
    }
}

/// Two calls for one page, at once. `id` is whoever is signed in.
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

/// Stands for a session of the application's own: it says who is asking by inserting a `Subject`.
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
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:8080")).await?;
    let mut terminate = terminate()?;
    println!("listening on http://{}", listener.local_addr()?);
    let told_to_end = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    let server = axum::serve(listener, app()?);
    Ok(server.with_graceful_shutdown(told_to_end).await?)
}
