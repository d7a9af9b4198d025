//! Omneo ID as a server of its own, in front of a tenant or of the embedded sandbox.
//!
//! ```sh
//! cargo run --release --example standalone
//! ```
//!
//! With no configuration at all it serves on `127.0.0.1:8080` and prints `curl` lines to paste;
//! `--help` lists the flags and the variables that stand in for them. It exits with 0 after SIGTERM
//! or SIGINT, with 1 if it cannot serve, and with 2 if a flag or variable makes no sense.

mod app;
mod config;
mod describe;
mod guide;
mod health;
mod serve;
mod storefront;

use std::convert::Infallible;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use config::{Config, Parsed};
use http::{Request, Response};
use omneo_id::error::ConfigError;
use omneo_id::{Body, OmneoId};
use serve::Signals;
use tokio::net::TcpListener;
use tower::Service;
use tracing::warn;

/// A flag or variable makes no sense; what `clap` uses, too.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let config = match Config::parse(std::env::args_os()) {
        Ok(Parsed::Serve(config)) => *config,
        Ok(Parsed::Print(text)) => {
            print(&text);
            return ExitCode::SUCCESS;
        }
        Err(problem) => return fail(problem, ExitCode::from(USAGE)),
    };
    tracing_subscriber::fmt()
        .with_env_filter(config.log.clone())
        .with_writer(io::stderr)
        .with_ansi(false)
        .init();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = config.threads {
        runtime.worker_threads(threads.get());
    }
    match runtime.enable_all().build() {
        Ok(runtime) => runtime.block_on(run(config)),
        Err(error) => fail(
            format!("the runtime does not start: {error}"),
            ExitCode::FAILURE,
        ),
    }
}

async fn run(config: Config) -> ExitCode {
    let builder = match app::builder(&config) {
        Ok(builder) => builder,
        Err(error) => return fail(error, ExitCode::from(USAGE)),
    };
    match config.sandbox.clone() {
        Some(sandbox) => serve(builder.build_with_client(sandbox), &config).await,
        None => serve(builder.build(), &config).await,
    }
}

async fn serve<C>(id: Result<OmneoId<C>, ConfigError>, config: &Config) -> ExitCode
where
    OmneoId<C>: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>,
    OmneoId<C>: Clone + Send + Sync + 'static,
{
    let app = match id {
        Ok(id) => app::stack(id, config),
        Err(error) => return fail(error, ExitCode::from(USAGE)),
    };
    let (listener, address, signals) = match listen(&config.listen).await {
        Ok(open) => open,
        Err(error) => {
            let problem = format!("cannot listen on {}: {error}", config.listen);
            return fail(problem, ExitCode::FAILURE);
        }
    };
    if config.key_is_random {
        warn!(
            "no signing key was given: tokens end with this process, and no other one accepts them"
        );
    }
    print(&guide::text(address, config));
    serve::until_told(listener, signals, app).await;
    ExitCode::SUCCESS
}

async fn listen(address: &str) -> io::Result<(TcpListener, SocketAddr, Signals)> {
    // Before anybody can know that there is something to end.
    let signals = Signals::catch()?;
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((listener, address, signals))
}

/// Whoever started the server may have closed our stdout; that is no reason to stop.
fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}

fn fail(problem: impl Display, code: ExitCode) -> ExitCode {
    let _ = writeln!(io::stderr(), "error: {problem}");
    code
}
