//! The settings of the server: flags, and fields of `[server]` in the configuration file.

use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;

use super::setting::{Number, Setting};

/// The settings of the server, before they are checked. A field of the file has the name of its
/// flag, with `_` instead of `-`.
#[derive(Args, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Server")]
pub(super) struct ServerFields {
    /// Address to listen on, or unix: and the path of a socket; repeatable. Default is
    /// 127.0.0.1:8080.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<Vec<Setting<String>>>,

    /// File with the certificate chain of the server, PEM. Default is none: connections are not
    /// encrypted.
    #[arg(long, value_name = "FILE")]
    pub(super) tls_cert: Option<Setting<PathBuf>>,

    /// File with the private key of --tls-cert, PEM.
    #[arg(long, value_name = "FILE")]
    pub(super) tls_key: Option<Setting<PathBuf>>,

    /// Address or network of your own proxies, such as 10.0.0.0/8, whose forwarding headers are
    /// trusted; repeatable or comma-separated. Default is none.
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub(super) trusted_proxy: Option<Vec<Setting<String>>>,

    /// Read Forwarded from the trusted proxies instead of X-Forwarded-For, -Proto and -Host.
    /// Default is X-Forwarded.
    #[arg(long, num_args = 0, default_missing_value = "true")]
    pub(super) trust_forwarded: Option<Setting<bool>>,

    /// How the tenant of a request is found: host, host:api.{tenant}.shop.example, path or
    /// header:X-Tenant. In the file only.
    #[arg(skip)]
    pub(super) tenant_by: Option<Setting<String>>,

    /// Worker threads. Default is one per core.
    #[arg(long, value_name = "NUMBER")]
    pub(super) threads: Option<Setting<Number>>,

    /// How long a connection may be idle between two requests. Default is 75s.
    #[arg(long, value_name = "DURATION")]
    pub(super) idle_timeout: Option<Setting<String>>,

    /// How long the first request, and any unfinished head, may take to arrive. Default is 30s.
    #[arg(long, value_name = "DURATION")]
    pub(super) header_timeout: Option<Setting<String>>,

    /// How long a client may leave its response unread. Default is 30s.
    #[arg(long, value_name = "DURATION")]
    pub(super) write_timeout: Option<Setting<String>>,

    /// How long connections are accepted after SIGTERM, while /readyz responds with 503. Default is
    /// 0s.
    #[arg(long, value_name = "DURATION")]
    pub(super) drain_delay: Option<Setting<String>>,

    /// How long requests in flight may take after SIGTERM. Default is 10s.
    #[arg(long, value_name = "DURATION")]
    pub(super) drain_timeout: Option<Setting<String>>,

    /// Limit of concurrent connections; further ones wait. Default is 4096, or less if the limit
    /// of file descriptors is lower.
    #[arg(long, value_name = "NUMBER")]
    pub(super) max_connections: Option<Setting<Number>>,

    /// Limit of concurrent calls of tenants; further ones are rejected with 503. Default is 1024.
    #[arg(long, value_name = "NUMBER")]
    pub(super) max_in_flight: Option<Setting<Number>>,

    /// How long a connection to a tenant may take to open. Default is 5s.
    #[arg(long, value_name = "DURATION")]
    pub(super) connect_timeout: Option<Setting<String>>,

    /// Age at which a connection to a tenant gets no further requests, so that changes of DNS are
    /// followed. Default is 10m.
    #[arg(long, value_name = "DURATION")]
    pub(super) max_connection_age: Option<Setting<String>>,

    /// File with certificates of private authorities that sign the certificates of tenants, PEM, in
    /// addition to the bundled ones. The file of SSL_CERT_FILE is added too. Default is none.
    #[arg(long, value_name = "FILE")]
    pub(super) tenant_ca: Option<Setting<PathBuf>>,

    /// Where ended sessions are stored: memory, for this process, or the URL of a Redis server,
    /// redis:// or rediss://, for all processes of the tenant. Default is memory.
    #[arg(long, value_name = "STORE")]
    pub(super) revocations: Option<Setting<String>>,

    /// File with the URL of the Redis server, for a URL with a password.
    #[arg(long, value_name = "FILE")]
    pub(super) revocations_file: Option<Setting<PathBuf>>,

    /// What happens while the Redis server does not respond: serve requests with the ended
    /// sessions that are known, or reject ID tokens after a time, such as refuse:60s. Default
    /// is serve.
    #[arg(long, value_name = "serve|refuse:DURATION")]
    pub(super) revocations_on_outage: Option<Setting<String>>,

    /// Log filter, such as info or omneo_id=debug. Default is info.
    #[arg(long, value_name = "FILTER")]
    pub(super) log: Option<Setting<String>>,

    /// Format of the log, text or json. Default is text.
    #[arg(long, value_name = "FORMAT")]
    pub(super) log_format: Option<Setting<String>>,

    /// Log the address of the client with each request. Default is to omit it.
    #[arg(long, num_args = 0, default_missing_value = "true")]
    pub(super) log_client_address: Option<Setting<bool>>,

    /// Address to serve /metrics on, for Prometheus; keep it off public networks. Default is none.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) metrics_listen: Option<Setting<String>>,
}

impl ServerFields {
    /// These fields, and those of the file where a field is not set.
    pub(super) fn or(self, mut file: Self) -> Self {
        // The two name the same store: a flag replaces both.
        if self.revocations.is_some() || self.revocations_file.is_some() {
            (file.revocations, file.revocations_file) = (None, None);
        }
        macro_rules! or {
            ($($field:ident)*) => {
                Self { $($field: self.$field.or(file.$field),)* }
            };
        }
        or! {
            listen tls_cert tls_key trusted_proxy trust_forwarded tenant_by threads idle_timeout
            header_timeout write_timeout drain_delay drain_timeout max_connections max_in_flight
            connect_timeout max_connection_age tenant_ca revocations revocations_file
            revocations_on_outage log log_format log_client_address metrics_listen
        }
    }
}
