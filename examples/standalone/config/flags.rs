//! The flags. Each has an environment variable: `OMNEO_ID_TOKEN_TTL` for `--token-ttl`.

use std::path::PathBuf;

use clap::{Command, CommandFactory, Parser};

use super::variables;

/// Omneo ID in front of a tenant, or of the embedded sandbox.
///
/// Flags override environment variables. Set secrets by variables or files: the process list shows
/// flags.
#[derive(Parser)]
#[command(name = "standalone", version)]
pub(super) struct Flags {
    /// Address to listen on. Default is 127.0.0.1:8080.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<String>,

    /// The tenant's origin, such as https://api.acme.getomneo.com. Default is the embedded sandbox,
    /// if no other setting of a tenant is given.
    #[arg(long, value_name = "ORIGIN")]
    pub(super) upstream: Option<String>,

    /// Base path of the tenant's API. Default is /api/v3.
    #[arg(long, value_name = "PATH")]
    pub(super) upstream_base: Option<String>,

    /// Serve the embedded sandbox also if other settings of a tenant are given.
    #[arg(long)]
    pub(super) sandbox: bool,

    /// The tenant's API token. Default is the sandbox's.
    #[arg(long, value_name = "TOKEN")]
    pub(super) api_token: Option<String>,

    /// File with the tenant's API token.
    #[arg(long, value_name = "FILE")]
    pub(super) api_token_file: Option<PathBuf>,

    /// HS256 secret that signs ID tokens, at least 32 bytes. Default is a random secret per start.
    #[arg(long, value_name = "SECRET")]
    pub(super) signing_key: Option<String>,

    /// File with the key that signs ID tokens: PEM (EdDSA, ES256, RS256), or a secret.
    #[arg(long, value_name = "FILE")]
    pub(super) signing_key_file: Option<PathBuf>,

    /// Lifetime of ID tokens, such as 1h or 900s. Default is 1h.
    #[arg(long, value_name = "DURATION")]
    pub(super) token_ttl: Option<String>,

    /// Where ended sessions are stored: memory, for this process, or the URL of a Redis server,
    /// redis:// or rediss://, for all processes of the tenant. Default is memory.
    #[arg(long, value_name = "STORE")]
    pub(super) revocations: Option<String>,

    /// File with the URL of the Redis server, for a URL with a password.
    #[arg(long, value_name = "FILE")]
    pub(super) revocations_file: Option<PathBuf>,

    /// What happens while the Redis server does not respond: serve requests with the ended
    /// sessions that are known, or reject ID tokens after a time, such as refuse:60s. Default
    /// is serve.
    #[arg(long, value_name = "serve|refuse:DURATION")]
    pub(super) revocations_on_outage: Option<String>,

    /// Refresh ID tokens until their session has this age, such as 12h, or off. Default is off,
    /// with the embedded sandbox 12h.
    #[arg(long, value_name = "DURATION")]
    pub(super) refresh: Option<String>,

    /// End an ID token when it is refreshed. Default is to keep it until it expires.
    #[arg(long)]
    pub(super) refresh_rotate: bool,

    /// Secret that signs the tenant's webhooks, at least 16 bytes. Default is none: webhooks are
    /// not served.
    #[arg(long, value_name = "SECRET")]
    pub(super) webhook_secret: Option<String>,

    /// File with the secret that signs the tenant's webhooks; several secrets, one per line, are
    /// accepted alike.
    #[arg(long, value_name = "FILE")]
    pub(super) webhook_secret_file: Option<PathBuf>,

    /// Allowed origins of cross-origin requests, repeatable or comma-separated;
    /// https://*.shop.example allows all subdomains, * any origin. Default is none.
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',')]
    pub(super) cors_origin: Vec<String>,

    /// Further request headers of cross-origin requests, repeatable or comma-separated. Default
    /// are the forwarded headers, authorization, and the headers of tracing scripts.
    #[arg(long, value_name = "HEADER", value_delimiter = ',')]
    pub(super) cors_header: Vec<String>,

    /// Further response headers that cross-origin pages may read, repeatable or comma-separated.
    /// Default are etag, location, retry-after, www-authenticate and x-request-id.
    #[arg(long, value_name = "HEADER", value_delimiter = ',')]
    pub(super) cors_expose: Vec<String>,

    /// Add a Via header to requests to the tenant. Default is off: nginx does not compress
    /// responses to requests with this header.
    #[arg(long)]
    pub(super) via: bool,

    /// Path prefix of the API, / for none. Default is /id/api/v1.
    #[arg(long, value_name = "PATH")]
    pub(super) mount: Option<String>,

    /// Worker threads. Default is one per core.
    #[arg(long, value_name = "NUMBER")]
    pub(super) threads: Option<String>,

    /// How long a connection may be idle between two requests. Default is 75s.
    #[arg(long, value_name = "DURATION")]
    pub(super) idle_timeout: Option<String>,

    /// How long the first request, and any unfinished head, may take to arrive. Default is 30s.
    #[arg(long, value_name = "DURATION")]
    pub(super) header_timeout: Option<String>,

    /// How long a client may leave its response unread. Default is 30s.
    #[arg(long, value_name = "DURATION")]
    pub(super) write_timeout: Option<String>,

    /// How long requests in flight may take after SIGTERM. Default is 10s.
    #[arg(long, value_name = "DURATION")]
    pub(super) drain_timeout: Option<String>,

    /// Limit of concurrent connections; further ones wait. Default is 4096, or less if the limit
    /// of file descriptors is lower.
    #[arg(long, value_name = "NUMBER")]
    pub(super) max_connections: Option<String>,

    /// Capacity of the cache of verified tokens, 0 for none. Default is 1024.
    #[arg(long, value_name = "NUMBER")]
    pub(super) token_cache: Option<String>,

    /// Log filter, such as info or omneo_id=debug. Default is info.
    #[arg(long, value_name = "FILTER")]
    pub(super) log: Option<String>,

    /// Format of the log, text or json. Default is text.
    #[arg(long, value_name = "FORMAT")]
    pub(super) log_format: Option<String>,

    /// Address to serve /metrics on, for Prometheus; keep it off public networks. Default is none.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) metrics_listen: Option<String>,
}

/// The `clap` command, with the variable of each flag in its help.
pub(super) fn command() -> Command {
    Flags::command().mut_args(|flag| {
        let Some(name) = flag.get_long() else {
            return flag;
        };
        let variable = variables::name(name);
        let help = flag.get_help().map(ToString::to_string);
        flag.help(format!("{} [env: {variable}]", help.unwrap_or_default()))
    })
}
