//! Omneo ID under plain hyper: nobody strips the prefix, so the builder is told.
//!
//! ```sh
//! cargo run --example hyper
//! curl 127.0.0.1:8080/id/api/v1/auth/token -H 'authorization: Bearer sandbox-api-token' -H 'content-type: application/json' -d '{}'
//! ```

use std::error::Error;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use omneo_id::error::ConfigError;
use omneo_id::sandbox::Sandbox;
use omneo_id::{OmneoId, SigningKey};
use tokio::net::TcpListener;

fn app() -> Result<OmneoId<Sandbox>, ConfigError> {
    OmneoId::builder()
        .upstream("https://api.acme.getomneo.com")?
        .api_token(Sandbox::API_TOKEN)
        .signing_key(SigningKey::hs256("not a secret: everybody can read this")?)
        .mount("/id/api/v1")
        // An invented tenant in memory; `build()` calls the real one.
        .build_with_client(Sandbox::new())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let service = TowerToHyperService::new(app()?);
    let mut server = auto::Builder::new(TokioExecutor::new());
    // Without a timer hyper waits for the head of a request forever.
    server.http1().timer(TokioTimer::new());
    server.http2().timer(TokioTimer::new());
    let listener = TcpListener::bind("127.0.0.1:8080").await?;
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: others will be closed in a while.
                eprintln!("accept: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let connection = server.serve_connection(TokioIo::new(stream), service.clone());
        let connection = connection.into_owned();
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("connection: {error}");
            }
        });
    }
}
