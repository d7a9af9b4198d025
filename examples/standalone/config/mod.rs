//! The configuration: from flags and variables to checked values.

mod flags;
mod given;
mod secrets;
mod values;
mod variables;

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::time::Duration;

use omneo_id::keys::SigningKey;
use omneo_id::sandbox::Sandbox;
use omneo_id::{ApiToken, Tenant};
use tracing_subscriber::EnvFilter;

use self::given::{Command, Given};
use crate::cors::{self, Cors};

/// What the command line asks for.
pub(crate) enum Parsed {
    Serve(Box<Config>),
    /// `--help` and `--version`.
    Print(String),
}

/// Everything that was asked for, checked.
pub(crate) struct Config {
    pub(crate) listen: String,
    pub(crate) tenant: Tenant,
    pub(crate) api_token: String,
    /// What answers as the tenant, unless the tenant is called over the network.
    pub(crate) sandbox: Option<Sandbox>,
    /// An API token that everybody may read: the sandbox's own.
    pub(crate) public_token: Option<&'static str>,
    pub(crate) signing_key: SigningKey,
    pub(crate) key_is_random: bool,
    pub(crate) token_ttl: Duration,
    /// How many verified tokens are remembered.
    pub(crate) token_cache: usize,
    /// `None`: no page of another origin may call.
    pub(crate) cors: Option<Cors>,
    /// Whether the tenant is told of this server in `Via`.
    pub(crate) via: bool,
    pub(crate) mount: String,
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) limits: Limits,
    pub(crate) log: EnvFilter,
    pub(crate) log_format: LogFormat,
    /// `None`: nothing is counted.
    pub(crate) metrics_listen: Option<String>,
    /// To be logged.
    pub(crate) warnings: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    /// One object a line.
    Json,
}

/// Limits of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// How long a connection may be idle between two requests.
    pub(crate) idle: Duration,
    /// How long the first request, and any unfinished head, may take to arrive.
    pub(crate) header: Duration,
    /// How long a client may leave its answer unread.
    pub(crate) write: Duration,
    /// How long requests in flight may take after SIGTERM.
    pub(crate) drain: Duration,
    /// The greatest number of concurrent connections.
    pub(crate) connections: usize,
}

/// The origin that the embedded sandbox answers to; nothing is ever sent there.
const SANDBOX_ORIGIN: &str = "http://127.0.0.1";
const MAX_THREADS: usize = 1024;
const MAX_CONNECTIONS: usize = 1_000_000;
const MAX_TOKENS: usize = 1_000_000;

/// Flags that say something about a tenant: without one they are a mistake.
const OF_A_TENANT: [&str; 5] = [
    "api-token",
    "api-token-file",
    "signing-key",
    "signing-key-file",
    "upstream-base",
];

