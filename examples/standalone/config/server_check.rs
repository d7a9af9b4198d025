//! Checks the settings of the server, and fills in the defaults.

use std::num::NonZeroUsize;
use std::path::Path;

use omneo_id::client_info::TrustedProxies;
use tracing_subscriber::EnvFilter;

use super::certificates::{self, CaFile, TlsFiles};
use super::checker::Checker;
use super::model::{Limits, LogFormat};
use super::server::{ListenAddress, ServerConfig};
use super::server_fields::ServerFields;
use super::{sessions, values};

/// Upper bounds against typing errors, far above useful values.
const MAX_THREADS: usize = 1024;
const MAX_CONNECTIONS: usize = 1_000_000;
const MAX_IN_FLIGHT: usize = 1_000_000;

/// Checks the settings. `ssl_cert_file` is the file that the variable `SSL_CERT_FILE` names.
pub(super) fn server(
    checker: &mut Checker<'_>,
    fields: &ServerFields,
    ssl_cert_file: Option<&Path>,
) -> ServerConfig {
    let mut listen = checker.parse_each("listen", &fields.listen, listen_address);
    if listen.is_empty() {
        listen.push(ListenAddress::Tcp(ListenAddress::DEFAULT.to_owned()));
    }
    let threads = checker.number("threads", &fields.threads, 1..=MAX_THREADS);
    let in_flight = checker.number("max_in_flight", &fields.max_in_flight, 1..=MAX_IN_FLIGHT);
    let trusted_proxies = checker.parse_each("trusted_proxy", &fields.trusted_proxy, trusted_proxy);
    let trust_forwarded = checker.switch("trust_forwarded", &fields.trust_forwarded);
    if trust_forwarded && trusted_proxies.is_empty() {
        let name = checker.name("trust_forwarded");
        let warning = format!("{name} has no effect without --trusted-proxy");
        checker.warnings.push(warning);
    }
    let log = checker.parse("log", &fields.log, |text| log_filter(text));
    let log_format = checker.parse("log_format", &fields.log_format, |text| log_format(text));
    let metrics = &fields.metrics_listen;
    ServerConfig {
        listen,
        tls: tls(checker, fields),
        trusted_proxies,
        trust_forwarded,
        threads: threads.and_then(NonZeroUsize::new),
        limits: limits(checker, fields),
        max_in_flight: in_flight.unwrap_or(1024),
        connect_timeout: checker.duration(
            "connect_timeout",
            &fields.connect_timeout,
            5,
            values::timeout,
        ),
        max_connection_age: checker.duration(
            "max_connection_age",
            &fields.max_connection_age,
            10 * 60,
            values::timeout,
        ),
        tenant_ca: tenant_ca(checker, fields, ssl_cert_file),
        revocations: sessions::store(checker, fields),
        log: log.unwrap_or_else(|| "info".to_owned()),
        log_format: log_format.unwrap_or(LogFormat::Text),
        log_client_address: checker.switch("log_client_address", &fields.log_client_address),
        metrics_listen: checker.parse("metrics_listen", metrics, |text| values::address(text)),
    }
}

fn listen_address(text: &str) -> Result<ListenAddress, String> {
    match text.strip_prefix("unix:") {
        Some("") => Err(format!("{text:?} has no path")),
        Some(path) => Ok(ListenAddress::Unix(path.into())),
        None => values::address(text).map(ListenAddress::Tcp),
    }
}

fn trusted_proxy(text: &str) -> Result<String, String> {
    match TrustedProxies::new([text]) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The files of the certificate and its key, which are read and checked. An error in one file does
/// not hide an error in the other.
fn tls(checker: &mut Checker<'_>, fields: &ServerFields) -> Option<TlsFiles> {
    let files = match (&fields.tls_cert, &fields.tls_key) {
        (None, None) => return None,
        (Some(cert), Some(key)) => TlsFiles {
            cert: checker.path(cert),
            key: checker.path(key),
        },
        (cert, key) => {
            let (missing, given) = match cert {
                Some(_) => ("--tls-key", "tls_cert"),
                None => ("--tls-cert", "tls_key"),
            };
            if let Some(setting) = cert.as_ref().or(key.as_ref()) {
                checker.note(given, setting);
            }
            checker.invalid(given, &format!("needs {missing} too"));
            return None;
        }
    };
    let chain = checker.file("tls_cert", &fields.tls_cert, certificates::read_chain);
    let key = checker.file("tls_key", &fields.tls_key, certificates::read_signing_key);
    if let Err(problem) = files.pair(chain?, key?) {
        checker.failed("tls_key", &problem);
        return None;
    }
    Some(files)
}

/// The certificates of private authorities. `SSL_CERT_FILE` may be set for other programs: its
/// problems are warnings.
fn tenant_ca(
    checker: &mut Checker<'_>,
    fields: &ServerFields,
    ssl_cert_file: Option<&Path>,
) -> Vec<CaFile> {
    let mut files = Vec::new();
    files.extend(checker.file("tenant_ca", &fields.tenant_ca, CaFile::read));
    match ssl_cert_file.map(CaFile::read) {
        Some(Ok(file)) => files.push(file),
        Some(Err(problem)) => checker
            .warnings
            .push(format!("SSL_CERT_FILE is ignored: {problem}")),
        None => {}
    }
    files
}

fn limits(checker: &mut Checker<'_>, fields: &ServerFields) -> Limits {
    let connections = checker.number(
        "max_connections",
        &fields.max_connections,
        1..=MAX_CONNECTIONS,
    );
    Limits {
        idle: checker.duration("idle_timeout", &fields.idle_timeout, 75, values::timeout),
        header: checker.duration(
            "header_timeout",
            &fields.header_timeout,
            30,
            values::timeout,
        ),
        write: checker.duration("write_timeout", &fields.write_timeout, 30, values::timeout),
        drain_delay: checker.duration("drain_delay", &fields.drain_delay, 0, values::duration),
        drain: checker.duration("drain_timeout", &fields.drain_timeout, 10, values::duration),
        connections: connections.unwrap_or(4096),
    }
}

fn log_filter(text: &str) -> Result<String, String> {
    let filter = if text.is_empty() { "info" } else { text };
    match EnvFilter::try_new(filter) {
        Ok(_) => Ok(filter.to_owned()),
        Err(error) => Err(format!("{filter:?} is not a log filter: {error}")),
    }
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        other => Err(format!("{other:?} is neither text nor json")),
    }
}
