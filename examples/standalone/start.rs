//! Start-up: reads the configuration, sets up the log, starts the threads, and serves.

use std::convert::Infallible;
use std::hash::RandomState;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::{env, panic, thread};

use http::{Request, Response};
use omneo_id::upstream::CallBudget;
use omneo_id::{Body, OmneoId, OmneoIdTenants};
use tokio::runtime::{Builder, Handle};
use tower::Service;
use tracing::{error, info, warn};

use crate::admin::health::Health;
use crate::admin::metrics::Metrics;
use crate::admin::openapi::OpenApi;
use crate::admin::routes::AdminRoutes;
use crate::admin::scrape::{self, Sources};
use crate::admin::thread_counts::ThreadCounts;
use crate::clients::Clients;
use crate::config::{Config, Limits, LogFormat, Parsed, random_key};
use crate::failure::{self, Failure};
use crate::log_writer::LogWriter;
use crate::reload::Reload;
use crate::request_log::RequestLogLayer;
use crate::server::descriptors::{self, Connections};
use crate::server::listeners::Listeners;
use crate::server::reload_thread::ReloadThread;
use crate::server::serve::{ServeOptions, serve_until_signal};
use crate::server::signals::Signals;
use crate::server::socket_activation;
use crate::server::tls::Tls;
use crate::server::workers::Workers;
use crate::storefront::Storefront;
use crate::tenants::{Prober, ServedTenants, SharedSettings};
use crate::{app, banner};

/// Limit for idle connections to the tenants, of all threads together: a quarter of the default
/// `--max-in-flight`.
const MAX_IDLE: usize = 256;

/// Runs the server until a signal ends it.
pub(crate) fn start(log: &LogWriter) -> Result<(), Failure> {
    let config = match Config::parse(env::args_os(), env::vars_os()) {
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
    let threads = config.server.threads;
    let threads = threads.or(thread::available_parallelism().ok());
    let threads = threads.unwrap_or(NonZeroUsize::MIN);
    let connections = connection_limits(&config, threads);
    // This runtime accepts connections and maintains the tenants. The workers serve requests.
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::serving(format!("cannot start the runtime: {error}")))?;
    let result = runtime.block_on(run(&config, threads, connections, log));
    // Does not wait for look-ups of names in its threads.
    runtime.shutdown_background();
    result
}