impl Config {
    /// Reads the command line, and variables of the environment for the flags that it leaves out.
    ///
    /// # Errors
    /// If a flag or a variable makes no sense, in one line that holds no secret.
    pub(crate) fn parse(
        argv: impl IntoIterator<Item = OsString>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Parsed, String> {
        match Given::read(argv, environment)? {
            Command::Serve(given) => {
                let config = Self::check(&given)?;
                Ok(Parsed::Serve(Box::new(config)))
            }
            Command::Print(text) => Ok(Parsed::Print(text)),
        }
    }

    fn check(given: &Given) -> Result<Self, String> {
        let flags = &given.flags;
        let named = |flag| move |problem| format!("{} {problem}", given.name(flag));
        let listen = flags.listen.as_deref().unwrap_or("127.0.0.1:8080");
        let listen = values::address(listen).map_err(named("listen"))?;
        let metrics_listen = flags.metrics_listen.as_deref().map(values::address);
        let metrics_listen = metrics_listen
            .transpose()
            .map_err(named("metrics-listen"))?;

        check_tenant(given)?;
        let api_token = secrets::api_token(given)?;
        let public_token = match &api_token {
            None if flags.upstream.is_none() => Some(Sandbox::API_TOKEN),
            _ => None,
        };
        let api_token = api_token.unwrap_or_else(|| Sandbox::API_TOKEN.to_owned());
        let tenant = tenant(given, &api_token)?;
        let sandbox = flags.upstream.is_none().then(|| {
            let base = tenant.base_path();
            Sandbox::builder()
                .base_path(base)
                .api_token(&*api_token)
                .build()
        });
        let signing_key = secrets::signing_key(given)?;
        let key_is_random = signing_key.is_none();
        let signing_key = match signing_key {
            Some(key) => key,
            None => secrets::random_key()?,
        };

        let filter = flags.log.as_deref().filter(|filter| !filter.is_empty());
        let filter = filter.unwrap_or("info");
        let log = EnvFilter::try_new(filter)
            .map_err(|error| format!("{filter:?} is not a log filter: {error}"))
            .map_err(named("log"))?;
        let log_format = match flags.log_format.as_deref() {
            None | Some("text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            Some(other) => {
                let problem = format!("{other:?} is neither text nor json");
                return Err(named("log-format")(problem));
            }
        };
        let duration = |flag, text: &Option<String>, default| match text {
            None => Ok(Duration::from_secs(default)),
            Some(text) => values::duration(text).map_err(named(flag)),
        };
        let number = |flag, text: &Option<String>, range| {
            let number = text.as_deref().map(|text| values::number(text, range));
            number.transpose().map_err(named(flag))
        };
        let threads = number("threads", &flags.threads, 1..=MAX_THREADS)?;
        let token_cache = number("token-cache", &flags.token_cache, 0..=MAX_TOKENS)?;
        let mut warnings = given.warnings.clone();
        Ok(Self {
            listen,
            tenant,
            api_token,
            sandbox,
            public_token,
            signing_key,
            key_is_random,
            token_ttl: duration("token-ttl", &flags.token_ttl, 60 * 60)?,
            token_cache: token_cache.unwrap_or(1024),
            cors: cors(given, &mut warnings)?,
            via: flags.via,
            mount: flags.mount.as_deref().unwrap_or("/id/api/v1").to_owned(),
            threads: threads.and_then(NonZeroUsize::new),
            limits: limits(given)?,
            log,
            log_format,
            metrics_listen,
            warnings,
        })
    }
}

/// A mistyped `--upstream` must not turn production into a demonstration.
fn check_tenant(given: &Given) -> Result<(), String> {
    let flags = &given.flags;
    if flags.upstream.is_some() {
        if given.has("api-token") || given.has("api-token-file") {
            return Ok(());
        }
        let problem = "needs the tenant's API token: --api-token or OMNEO_ID_API_TOKEN";
        return Err(format!("{} {problem}", given.name("upstream")));
    }
    match OF_A_TENANT.iter().find(|flag| given.has(flag)) {
        Some(flag) if !flags.sandbox => Err(format!(
            "{} is given, but no tenant: add --upstream or OMNEO_ID_UPSTREAM, \
             or --sandbox for the embedded tenant",
            given.name(flag)
        )),
        _ => Ok(()),
    }
}

fn tenant(given: &Given, api_token: &str) -> Result<Tenant, String> {
    let flags = &given.flags;
    let flag = if flags.api_token_file.is_some() {
        "api-token-file"
    } else {
        "api-token"
    };
    let api_token =
        ApiToken::new(api_token).map_err(|error| format!("{}: {error}", given.name(flag)))?;
    let origin = flags.upstream.as_deref().unwrap_or(SANDBOX_ORIGIN);
    let base = flags.upstream_base.as_deref();
    Tenant::new(origin, api_token)
        .map_err(|error| format!("{}: {error}", given.name("upstream")))?
        .with_base_path(base.unwrap_or(Tenant::DEFAULT_BASE_PATH))
        .map_err(|error| format!("{}: {error}", given.name("upstream-base")))
}

fn limits(given: &Given) -> Result<Limits, String> {
    let flags = &given.flags;
    let named = |flag| move |problem| format!("{} {problem}", given.name(flag));
    let timeout = |flag, text: &Option<String>, default| match text {
        None => Ok(Duration::from_secs(default)),
        Some(text) => values::timeout(text).map_err(named(flag)),
    };
    Ok(Limits {
        idle: timeout("idle-timeout", &flags.idle_timeout, 75)?,
        header: timeout("header-timeout", &flags.header_timeout, 30)?,
        write: timeout("write-timeout", &flags.write_timeout, 30)?,
        drain: match &flags.drain_timeout {
            None => Duration::from_secs(10),
            Some(text) => values::duration(text).map_err(named("drain-timeout"))?,
        },
        connections: match &flags.max_connections {
            None => 4096,
            Some(text) => {
                values::number(text, 1..=MAX_CONNECTIONS).map_err(named("max-connections"))?
            }
        },
    })
}

fn cors(given: &Given, warnings: &mut Vec<String>) -> Result<Option<Cors>, String> {
    let flags = &given.flags;
    let named = |flag| move |problem| format!("{} {problem}", given.name(flag));
    let origins = cors::origins(&flags.cors_origin).map_err(named("cors-origin"))?;
    let headers = cors::header_names(&flags.cors_header).map_err(named("cors-header"))?;
    let exposed = cors::header_names(&flags.cors_expose).map_err(named("cors-expose"))?;
    let Some(origins) = origins else {
        for flag in ["cors-header", "cors-expose"] {
            if given.has(flag) {
                warnings.push(format!(
                    "{} has no effect without --cors-origin",
                    given.name(flag)
                ));
            }
        }
        return Ok(None);
    };
    Ok(Some(Cors::new(origins, headers, exposed)))
}
