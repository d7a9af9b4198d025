//! Omneo ID as a server of its own, in front of a tenant or of the embedded sandbox.
//!
//! ```sh
//! cargo run --release --example standalone
//! ```
//!
//! With no configuration at all it serves on `127.0.0.1:8080` and prints `curl` lines to paste;
//! `--help` lists the flags and the variables that stand in for them. It exits with 0 after SIGTERM
//! or SIGINT, with 1 if it cannot serve, and with 2 if a flag or variable makes no sense.

mod activity;
mod app;
mod config;
mod cors;
mod count;
mod counted;
mod crew;
mod describe;
mod gather;
mod guide;
mod health;
mod limits;
mod line;
mod metrics;
mod observe;
mod preface;
mod routes;
mod scrape;
mod serve;
mod socket;
mod storefront;
mod tidy;
mod upload;

use std::convert::Infallible;
use std::fmt::Display;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use config::{Config, LogFormat, Parsed};
use count::Count;
use crew::Crew;
use http::{Request, Response};
use metrics::Metrics;
use mimalloc::MiMalloc;
use observe::ObserveLayer;
use omneo_id::error::ConfigError;
use omneo_id::upstream::{ClientStats, HttpClient};
use omneo_id::{Body, OmneoId};
use routes::Beside;
use serve::Signals;
use tokio::net::{TcpListener, TcpSocket, lookup_host};
use tokio::runtime::Builder;
use tower::Service;
use tracing::warn;

/// Small pieces that live for one request are most of what is allocated: it is made for these.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// A flag or variable makes no sense; what `clap` uses, too.
const USAGE: u8 = 2;
/// Connections that the system has accepted and we have not: it cuts this to what it allows.
const BACKLOG: u32 = 4096;
/// Idle connections to the tenant that all threads keep together: many, so that few are closed only to be
/// opened again, but not as many as there can be clients.
const MAX_IDLE: usize = 256;

fn main() -> ExitCode {
    let config = match Config::parse(std::env::args_os()) {
        Ok(Parsed::Serve(config)) => *config,
        Ok(Parsed::Print(text)) => {
            print(&text);
            return ExitCode::SUCCESS;
        }
        Err(problem) => return fail(problem, ExitCode::from(USAGE)),
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(config.log.clone())
        .with_writer(io::stderr)
        .with_ansi(false);
    match config.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .init(),
    }
    // It accepts connections and does nothing else: the crew serves them.
    match Builder::new_current_thread().enable_all().build() {
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
        Some(sandbox) => {
            let id = builder.build_with_client(sandbox);
            serve(id, |id| Ok(id.clone()), |_| None, &config).await
        }
        None => {
            // Each thread has a pool of its own.
            let max_idle = MAX_IDLE.div_ceil(crew::threads(config.threads));
            let client = HttpClient::builder().with_pool_max_idle(max_idle);
            serve(
                builder.build(),
                |id| Ok(id.with_client(client.clone().build()?)),
                |id| Some(id.client().stats()),
                &config,
            )
            .await
        }
    }
}

/// `for_thread` makes the service of a further thread, `connections` counts those of its client.
async fn serve<C>(
    id: Result<OmneoId<C>, ConfigError>,
    for_thread: impl Fn(&OmneoId<C>) -> Result<OmneoId<C>, ConfigError>,
    connections: fn(&OmneoId<C>) -> Option<ClientStats>,
    config: &Config,
) -> ExitCode
where
    OmneoId<C>: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>,
    OmneoId<C>: Clone + Send + Sync + 'static,
{
    let id = match id {
        Ok(id) => id,
        Err(error) => return fail(error, ExitCode::from(USAGE)),
    };
    let beside = Arc::new(Beside::new(&id, config));
    let observe = ObserveLayer::new(RandomState::new().hash_one(()));
    let (mut ids, mut counts) = (vec![id.clone()], Vec::new());
    let crew = Crew::start(config.threads, || {
        let id = for_thread(&id).map_err(io::Error::other)?;
        ids.push(id.clone());
        let observe = if config.metrics_listen.is_some() {
            let count = Arc::new(Count::default());
            counts.push(Arc::clone(&count));
            observe.counting(count)
        } else {
            observe.clone()
        };
        Ok(app::stack(id, beside.clone(), observe, config))
    });
    let crew = match crew {
        Ok(crew) => crew,
        Err(error) => {
            let problem = format!("the threads do not start: {error}");
            return fail(problem, ExitCode::FAILURE);
        }
    };
    let (listener, address, signals) = match listen(&config.listen).await {
        Ok(open) => open,
        Err(error) => {
            let problem = format!("cannot listen on {}: {error}", config.listen);
            return fail(problem, ExitCode::FAILURE);
        }
    };
    let metrics = Metrics {
        counts,
        busy: crew.busy(),
        stats: Box::new(move || id.stats()),
        client: Box::new(move || ids.iter().map(connections).sum()),
    };
    let metrics = match &config.metrics_listen {
        None => None,
        Some(address) => match scrape::start(address, metrics).await {
            Ok(address) => Some(address),
            Err(error) => {
                let problem = format!("cannot listen on {address}: {error}");
                return fail(problem, ExitCode::FAILURE);
            }
        },
    };
    if config.key_is_random {
        warn!(
            "no signing key was given: tokens end with this process, and no other one accepts them"
        );
    }
    print(&guide::text(address, metrics, config));
    serve::until_told(listener, signals, &crew, config.limits).await;
    ExitCode::SUCCESS
}

async fn listen(address: &str) -> io::Result<(TcpListener, SocketAddr, Signals)> {
    // Before anybody can know that there is something to end.
    let signals = Signals::catch()?;
    let listener = bind(address).await?;
    let address = listener.local_addr()?;
    Ok((listener, address, signals))
}

/// The first of the addresses behind a name that can be listened on.
async fn bind(address: &str) -> io::Result<TcpListener> {
    let mut problem = io::ErrorKind::AddrNotAvailable.into();
    for address in lookup_host(address).await? {
        let open = || {
            let socket = match address {
                SocketAddr::V4(_) => TcpSocket::new_v4()?,
                SocketAddr::V6(_) => TcpSocket::new_v6()?,
            };
            // Else a restarted server waits until the connections of the last one are forgotten.
            // (Elsewhere it would mean that two may listen at once.)
            #[cfg(unix)]
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)
        };
        match open() {
            Ok(listener) => return Ok(listener),
            Err(error) => problem = error,
        }
    }
    Err(problem)
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
