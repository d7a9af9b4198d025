//! Omneo ID under plain hyper, without a framework: HTTP/1.1 and HTTP/2 on one port. No router
//! strips the prefix, so `OmneoIdBuilder::mount` does.
//!
//! ```sh
//! cargo run --example hyper
//!
//! # Ada's token, minted with the tenant's API token
//! TOKEN=$(curl -s http://127.0.0.1:8080/id/api/v1/auth/token -H 'authorization: Bearer sandbox-api-token' -H 'content-type: application/json' -d '{"id":"6513270e-269e-4d37-b2a7-4de452e6b438"}' | sed -n 's/.*"token":"\([^"]*\)".*/\1/p')
//! # Her profile, over HTTP/1.1: 200 "ada.lovelace@example.com"
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/id/api/v1/profiles/me -H "authorization: Bearer $TOKEN"
//! # Her profile, over HTTP/2: 200 "ada.lovelace@example.com"
//! curl -s --http2-prior-knowledge -w ' HTTP/%{http_version} -> %{http_code}\n' http://127.0.0.1:8080/id/api/v1/profiles/me -H "authorization: Bearer $TOKEN"
//! # Without a token: 401 "Unauthenticated."
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/id/api/v1/profiles/me
//! # Any other path: 404 "Not found."
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8080/
//! ```
//!
//! Another address is the first argument: `cargo run --example hyper -- 127.0.0.1:0`. SIGTERM and
//! Ctrl-C let requests in flight finish, for ten seconds at most. The `standalone` example shows
//! the further limits of a public server (connections, heads, idle time).

use std::error::Error;
use std::time::Duration;

use http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use omneo_id::client_info::ClientInfo;
use omneo_id::error::ConfigError;
use omneo_id::sandbox::Sandbox;
use omneo_id::{OmneoId, SigningKey};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

/// How long requests in flight may take after SIGTERM.
const DRAIN: Duration = Duration::from_secs(10);

fn app() -> Result<OmneoId<Sandbox>, ConfigError> {
    OmneoId::builder()
        .upstream("https://api.acme.getomneo.com")?
        .api_token(Sandbox::API_TOKEN)
        .signing_key(SigningKey::hs256(
            "an example key, published in the repository",
        )?)
        .mount("/id/api/v1")
        // An in-memory tenant; `build()` calls the real one.
        .build_with_client(Sandbox::new())
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
    let app = app()?;
    let mut server = auto::Builder::new(TokioExecutor::new());
    // Without a timer hyper waits without a bound for the head of a request.
    server.http1().timer(TokioTimer::new());
    server.http2().timer(TokioTimer::new());
    let graceful = GracefulShutdown::new();

    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:8080")).await?;
    let mut terminate = terminate()?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = terminate.recv() => break,
            _ = tokio::signal::ctrl_c() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Probably out of file descriptors: retry when others have been closed.
                eprintln!("accept: {error}");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Reports the client's address to the tenant, which otherwise receives none.
        let client = ClientInfo::default().add_addr(peer.ip().to_canonical());
        let service = app.clone().map_request(move |mut request: Request<_>| {
            request.extensions_mut().insert(client.clone());
            request
        });
        let service = TowerToHyperService::new(service);
        let connection = server.serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection.into_owned());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("connection: {error}");
            }
        });
    }
    // New connections are refused from here on.
    drop(listener);
    if timeout(DRAIN, graceful.shutdown()).await.is_err() {
        eprintln!("some requests did not finish in {DRAIN:?}");
    }
    Ok(())
}
