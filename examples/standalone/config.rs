//! Flags and variables: what they mean, and what is wrong with them in one line.

use std::ffi::OsString;
use std::fs;
use std::net::ToSocketAddrs;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser};
use omneo_id::keys::SigningKey;
use omneo_id::sandbox::Sandbox;
use omneo_id::{ApiToken, Tenant};
use tracing_subscriber::EnvFilter;

use crate::cors::Cors;

/// Omneo ID in front of a tenant, or of the embedded sandbox.
///
/// Flags win over variables. Secrets are better kept in variables or files: flags can be read in
/// the list of processes.
#[derive(Parser)]
#[command(name = "standalone", version)]
struct Flags {
    /// Address to serve on. Default is 127.0.0.1:8080.
    #[arg(long, env = "OMNEO_ID_LISTEN", value_name = "ADDRESS")]
    listen: Option<String>,

    /// The tenant's origin, https://api.acme.getomneo.com. Default is the embedded sandbox.
    #[arg(long, env = "OMNEO_UPSTREAM", value_name = "ORIGIN")]
    upstream: Option<String>,

    /// Base path of the tenant's API. Default is /api/v3.
    #[arg(long, env = "OMNEO_UPSTREAM_BASE", value_name = "PATH")]
    upstream_base: Option<String>,

    /// The tenant's API token. Default is the sandbox's.
    #[arg(
        long,
        env = "OMNEO_API_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true
    )]
    api_token: Option<String>,

    /// HS256 secret that signs ID tokens, at least 32 bytes. Default is a random one per start.
    #[arg(
        long,
        env = "OMNEO_ID_SIGNING_KEY",
        value_name = "SECRET",
        hide_env_values = true
    )]
    signing_key: Option<String>,

    /// File with the key that signs ID tokens: PEM (EdDSA, ES256, RS256), or a secret.
    #[arg(long, env = "OMNEO_ID_SIGNING_KEY_FILE", value_name = "FILE")]
    signing_key_file: Option<PathBuf>,

    /// Life of ID tokens, as 1h or 900s. Default is 1h.
    #[arg(long, env = "OMNEO_ID_TOKEN_TTL", value_name = "DURATION")]
    token_ttl: Option<String>,

    /// Browser origins that may call, repeatable or comma-separated; * for any. Default is none.
    #[arg(
        long,
        env = "OMNEO_ID_CORS_ORIGINS",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    cors_origin: Vec<String>,

    /// Path prefix of the service. Default is /id/api/v1.
    #[arg(long, env = "OMNEO_ID_MOUNT", value_name = "PATH")]
    mount: Option<String>,

    /// Worker threads. Default is one per core.
    #[arg(long, env = "OMNEO_ID_THREADS", value_name = "NUMBER")]
    threads: Option<String>,

    /// How long a connection may be idle between two requests. Default is 75s.
    #[arg(long, env = "OMNEO_ID_IDLE_TIMEOUT", value_name = "DURATION")]
    idle_timeout: Option<String>,

    /// How long the first request, and any unfinished head, may take to arrive. Default is 30s.
    #[arg(long, env = "OMNEO_ID_HEADER_TIMEOUT", value_name = "DURATION")]
    header_timeout: Option<String>,

    /// How long a client may take nothing of its answer. Default is 30s.
    #[arg(long, env = "OMNEO_ID_WRITE_TIMEOUT", value_name = "DURATION")]
    write_timeout: Option<String>,

    /// How long requests under way may take to finish after SIGTERM. Default is 10s.
    #[arg(long, env = "OMNEO_ID_DRAIN_TIMEOUT", value_name = "DURATION")]
    drain_timeout: Option<String>,

    /// Connections at one time; further ones wait. Default is 4096.
    #[arg(long, env = "OMNEO_ID_MAX_CONNECTIONS", value_name = "NUMBER")]
    max_connections: Option<String>,

    /// How many verified tokens are remembered, at least; 0 is none. Default is 1024.
    #[arg(long, env = "OMNEO_ID_TOKEN_CACHE", value_name = "NUMBER")]
    token_cache: Option<String>,

    /// Log filter, as info or omneo_id=debug. Default is info.
    #[arg(long, env = "RUST_LOG", value_name = "FILTER")]
    log: Option<String>,

    /// How the log is written, text or json. Default is text.
    #[arg(long, env = "OMNEO_ID_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<String>,

    /// Address to serve /metrics on, for Prometheus; it is for no public network. Default is none.
    #[arg(long, env = "OMNEO_ID_METRICS_LISTEN", value_name = "ADDRESS")]
    metrics_listen: Option<String>,
}

