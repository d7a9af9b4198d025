//! Start-up: reads the configuration, sets up the log, starts the threads, and serves.

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

use http::{Request, Response};
use omneo_id::client::{ClientStats, HttpClient};
use omneo_id::client_info::TrustedProxies;
use omneo_id::error::ConfigError;
use omneo_id::{Body, OmneoId};
use tokio::runtime::Builder;
use tower::Service;
use tracing::{error, info, warn};

use crate::admin::metrics::Metrics;
use crate::admin::request_counts::RequestCounts;
use crate::admin::routes::AdminRoutes;
use crate::admin::scrape;
use crate::config::{Config, LogFormat, Parsed};
use crate::log_writer::LogWriter;
use crate::request_log::RequestLogLayer;
use crate::server::descriptors::{self, Connections};
use crate::server::listener::ListenAddress;
use crate::server::listeners::Listeners;
use crate::server::reloader::Reloader;
use crate::server::serve::{ServeOptions, serve_until_signal};
use crate::server::signals::Signals;
use crate::server::socket_activation;
use crate::server::workers::Workers;
use crate::{app, banner, sessions};

/// Exit code for an invalid flag or variable, as in `clap`.
const USAGE: u8 = 2;
/// Limit for idle connections to the tenant, of all threads together: a quarter of
/// [`MAX_IN_FLIGHT`].
const MAX_IDLE: usize = 256;
/// Limit for concurrent calls of the tenant: a quarter of the default `--max-connections`.
const MAX_IN_FLIGHT: usize = 1024;

/// An error that ends the process.
pub(crate) struct Failure {
    pub(crate) problem: String,
    pub(crate) code: ExitCode,
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

/// Runs the server until a signal ends it.
pub(crate) fn start(log: &LogWriter) -> Result<(), Failure> {
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
    let connections = connection_limits(&config, threads);
    config.limits.connections = connections.clients;
    // This runtime only accepts connections. The workers serve them.
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::serving(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(run(&config, threads, connections, log))
}

fn init_log(config: &Config, writer: LogWriter) {
    let log = tracing_subscriber::fmt()
        .with_env_filter(config.log.clone())
        .with_writer(writer)
        // Such errors would be written to stderr directly.
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

/// The limits of connections, lowered to the number of file descriptors.
fn connection_limits(config: &Config, threads: NonZeroUsize) -> Connections {
    // Calls of the sandbox use no connections.
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
            "--max-connections is lowered from {} to {}: the limit of file descriptors is too low, \
             see ulimit -Hn",
            wanted.clients,
            fitting.clients
        );
    }
    fitting
}

/// Builds Omneo ID in front of the sandbox or of the tenant.
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
            // Each thread has its own pool.
            let max_idle = connections.tenant_idle.div_ceil(threads.get());
            let client = HttpClient::builder().pool_max_idle(max_idle);
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

/// Starts the workers and the listeners, and serves. `for_thread` makes the service of each
/// thread, `client_stats` reads the statistics of its client.
async fn serve<C>(
    id: OmneoId<C>,
    for_thread: impl Fn(&OmneoId<C>) -> Result<OmneoId<C>, ConfigError>,
    client_stats: fn(&OmneoId<C>) -> Option<ClientStats>,
    config: &Config,
    threads: NonZeroUsize,
    log: &LogWriter,
) -> Result<(), Failure>
where
    OmneoId<C>: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>,
    OmneoId<C>: Clone + Send + Sync + 'static,
{
    let revocations = config.sessions.revocations.clone();
    tokio::spawn(sessions::maintain(revocations.clone()));
    let admin = Arc::new(AdminRoutes::new(&id, config));
    let request_log = RequestLogLayer::new(RandomState::new());
    let (mut ids, mut counts) = (vec![id.clone()], Vec::new());
    let workers = Workers::start(threads, || {
        let id = for_thread(&id).map_err(io::Error::other)?;
        ids.push(id.clone());
        let request_log = if config.metrics_listen.is_some() {
            let count = Arc::new(RequestCounts::default());
            counts.push(Arc::clone(&count));
            request_log.with_counts(count)
        } else {
            request_log.clone()
        };
        Ok(app::stack(id, admin.clone(), request_log, config))
    });
    let workers = workers
        .map_err(|error| Failure::serving(format!("cannot start the worker threads: {error}")))?;
    // Before the listeners: a client that can connect can expect a graceful shutdown.
    let signals = Signals::catch();
    let signals =
        signals.map_err(|error| Failure::serving(format!("cannot receive signals: {error}")))?;
    let inherited = socket_activation::take_listeners();
    let inherited = inherited
        .map_err(|error| Failure::serving(format!("cannot use an inherited socket: {error}")))?;
    let addresses = [ListenAddress::Tcp(config.listen.clone())];
    let listeners = Listeners::bind(inherited, &addresses).await;
    let listeners = listeners.map_err(Failure::serving)?;
    let metrics = Metrics {
        counts,
        connections: workers.connection_counters(),
        stats: Box::new(move || id.stats()),
        revocations,
        client: Box::new(move || ids.iter().map(client_stats).sum()),
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
        warn!("no signing key is set: tokens are valid only in this process, until it ends");
    }
    sessions::log(&config.sessions);
    let banner = banner::text(listeners.addresses(), "http", metrics, config);
    // In a thread of its own: a full pipe at stdout must not block the start.
    let _ = thread::Builder::new().spawn(move || print(&banner));
    let reloader = Reloader::start(|| info!("no file to reload"));
    let reloader =
        reloader.map_err(|error| Failure::serving(format!("cannot start a thread: {error}")))?;
    let options = ServeOptions {
        limits: config.limits,
        drain_delay: Duration::ZERO,
        tls: None,
        trusted_proxies: TrustedProxies::default(),
        is_stopping: Arc::default(),
        reloader,
    };
    serve_until_signal(listeners, signals, &workers, options).await;
    Ok(())
}

fn cannot_listen(address: &str) -> impl FnOnce(io::Error) -> Failure {
    move |error| Failure::serving(format!("cannot listen on {address}: {error}"))
}

/// Prints to stdout, which may be closed.
fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}
