//! Omneo ID as a server of its own, in front of a tenant or of the embedded sandbox.
//!
//! ```sh
//! cargo run --release --example standalone
//! ```
//!
//! With no configuration at all it serves on `127.0.0.1:8080` and prints `curl` lines to paste;
//! `--help` lists the flags and the variables that stand in for them. It exits with 0 after SIGTERM
//! or SIGINT, with 1 if it cannot serve, and with 2 if a flag or variable is invalid.

mod activity;
mod app;
mod config;
mod cors;
mod count;
mod counted;
mod crew;
mod describe;
mod descriptors;
mod gather;
mod guide;
mod health;
mod limits;
mod line;
mod log_writer;
mod metrics;
mod observe;
mod preface;
mod readiness;
mod routes;
mod scrape;
mod serve;
mod socket;
mod storefront;
mod tidy;
mod upload;

use std::convert::Infallible;
use std::fmt::Display;
use std::hash::RandomState;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use std::{env, panic, thread};

use config::{Config, LogFormat, Parsed};
use count::Count;
use crew::Crew;
use descriptors::Connections;
use http::{Request, Response};
use log_writer::LogWriter;
use metrics::Metrics;
use mimalloc::MiMalloc;
use observe::ObserveLayer;
use omneo_id::client::{ClientStats, HttpClient};
use omneo_id::error::ConfigError;
use omneo_id::{Body, OmneoId};
use routes::Beside;
use serve::Signals;
use tokio::net::{TcpListener, TcpSocket, lookup_host};
use tokio::runtime::Builder;
use tower::Service;
use tracing::{error, warn};

/// Small pieces that live for one request are most of what is allocated: it is made for these.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Exit code for an invalid flag or variable: that of `clap`, too.
const USAGE: u8 = 2;
/// Connections that the system has accepted and we have not: it cuts this to what it allows.
const BACKLOG: u32 = 4096;
/// Idle connections to the tenant that all threads keep together.
const MAX_IDLE: usize = 256;
/// Calls of the tenant at one time.
const MAX_IN_FLIGHT: usize = 1024;
/// The longest wait for the log at the end.
const LOG_FLUSH: Duration = Duration::from_secs(1);

/// An error that ends the process.
struct Failure {
    problem: String,
    code: ExitCode,
}

impl Failure {
    fn usage(problem: impl Display) -> Self {
        let problem = problem.to_string();
        let code = ExitCode::from(USAGE);
        Self { problem, code }
    }

    fn serving(problem: impl Display) -> Self {
        let problem = problem.to_string();
        let code = ExitCode::FAILURE;
        Self { problem, code }
    }
}

fn main() -> ExitCode {
    // All that goes to stderr goes through it: a write to a full pipe could wait for ever.
    let Ok(mut log) = LogWriter::start(io::stderr()) else {
        return ExitCode::FAILURE;
    };
    let code = match start(&log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { problem, code }) => {
            let _ = log.write_all(format!("error: {problem}\n").as_bytes());
            code
        }
    };
    log.flush_within(LOG_FLUSH);
    code
}

fn start(log: &LogWriter) -> Result<(), Failure> {
    let mut config = match Config::parse(env::args_os(), env::vars_os()) {
        Ok(Parsed::Serve(config)) => *config,
        Ok(Parsed::Print(text)) => {
            print(&text);
            return Ok(());
        }
        Err(problem) => return Err(Failure::usage(problem)),
    };
    init_log(&config, log.clone());
    for warning in &config.warnings {
        warn!("{warning}");
    }
    let threads = config.threads.or(thread::available_parallelism().ok());
    let threads = threads.unwrap_or(NonZeroUsize::MIN);
    let connections = connections(&config, threads);
    config.limits.connections = connections.clients;
    // It accepts connections and does nothing else: the crew serves them.
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| Failure::serving(format!("the runtime does not start: {error}")))?;
    runtime.block_on(run(&config, threads, connections, log))
}

