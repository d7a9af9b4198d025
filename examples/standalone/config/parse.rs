//! Checks the arguments and fills in the defaults.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use omneo_id::sandbox::Sandbox;
use omneo_id::{ApiToken, Tenant};
use tracing_subscriber::EnvFilter;

use super::arguments::{Arguments, Parsed};
use super::model::{Config, Limits, LogFormat};
use super::{secrets, sessions, values};
use crate::cors::{self, Cors};

/// The origin of the embedded sandbox. No request is sent to it.
const SANDBOX_ORIGIN: &str = "http://127.0.0.1";
/// Upper bounds against typing errors, far above useful values.
const MAX_THREADS: usize = 1024;
const MAX_CONNECTIONS: usize = 1_000_000;
const MAX_TOKENS: usize = 1_000_000;

/// Flags that configure a tenant. They are rejected without `--upstream` or `--sandbox`.
const TENANT_FLAGS: [&str; 7] = [
    "api-token",
    "api-token-file",
    "signing-key",
    "signing-key-file",
    "upstream-base",
    "webhook-secret",
    "webhook-secret-file",
];

impl Config {
    /// Parses the command line, and environment variables for the flags that it omits.
    ///
    /// # Errors
    /// If a flag or a variable is invalid. The message is one line and contains no secret.
    pub(crate) fn parse(
        argv: impl IntoIterator<Item = OsString>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Parsed<Self>, String> {
        match Arguments::parse(argv, environment)? {
            Parsed::Serve(arguments) => {
                let config = check(&arguments)?;
                Ok(Parsed::Serve(Box::new(config)))
            }
            Parsed::Print(text) => Ok(Parsed::Print(text)),
        }
    }
}

fn check(arguments: &Arguments) -> Result<Config, String> {
    let flags = &arguments.flags;
    let listen = flags.listen.as_deref().unwrap_or("127.0.0.1:8080");
    let listen = values::address(listen).map_err(arguments.invalid("listen"))?;
    let metrics_listen = flags.metrics_listen.as_deref().map(values::address);
    let metrics_listen = metrics_listen
        .transpose()
        .map_err(arguments.invalid("metrics-listen"))?;

    require_tenant(arguments)?;
    let api_token = secrets::api_token(arguments)?;
    let public_token = match &api_token {
        None if flags.upstream.is_none() => Some(Sandbox::API_TOKEN),
        _ => None,
    };
    let api_token = api_token.unwrap_or_else(|| Sandbox::API_TOKEN.to_owned());
    let tenant = tenant(arguments, &api_token)?;
    let sandbox = flags.upstream.is_none().then(|| {
        let base = tenant.base_path();
        Sandbox::builder()
            .base_path(base)
            .api_token(&*api_token)
            .build()
    });
    let signing_key = secrets::signing_key(arguments)?;
    let key_is_random = signing_key.is_none();
    let signing_key = match signing_key {
        Some(key) => key,
        None => secrets::random_key()?,
    };
    let threads = number(arguments, "threads", &flags.threads, 1..=MAX_THREADS)?;
    let token_cache = number(arguments, "token-cache", &flags.token_cache, 0..=MAX_TOKENS)?;
    let token_ttl = duration(
        arguments,
        "token-ttl",
        &flags.token_ttl,
        60 * 60,
        values::duration,
    )?;
    let mut warnings = arguments.warnings.clone();
    let sessions = sessions::sessions(arguments, &tenant, token_ttl, &mut warnings)?;
    Ok(Config {
        listen,
        tenant,
        api_token,
        sandbox,
        public_token,
        signing_key,
        key_is_random,
        token_ttl,
        token_cache: token_cache.unwrap_or(1024),
        sessions: Arc::new(sessions),
        cors: cors(arguments, &mut warnings)?,
        via: flags.via,
        mount: flags.mount.as_deref().unwrap_or("/id/api/v1").to_owned(),
        threads: threads.and_then(NonZeroUsize::new),
        limits: limits(arguments)?,
        log: log_filter(arguments)?,
        log_format: log_format(arguments)?,
        metrics_listen,
        warnings,
    })
}

/// Requires that the tenant is named: a mistyped `--upstream` must not serve the sandbox in
/// production.
fn require_tenant(arguments: &Arguments) -> Result<(), String> {
    let flags = &arguments.flags;
    if flags.upstream.is_some() {
        if arguments.has("api-token") || arguments.has("api-token-file") {
            return Ok(());
        }
        let problem = "needs the tenant's API token: --api-token or OMNEO_ID_API_TOKEN";
        return Err(format!("{} {problem}", arguments.name("upstream")));
    }
    match TENANT_FLAGS.iter().find(|flag| arguments.has(flag)) {
        Some(flag) if !flags.sandbox => Err(format!(
            "{} is given without a tenant: add --upstream or OMNEO_ID_UPSTREAM, \
             or --sandbox for the embedded tenant",
            arguments.name(flag)
        )),
        _ => Ok(()),
    }
}

fn tenant(arguments: &Arguments, api_token: &str) -> Result<Tenant, String> {
    let flags = &arguments.flags;
    let flag = if flags.api_token_file.is_some() {
        "api-token-file"
    } else {
        "api-token"
    };
    let api_token =
        ApiToken::new(api_token).map_err(|error| format!("{}: {error}", arguments.name(flag)))?;
    let origin = flags.upstream.as_deref().unwrap_or(SANDBOX_ORIGIN);
    let base = flags.upstream_base.as_deref();
    Tenant::new(origin, api_token)
        .map_err(|error| format!("{}: {error}", arguments.name("upstream")))?
        .with_base_path(base.unwrap_or(Tenant::DEFAULT_BASE_PATH))
        .map_err(|error| format!("{}: {error}", arguments.name("upstream-base")))
}

fn limits(arguments: &Arguments) -> Result<Limits, String> {
    let flags = &arguments.flags;
    let connections = &flags.max_connections;
    let connections = number(
        arguments,
        "max-connections",
        connections,
        1..=MAX_CONNECTIONS,
    )?;
    Ok(Limits {
        idle: duration(
            arguments,
            "idle-timeout",
            &flags.idle_timeout,
            75,
            values::timeout,
        )?,
        header: duration(
            arguments,
            "header-timeout",
            &flags.header_timeout,
            30,
            values::timeout,
        )?,
        write: duration(
            arguments,
            "write-timeout",
            &flags.write_timeout,
            30,
            values::timeout,
        )?,
        drain: duration(
            arguments,
            "drain-timeout",
            &flags.drain_timeout,
            10,
            values::duration,
        )?,
        connections: connections.unwrap_or(4096),
    })
}

fn cors(arguments: &Arguments, warnings: &mut Vec<String>) -> Result<Option<Cors>, String> {
    let flags = &arguments.flags;
    let origins = cors::parse_origins(&flags.cors_origin);
    let origins = origins.map_err(arguments.invalid("cors-origin"))?;
    let headers = cors::header_names(&flags.cors_header);
    let headers = headers.map_err(arguments.invalid("cors-header"))?;
    let exposed = cors::header_names(&flags.cors_expose);
    let exposed = exposed.map_err(arguments.invalid("cors-expose"))?;
    let Some(origins) = origins else {
        for flag in ["cors-header", "cors-expose"] {
            if arguments.has(flag) {
                warnings.push(format!(
                    "{} has no effect without --cors-origin",
                    arguments.name(flag)
                ));
            }
        }
        return Ok(None);
    };
    Ok(Some(Cors::new(origins, headers, exposed)))
}

fn log_filter(arguments: &Arguments) -> Result<EnvFilter, String> {
    let filter = arguments.flags.log.as_deref();
    let filter = filter.filter(|filter| !filter.is_empty()).unwrap_or("info");
    EnvFilter::try_new(filter)
        .map_err(|error| format!("{filter:?} is not a log filter: {error}"))
        .map_err(arguments.invalid("log"))
}

fn log_format(arguments: &Arguments) -> Result<LogFormat, String> {
    match arguments.flags.log_format.as_deref() {
        None | Some("text") => Ok(LogFormat::Text),
        Some("json") => Ok(LogFormat::Json),
        Some(other) => {
            let problem = format!("{other:?} is neither text nor json");
            Err(arguments.invalid("log-format")(problem))
        }
    }
}

/// The duration of a flag, or this number of seconds. `parse` accepts zero or rejects it.
fn duration(
    arguments: &Arguments,
    flag: &str,
    text: &Option<String>,
    default: u64,
    parse: fn(&str) -> Result<Duration, String>,
) -> Result<Duration, String> {
    match text {
        None => Ok(Duration::from_secs(default)),
        Some(text) => parse(text).map_err(arguments.invalid(flag)),
    }
}

/// The number of a flag, if it is set.
fn number(
    arguments: &Arguments,
    flag: &str,
    text: &Option<String>,
    range: RangeInclusive<usize>,
) -> Result<Option<usize>, String> {
    let number = text.as_deref().map(|text| values::number(text, range));
    number.transpose().map_err(arguments.invalid(flag))
}