fn init_log(config: &Config, writer: LogWriter) {
    let log = tracing_subscriber::fmt()
        .with_env_filter(config.server.log_filter())
        .with_writer(writer)
        // Such errors would be written to stderr directly.
        .log_internal_errors(false)
        .with_ansi(false);
    failure::set_format(config.server.log_format);
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
    let is_remote = config.is_remote();
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
    // The connections of each tenant to Redis: one for commands, one for the subscription.
    let redis = config.server.revocations.redis.as_ref();
    let reserved = redis.map_or(0, |_| 2 * config.tenants.len());
    let fitting = wanted.fit(descriptors, reserved, threads);
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

/// Builds the clients of the tenants, and serves.
async fn run(
    config: &Config,
    threads: NonZeroUsize,
    connections: Connections,
    log: &LogWriter,
) -> Result<(), Failure> {
    let limits = Limits {
        connections: connections.clients,
        ..config.server.limits
    };
    // Calls of the sandbox use no descriptors.
    let max_in_flight = match config.is_remote() {
        true => connections.tenant_calls,
        false => config.server.max_in_flight,
    };
    let shared = SharedSettings {
        server: config.server.clone(),
        random_key: random_key().map_err(Failure::serving)?,
        budget: CallBudget::new(max_in_flight),
        max_in_flight,
        runtime: Handle::current(),
    };
    match config.tenants.first().and_then(|tenant| tenant.sandbox()) {
        Some(sandbox) => {
            let clients = Clients::sandbox(sandbox);
            serve(clients, config, shared, threads, limits, log).await
        }
        None => {
            let clients = Clients::http(&config.server, connections.tenant_idle, threads)?;
            serve(clients, config, shared, threads, limits, log).await
        }
    }
}

/// Starts the workers and the listeners, and serves.
async fn serve<C>(
    clients: Clients<C>,
    config: &Config,
    shared: SharedSettings,
    threads: NonZeroUsize,
    limits: Limits,
    log: &LogWriter,
) -> Result<(), Failure>
where
    OmneoIdTenants<C>: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    OmneoIdTenants<C>: Clone + Send + Sync + 'static,
    <OmneoIdTenants<C> as Service<Request<Body>>>::Future: Send,
    OmneoId<C>: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    OmneoId<C>: Send + 'static,
    <OmneoId<C> as Service<Request<Body>>>::Future: Send,
    C: Clone + Send + Sync + 'static,
{
    let server = &config.server;
    let tenants = Arc::new(ServedTenants::new(config, &shared).map_err(Failure::usage)?);
    let service = tenants.service(clients.of_probes.clone());
    let is_draining = Arc::new(AtomicBool::new(false));
    let prober = Arc::new(Prober::new(clients.of_probes.clone()));
    let admin = AdminRoutes::new(
        Health::new(
            Arc::clone(&tenants),
            Arc::clone(&prober),
            Arc::clone(&is_draining),
        ),
        OpenApi::new(tenants.all().first().map_or("", |tenant| tenant.mount())),
        tenants
            .single()
            .and_then(|tenant| Storefront::new(&service, &tenant.config, tenant.id.issuer())),
    );
    let admin = Arc::new(admin);
    let request_log = RequestLogLayer::new(RandomState::new(), server.log_client_address);
    let (mut of_threads, mut counts) = (vec![clients.of_probes], Vec::new());
    let workers = Workers::start(threads, || {
        let client = (clients.of_thread)().map_err(io::Error::other)?;
        of_threads.push(client.clone());
        let request_log = if server.metrics_listen.is_some() {
            let count = Arc::new(ThreadCounts::default());
            count.set_tenants(&tenants.labels());
            counts.push(Arc::clone(&count));
            request_log.with_counts(count)
        } else {
            request_log.clone()
        };
        let service = service.with_client(client);
        let (admin, tenants) = (Arc::clone(&admin), Arc::clone(&tenants));
        Ok(app::stack(service, admin, request_log, tenants))
    });
    let workers = workers
        .map_err(|error| Failure::serving(format!("cannot start the worker threads: {error}")))?;
    // Before the listeners: a client that can connect can expect a graceful shutdown.
    let signals = Signals::catch();
    let signals =
        signals.map_err(|error| Failure::serving(format!("cannot receive signals: {error}")))?;
    let tls = server.tls.as_ref().map(Tls::load).transpose();
    let tls = tls.map_err(Failure::usage)?.map(Arc::new);
    let inherited = socket_activation::take_listeners();
    let inherited = inherited
        .map_err(|error| Failure::serving(format!("cannot use an inherited socket: {error}")))?;
    let listeners = Listeners::bind(inherited, &server.listen).await;
    let listeners = listeners.map_err(Failure::serving)?;
    let metrics = match &server.metrics_listen {
        None => None,
        Some(address) => {
            let stats = clients.stats;
            let metrics = Metrics {
                counts: counts.clone(),
                connections: workers.connection_counters(),
                client: Box::new(move || of_threads.iter().map(stats).sum()),
                log: log.clone(),
            };
            let (tenants, prober) = (Arc::clone(&tenants), prober);
            let sources = Sources {
                metrics,
                tenants,
                prober,
            };
            let started = scrape::start(address, sources)
                .await
                .map_err(|error| Failure::serving(format!("cannot listen on {address}: {error}")));
            Some(started?)
        }
    };
    log_start(config, &listeners, threads);
    tenants.log();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let banner = banner::text(listeners.addresses(), scheme, metrics, &tenants.all());
    // In a thread of its own: a full pipe at stdout must not block the start.
    let _ = thread::Builder::new().spawn(move || print(&banner));
    let mut reload = Reload {
        tenants,
        service,
        shared,
        is_remote: config.is_remote(),
        tls: tls.clone(),
        counts,
    };
    let reload_thread = ReloadThread::start(move || reload.run());
    let reload_thread = reload_thread
        .map_err(|error| Failure::serving(format!("cannot start a thread: {error}")))?;
    let options = ServeOptions {
        limits,
        tls,
        trusted_proxies: server.trusted_proxies().map_err(Failure::usage)?,
        is_draining,
        reload_thread,
    };
    serve_until_signal(listeners, signals, &workers, options).await;
    Ok(())
}

/// One event with the settings that an operator checks first.
fn log_start(config: &Config, listeners: &Listeners, threads: NonZeroUsize) {
    let tenants = &config.tenants;
    if tenants.iter().any(|tenant| tenant.keys.signing.is_none()) {
        warn!("no signing key is set: tokens are valid only in this process, until it ends");
    }
    let addresses = listeners.addresses().iter().map(ToString::to_string);
    let tenants = tenants.iter().map(|tenant| {
        let access = tenant.access.as_ref();
        // Open: a customer's own token can do whatever the API token can.
        let access = access.map_or_else(|| "open".to_owned(), ToString::to_string);
        format!("{}={} access:{access}", tenant.key, tenant.location())
    });
    info!(
        version = env!("CARGO_PKG_VERSION"),
        addresses = addresses.collect::<Vec<_>>().join(","),
        tls = config.server.tls.is_some(),
        threads,
        tenants = tenants.collect::<Vec<_>>().join(", "),
        "Omneo ID has started"
    );
}

/// Prints to stdout, which may be closed.
fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}