/// What to do, as far as the command line says.
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
    pub(crate) cors: Cors,
    pub(crate) mount: String,
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) limits: Limits,
    pub(crate) log: EnvFilter,
    pub(crate) log_format: LogFormat,
    /// `None`: nothing is counted.
    pub(crate) metrics_listen: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    /// One object a line.
    Json,
}

/// What a stranger cannot go beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// How long a connection may be idle between two requests.
    pub(crate) idle: Duration,
    /// How long the first request, and any unfinished head, may take to arrive.
    pub(crate) header: Duration,
    /// How long a client may take nothing of what there is for it.
    pub(crate) write: Duration,
    /// How long requests under way may take once we are told to end.
    pub(crate) drain: Duration,
    /// Connections at one time.
    pub(crate) connections: usize,
}

/// The origin that the embedded sandbox answers to; nothing is ever sent there.
const SANDBOX_ORIGIN: &str = "http://127.0.0.1";
const MAX_THREADS: usize = 1024;
const MAX_CONNECTIONS: usize = 1_000_000;
const MAX_TOKENS: usize = 1_000_000;

impl Config {
    /// Reads the command line, and the variables for what it leaves open.
    pub(crate) fn parse(argv: impl IntoIterator<Item = OsString>) -> Result<Parsed, String> {
        let matches = match Flags::command().try_get_matches_from(argv) {
            Ok(matches) => matches,
            Err(error) if !error.use_stderr() => return Ok(Parsed::Print(error.to_string())),
            Err(error) => return Err(one_line(&error)),
        };
        let flags = Flags::from_arg_matches(&matches).map_err(|error| one_line(&error))?;
        Self::check(flags, &matches).map(|config| Parsed::Serve(Box::new(config)))
    }

    fn check(flags: Flags, matches: &ArgMatches) -> Result<Self, String> {
        let name = |id| named(matches, id);
        let listen = flags.listen.unwrap_or_else(|| "127.0.0.1:8080".to_owned());
        check_address(&listen).map_err(|problem| format!("{} {problem}", name("listen")))?;
        let metrics_listen = flags.metrics_listen;
        if let Some(address) = &metrics_listen {
            check_address(address)
                .map_err(|problem| format!("{} {problem}", name("metrics_listen")))?;
        }

        let base = flags.upstream_base;
        let base = base.as_deref().unwrap_or(Tenant::DEFAULT_BASE_PATH);
        let public_token = match (&flags.upstream, &flags.api_token) {
            (None, None) => Some(Sandbox::API_TOKEN),
            (Some(_), None) => {
                let problem = "needs the tenant's API token: --api-token or OMNEO_API_TOKEN";
                return Err(format!("{} {problem}", name("upstream")));
            }
            _ => None,
        };
        let token = flags
            .api_token
            .as_deref()
            .or(public_token)
            .unwrap_or_default();
        let api_token =
            ApiToken::new(token).map_err(|error| format!("{}: {error}", name("api_token")))?;
        let origin = flags.upstream.as_deref().unwrap_or(SANDBOX_ORIGIN);
        let tenant = Tenant::new(origin, api_token)
            .map_err(|error| format!("{}: {error}", name("upstream")))?
            .with_base_path(base)
            .map_err(|error| format!("{}: {error}", name("upstream_base")))?;
        let sandbox = flags.upstream.is_none().then(|| {
            let base = tenant.base_path();
            Sandbox::builder().base_path(base).api_token(token).build()
        });

        let given = signing_key(flags.signing_key, flags.signing_key_file, matches)?;
        let key_is_random = given.is_none();
        let signing_key = match given {
            Some(key) => key,
            None => random_key()?,
        };
        let time = |text: Option<&str>, id, default| match text {
            None => Ok(Duration::from_secs(default)),
            Some(text) => humantime::parse_duration(text)
                .map_err(|_| format!("{} {text:?} is no time like 1h or 900s", name(id))),
        };
        // Nothing could be done in no time at all.
        let limit = |text: Option<&str>, id, default| match time(text, id, default)? {
            Duration::ZERO => Err(format!("{} must be more than nothing", name(id))),
            limit => Ok(limit),
        };
        let number = |text: Option<&str>, id, range: RangeInclusive<usize>| {
            let Some(text) = text else {
                return Ok(None);
            };
            let number = text.parse().ok().filter(|number| range.contains(number));
            number.map(Some).ok_or_else(|| {
                let (least, most) = range.into_inner();
                format!("{} {text:?} is no number from {least} to {most}", name(id))
            })
        };
        let token_ttl = time(flags.token_ttl.as_deref(), "token_ttl", 60 * 60)?;
        let limits = Limits {
            idle: limit(flags.idle_timeout.as_deref(), "idle_timeout", 75)?,
            header: limit(flags.header_timeout.as_deref(), "header_timeout", 30)?,
            write: limit(flags.write_timeout.as_deref(), "write_timeout", 30)?,
            drain: time(flags.drain_timeout.as_deref(), "drain_timeout", 10)?,
            connections: number(
                flags.max_connections.as_deref(),
                "max_connections",
                1..=MAX_CONNECTIONS,
            )?
            .unwrap_or(4096),
        };
        let token_cache = number(flags.token_cache.as_deref(), "token_cache", 0..=MAX_TOKENS)?;
        let cors = Cors::parse(&flags.cors_origin)
            .map_err(|problem| format!("{} {problem}", name("cors_origin")))?;
        let threads = number(flags.threads.as_deref(), "threads", 1..=MAX_THREADS)?;
        let filter = flags.log.filter(|filter| !filter.is_empty());
        let filter = filter.as_deref().unwrap_or("info");
        let log = EnvFilter::try_new(filter)
            .map_err(|error| format!("{} {filter:?} is no log filter: {error}", name("log")))?;
        let log_format = match flags.log_format.as_deref() {
            None | Some("text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            Some(other) => {
                let name = name("log_format");
                return Err(format!("{name} {other:?} is neither text nor json"));
            }
        };
        let mount = flags.mount.unwrap_or_else(|| "/id/api/v1".to_owned());
        Ok(Self {
            listen,
            tenant,
            api_token: token.to_owned(),
            sandbox,
            public_token,
            signing_key,
            key_is_random,
            token_ttl,
            token_cache: token_cache.unwrap_or(1024),
            cors,
            mount,
            threads: threads.and_then(NonZeroUsize::new),
            limits,
            log,
            log_format,
            metrics_listen,
        })
    }
}