fn init_log(config: &Config, writer: LogWriter) {
    let log = tracing_subscriber::fmt()
        .with_env_filter(config.log.clone())
        .with_writer(writer)
        // They would be written to stderr directly.
        .log_internal_errors(false)
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
    panic::set_hook(Box::new(|panic| error!(%panic, "a thread has panicked")));
}

/// As many connections as are wanted, or as there are file descriptors for.
fn connections(config: &Config, threads: NonZeroUsize) -> Connections {
    // The sandbox is called without connections.
    let is_remote = config.sandbox.is_none();
    let wanted = Connections {
        clients: config.limits.connections,
        tenant_calls: if is_remote { MAX_IN_FLIGHT } else { 0 },
        tenant_idle: if is_remote { MAX_IDLE } else { 0 },
    };
    let Some(descriptors) = descriptors::raise_limit() else {
        return wanted;
    };
    let fitting = wanted.fit(descriptors, threads);
    if fitting.clients < wanted.clients {
        warn!(
            descriptors,
            "--max-connections is lowered from {} to {}: there are too few file descriptors, \
             see ulimit -Hn",
            wanted.clients,
            fitting.clients
        );
    }
    fitting
}

async fn run(
    config: &Config,
    threads: NonZeroUsize,
    connections: Connections,
    log: &LogWriter,
) -> Result<(), Failure> {
    let builder = app::builder(config).map_err(Failure::usage)?;
    match config.sandbox.clone() {
        Some(sandbox) => {
            let id = builder.build_with_client(sandbox).map_err(Failure::usage)?;
            serve(id, |id| Ok(id.clone()), |_| None, config, threads, log).await
        }
        None => {
            let builder = builder.max_in_flight(connections.tenant_calls);
            // Each thread has a pool of its own.
            let max_idle = connections.tenant_idle.div_ceil(threads.get());
            let client = HttpClient::builder().with_pool_max_idle(max_idle);
            serve(
                builder.build().map_err(Failure::usage)?,
                |id| Ok(id.with_client(client.clone().build()?)),
                |id| Some(id.client().stats()),
                config,
                threads,
                log,
            )
            .await
        }
    }
}

/// `for_thread` makes the service of a further thread, `connections` counts those of its client.
async fn serve<C>(
    id: OmneoId<C>,
    for_thread: impl Fn(&OmneoId<C>) -> Result<OmneoId<C>, ConfigError>,
    connections: fn(&OmneoId<C>) -> Option<ClientStats>,
    config: &Config,
    threads: NonZeroUsize,
    log: &LogWriter,
) -> Result<(), Failure>
where
    OmneoId<C>: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>,
    OmneoId<C>: Clone + Send + Sync + 'static,
{
    let beside = Arc::new(Beside::new(&id, config));
    let observe = ObserveLayer::new(RandomState::new());
    let (mut ids, mut counts) = (vec![id.clone()], Vec::new());
    let crew = Crew::start(threads, || {
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
    let crew =
        crew.map_err(|error| Failure::serving(format!("the threads do not start: {error}")))?;
    let cannot_listen =
        |address| move |error| Failure::serving(format!("cannot listen on {address}: {error}"));
    let open = listen(&config.listen).await;
    let (listener, address, signals) = open.map_err(cannot_listen(&config.listen))?;
    let metrics = Metrics {
        counts,
        busy: crew.busy(),
        stats: Box::new(move || id.stats()),
        client: Box::new(move || ids.iter().map(connections).sum()),
        log: log.clone(),
    };
    let metrics = match &config.metrics_listen {
        None => None,
        Some(address) => {
            let started = scrape::start(address, metrics).await;
            Some(started.map_err(cannot_listen(address))?)
        }
    };
    if config.key_is_random {
        warn!(
            "no signing key was given: tokens end with this process, and no other one accepts them"
        );
    }
    let banner = guide::text(address, metrics, config);
    // Printed by a thread of its own, as a full pipe would hold up the start.
    let _ = thread::Builder::new().spawn(move || print(&banner));
    serve::until_told(listener, signals, &crew, config.limits).await;
    Ok(())
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

/// Prints to stdout, which may be closed or full.
fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}
