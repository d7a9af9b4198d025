//! The flags, and the variable of each: `--token-ttl` is `OMNEO_ID_TOKEN_TTL`.

use std::path::PathBuf;

use clap::{Command, CommandFactory, Parser};

use super::variables;

/// Omneo ID in front of a tenant, or of the embedded sandbox.
///
/// Flags win over variables. Secrets are better kept in variables or files: flags can be read in
/// the list of processes.
#[derive(Parser)]
#[command(name = "standalone", version)]
pub(super) struct Flags {
    /// Address to serve on. Default is 127.0.0.1:8080.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<String>,

    /// The tenant's origin, https://api.acme.getomneo.com. Default is the embedded sandbox, if
    /// neither an API token nor a signing key is given.
    #[arg(long, value_name = "ORIGIN")]
    pub(super) upstream: Option<String>,

    /// Base path of the tenant's API. Default is /api/v3.
    #[arg(long, value_name = "PATH")]
    pub(super) upstream_base: Option<String>,

    /// Serve the embedded sandbox, with an API token or a signing key of your own.
    #[arg(long)]
    pub(super) sandbox: bool,

    /// The tenant's API token. Default is the sandbox's.
    #[arg(long, value_name = "TOKEN")]
    pub(super) api_token: Option<String>,

    /// File with the tenant's API token.
    #[arg(long, value_name = "FILE")]
    pub(super) api_token_file: Option<PathBuf>,

    /// HS256 secret that signs ID tokens, at least 32 bytes. Default is a random one per start.
    #[arg(long, value_name = "SECRET")]
    pub(super) signing_key: Option<String>,

    /// File with the key that signs ID tokens: PEM (EdDSA, ES256, RS256), or a secret.
    #[arg(long, value_name = "FILE")]
    pub(super) signing_key_file: Option<PathBuf>,

    /// Life of ID tokens, as 1h or 900s. Default is 1h.
    #[arg(long, value_name = "DURATION")]
    pub(super) token_ttl: Option<String>,

    /// Browser origins that may call, repeatable or comma-separated; https://*.shop.example for all
    /// subdomains, * for any origin. Default is none.
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',')]
    pub(super) cors_origin: Vec<String>,

    /// Further request headers that pages may send, repeatable or comma-separated. The default
    /// ones are those that are forwarded, authorization, and those of tracing scripts.
    #[arg(long, value_name = "HEADER", value_delimiter = ',')]
    pub(super) cors_header: Vec<String>,

    /// Further response headers that pages may read, repeatable or comma-separated. The default
    /// ones are etag, location, retry-after, www-authenticate and x-request-id.
    #[arg(long, value_name = "HEADER", value_delimiter = ',')]
    pub(super) cors_expose: Vec<String>,

    /// Name this server in the Via header of requests to the tenant. Default is not to: nginx does
    /// not compress its answers to requests with one.
    #[arg(long)]
    pub(super) via: bool,

    /// Path prefix of the service, / for none. Default is /id/api/v1.
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

    /// How long a client may take nothing of its answer. Default is 30s.
    #[arg(long, value_name = "DURATION")]
    pub(super) write_timeout: Option<String>,

    /// How long requests under way may take to finish after SIGTERM. Default is 10s.
    #[arg(long, value_name = "DURATION")]
    pub(super) drain_timeout: Option<String>,

    /// Connections at one time; further ones wait. Default is 4096, or as many as there are file
    /// descriptors for.
    #[arg(long, value_name = "NUMBER")]
    pub(super) max_connections: Option<String>,

    /// How many verified tokens are remembered, at least; 0 is none. Default is 1024.
    #[arg(long, value_name = "NUMBER")]
    pub(super) token_cache: Option<String>,

    /// Log filter, as info or omneo_id=debug. Default is info.
    #[arg(long, value_name = "FILTER")]
    pub(super) log: Option<String>,

    /// How the log is written, text or json. Default is text.
    #[arg(long, value_name = "FORMAT")]
    pub(super) log_format: Option<String>,

    /// Address to serve /metrics on, for Prometheus; it is for no public network. Default is none.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) metrics_listen: Option<String>,
}

/// The command line, whose help names the variable of each flag.
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