fn check_address(address: &str) -> Result<(), String> {
    let checked = address.to_socket_addrs();
    let hint = "not an address like 127.0.0.1:8080";
    checked
        .map(drop)
        .map_err(|error| format!("{address:?} is {hint}: {error}"))
}

/// The key, of the flag, the file or neither; of both, the one from the command line.
fn signing_key(
    secret: Option<String>,
    file: Option<PathBuf>,
    matches: &ArgMatches,
) -> Result<Option<SigningKey>, String> {
    let typed = |id| matches.value_source(id) == Some(ValueSource::CommandLine);
    match (secret, file) {
        (None, None) => Ok(None),
        (Some(secret), file)
            if file.is_none() || typed("signing_key") && !typed("signing_key_file") =>
        {
            SigningKey::hs256(secret)
                .map(Some)
                .map_err(|error| format!("{}: {error}", named(matches, "signing_key")))
        }
        (secret, Some(file))
            if secret.is_none() || typed("signing_key_file") && !typed("signing_key") =>
        {
            key_of_file(&file)
                .map(Some)
                .map_err(|problem| format!("{} {problem}", named(matches, "signing_key_file")))
        }
        _ => Err("give --signing-key or --signing-key-file, not both".to_owned()),
    }
}

fn key_of_file(file: &Path) -> Result<SigningKey, String> {
    let path = file.display();
    let content = fs::read(file).map_err(|error| format!("cannot read {path}: {error}"))?;
    let text = content.trim_ascii();
    let key = if text.starts_with(b"-----BEGIN") {
        SigningKey::from_pem(text)
    } else {
        SigningKey::hs256(text)
    };
    key.map_err(|error| format!("{path}: {error}"))
}

fn random_key() -> Result<SigningKey, String> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| format!("no randomness for a key: {error}"))?;
    SigningKey::hs256(secret).map_err(|error| error.to_string())
}

/// The flag or the variable, whichever the value came from.
fn named(matches: &ArgMatches, id: &str) -> String {
    let command = Flags::command();
    let variable = command
        .get_arguments()
        .find(|argument| argument.get_id() == id)
        .and_then(|argument| argument.get_env())
        .map(|name| name.to_string_lossy().into_owned());
    match (matches.value_source(id), variable) {
        (Some(ValueSource::EnvVariable), Some(variable)) => variable,
        _ => format!("--{}", id.replace('_', "-")),
    }
}

/// What is wrong, without the usage that `clap` adds in further paragraphs.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().take_while(|line| !line.trim().is_empty());
    let line = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}
