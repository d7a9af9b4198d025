use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::{ConfigError, ConfigErrorKind};
use crate::tls;

/// TLS towards one host.
#[derive(Clone)]
pub(super) struct Tls {
    connector: TlsConnector,
    server_name: ServerName<'static>,
}

impl Tls {
    /// Trusts the bundled Mozilla root certificates.
    pub(super) fn new(host: &str) -> Result<Self, ConfigError> {
        Self::from_roots(host, tls::mozilla_roots())
    }

    /// Trusts these certificates instead.
    pub(super) fn with_roots(host: &str, pem: &[u8]) -> Result<Self, ConfigError> {
        let mut roots = RootCertStore::empty();
        tls::add_pem(&mut roots, pem)?;
        Self::from_roots(host, roots)
    }

    fn from_roots(host: &str, roots: RootCertStore) -> Result<Self, ConfigError> {
        let server_name = ServerName::try_from(host.to_owned()).map_err(|error| {
            let message = "the host of Redis is not a server name of TLS";
            ConfigError::new(ConfigErrorKind::InvalidValue, message).with_source(error)
        })?;
        let config = tls::client_config(roots)?;
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            server_name,
        })
    }

    pub(super) async fn connect(&self, tcp: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let server_name = self.server_name.clone();
        self.connector.connect(server_name, tcp).await
    }
}
