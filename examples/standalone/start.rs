//! Start-up: reads the configuration, sets up the log, starts the threads, and serves.

use std::convert::Infallible;
use std::fmt::Display;
use std::hash::RandomState;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::{env, panic, thread};

use http::{Request, Response};
use omneo_id::client::{ClientStats, HttpClient};
use omneo_id::error::ConfigError;
use omneo_id::{ApiToken, Body, OmneoId, SigningKey};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tower::Service;
use tracing::{error, warn};

use crate::admin::metrics::Metrics;
use crate::admin::request_counts::RequestCounts;
use crate::admin::routes::AdminRoutes;
use crate::admin::scrape;
use crate::config::{Config, LogFormat, Parsed, Sessions, TenantConfig, random_key};
use crate::log_writer::LogWriter;
use crate::request_log::RequestLogLayer;
use crate::server::descriptors::{self, Connections};
use crate::server::listener::bind;
use crate::server::serve::serve_until_signal;
use crate::server::signals::Signals;
use crate::server::workers::Workers;
use crate::{app, banner, sessions};

/// Exit code for an invalid flag or variable, as in `clap`.
const USAGE: u8 = 2;
/// Limit for idle connections to the tenant, of all threads together: a quarter of the default
/// `--max-in-flight`.
const MAX_IDLE: usize = 256;

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

/// The configuration with the state that belongs to it.
pub(crate) struct Loaded<'a> {
    pub(crate) config: &'a Config,
    pub(crate) tenant: &'a TenantConfig,
    pub(crate) api_token: ApiToken,
    pub(crate) sessions: Arc<Sessions>,
    /// Signs ID tokens if no signing key is configured.
    pub(crate) random: SigningKey,
}

impl<'a> Loaded<'a> {
    fn new(config: &'a Config, tenant: &'a TenantConfig) -> Result<Self, Failure> {
        let sessions = Sessions::new(&config.server, tenant).map_err(Failure::usage)?;
        Ok(Self {
            config,
            tenant,
            api_token: ApiToken::new(tenant.api_token.expose()).map_err(Failure::usage)?,
            sessions: Arc::new(sessions),
            random: random_key().map_err(Failure::serving)?,
        })
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
    let threads = config
        .server
        .threads
        .or(thread::available_parallelism().ok());
    let threads = threads.unwrap_or(NonZeroUsize::MIN);
    let connections = connection_limits(&config, threads);
    config.server.limits.connections = connections.clients;
    // This runtime only accepts connections. The workers serve them.
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::serving(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(run(&config, threads, connections, log))
}

fn init_log(config: &Config, writer: LogWriter) {
    let log = tracing_subscriber::fmt()
        .with_env_filter(config.server.log_filter())
        .with_writer(writer)
        // Such errors would be written to stderr directly.
        .log_internal_errors(false)
        .with_ansi(false);
    match config.server.log_format {
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
    let is_remote = config
        .tenants
        .iter()
        .any(|tenant| tenant.upstream.is_some());
    let wanted = Connections {
        clients: config.server.limits.connections,
        tenant_calls: if is_remote {
            config.server.max_in_flight
        } else {
            0
        },
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
    let Some(tenant) = config.tenants.first() else {
        return Err(Failure::usage("no tenant is configured"));
    };
    let loaded = Loaded::new(config, tenant)?;
    let revocations = loaded.sessions.revocations.clone();
    let builder = tenant.builder(revocations, &loaded.random);
    let builder = builder.map_err(Failure::usage)?;
    match tenant.sandbox() {
        Some(sandbox) => {
            let id = builder.build_with_client(sandbox).map_err(Failure::usage)?;
            serve(id, |id| Ok(id.clone()), |_| None, &loaded, threads, log).await
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
                &loaded,
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
    loaded: &Loaded<'_>,
    threads: NonZeroUsize,
    log: &LogWriter,
) -> Result<(), Failure>
where
    OmneoId<C>: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>,
    OmneoId<C>: Clone + Send + Sync + 'static,
{
    let (server, tenant) = (&loaded.config.server, loaded.tenant);
    let revocations = loaded.sessions.revocations.clone();
    tokio::spawn(sessions::maintain(revocations.clone()));
    let admin = Arc::new(AdminRoutes::new(&id, loaded));
    let request_log = RequestLogLayer::new(RandomState::new());
    let (mut ids, mut counts) = (vec![id.clone()], Vec::new());
    let workers = Workers::start(threads, || {
        let id = for_thread(&id).map_err(io::Error::other)?;
        ids.push(id.clone());
        let request_log = if server.metrics_listen.is_some() {
            let count = Arc::new(RequestCounts::default());
            counts.push(Arc::clone(&count));
            request_log.with_counts(count)
        } else {
            request_log.clone()
        };
        Ok(app::stack(id, admin.clone(), request_log, tenant))
    });
    let workers = workers
        .map_err(|error| Failure::serving(format!("cannot start the worker threads: {error}")))?;
    let address = server.listen.first().map(ToString::to_string);
    let address = address.unwrap_or_default();
    let open = listen(&address).await;
    let (listener, address, signals) = open.map_err(cannot_listen(&address))?;
    let metrics = Metrics {
        counts,
        connections: workers.connection_counters(),
        stats: Box::new(move || id.stats()),
        revocations,
        client: Box::new(move || ids.iter().map(client_stats).sum()),
        log: log.clone(),
    };
    let metrics = match &server.metrics_listen {
        None => None,
        Some(address) => {
            let started = scrape::start(address, metrics).await;
            Some(started.map_err(cannot_listen(address))?)
        }
    };
    if tenant.keys.signing.is_none() {
        warn!("no signing key is set: tokens are valid only in this process, until it ends");
    }
    sessions::log(&loaded.sessions);
    let banner = banner::text(address, metrics, tenant, &loaded.sessions);
    // In a thread of its own: a full pipe at stdout must not block the start.
    let _ = thread::Builder::new().spawn(move || print(&banner));
    serve_until_signal(listener, signals, &workers, server.limits).await;
    Ok(())
}

async fn listen(address: &str) -> io::Result<(TcpListener, SocketAddr, Signals)> {
    // Before the listener: a client that can connect can expect a graceful shutdown.
    let signals = Signals::catch()?;
    let listener = bind(address).await?;
    let address = listener.local_addr()?;
    Ok((listener, address, signals))
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
