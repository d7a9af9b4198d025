//! Serves the in-memory tenant over TCP, to call it with curl:
//!
//! ```sh
//! cargo run --example sandbox
//!
//! # Ada, by her id: 200 "ada.lovelace@example.com"
//! curl -s -w ' -> %{http_code}\n' -H 'authorization: Bearer sandbox-api-token' http://127.0.0.1:8090/api/v3/profiles/6513270e-269e-4d37-b2a7-4de452e6b438
//! # Ada, by an identity (a shop's customer id): 200 "ada.lovelace@example.com"
//! curl -s -w ' -> %{http_code}\n' -H 'authorization: Bearer sandbox-api-token' -H 'content-type: application/json' -d '{"type":"shopify","id":"6142338891902"}' http://127.0.0.1:8090/api/v3/profiles/search-id
//! # Without the API token: 401 "Unauthenticated."
//! curl -s -w ' -> %{http_code}\n' http://127.0.0.1:8090/api/v3/locations
//! ```
//!
//! Another address is a flag: `cargo run --example sandbox -- --listen 127.0.0.1:0`. It prints
//! further lines. HTTP/1.1 and HTTP/2 (prior knowledge). Ctrl-C and SIGTERM shut down gracefully.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use omneo_id::sandbox::Sandbox;
use tokio::net::TcpListener;

/// How long requests in flight may take after SIGTERM.
const DRAIN: Duration = Duration::from_secs(10);

#[derive(Parser)]
#[command(about = "An in-memory Omneo tenant, for trying things out")]
struct Options {
    /// Address to serve on.
    #[arg(long, env = "SANDBOX_LISTEN", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
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
    let options = Options::parse();
    let sandbox = Sandbox::new();
    let listener = TcpListener::bind(options.listen).await?;
    let mut terminated = terminate()?;
    print!("{}", greeting(&sandbox, listener.local_addr()?));

    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new());
    server.http2().timer(TokioTimer::new());
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = tokio::signal::ctrl_c() => break,
            _ = terminated.recv() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Probably out of file descriptors: retry when others have been closed.
                eprintln!("accept: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(sandbox.clone());
        let connection = server.serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection.into_owned());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("connection: {error}");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown())
        .await
        .is_err()
    {
        eprintln!("some requests did not finish in {DRAIN:?}");
    }
    Ok(())
}

/// The address, the API token, and lines to paste.
fn greeting(sandbox: &Sandbox, address: SocketAddr) -> String {
    let base = format!("http://{address}{}", sandbox.base_path());
    let token = sandbox.api_token();
    let authorization = format!("-H 'authorization: Bearer {token}'");
    let (id, handle, identifier) = (
        Sandbox::ADA_ID,
        Sandbox::ADA_IDENTITY_HANDLE,
        Sandbox::ADA_IDENTITY,
    );
    format!(
        "tenant   {base}\n\
         token    {token}\n\
         \n\
         curl {authorization} {base}/profiles/{id}\n\
         curl {authorization} -H 'content-type: application/json' \
         -d '{{\"type\":\"{handle}\",\"id\":\"{identifier}\"}}' {base}/profiles/search-id\n\
         curl -g {authorization} '{base}/locations?filter[is_published]=1&per_page=5'\n"
    )
}
