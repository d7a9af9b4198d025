use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt;
use rustls::client::WantsClientCert;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::{ConfigError, ConfigErrorKind};

/// TLS towards one host.
#[derive(Clone)]
pub(super) struct Tls {
    connector: TlsConnector,
    server_name: ServerName<'static>,
}

impl Tls {
    /// Trusts the bundled Mozilla root certificates.
    pub(super) fn new(host: &str) -> Result<Self, ConfigError> {
        Self::from_roots(host, ConfigBuilder::with_webpki_roots)
    }

    /// Trusts these certificates instead.
    pub(super) fn with_roots(host: &str, pem: &[u8]) -> Result<Self, ConfigError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| {
                invalid("a root certificate is not in PEM form").with_source(error)
            })?;
            roots
                .add(certificate)
                .map_err(|error| invalid("a root certificate is not usable").with_source(error))?;
        }
        if roots.is_empty() {
            return Err(invalid("the PEM text has no root certificate"));
        }
        Self::from_roots(host, |config| config.with_root_certificates(roots))
    }

    fn from_roots(
        host: &str,
        trust: impl FnOnce(
            ConfigBuilder<ClientConfig, WantsVerifier>,
        ) -> ConfigBuilder<ClientConfig, WantsClientCert>,
    ) -> Result<Self, ConfigError> {
        let server_name = ServerName::try_from(host.to_owned()).map_err(|error| {
            invalid("the host of Redis is not a server name of TLS").with_source(error)
        })?;
        // Explicit: rustls panics if it has to choose between several linked providers.
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| invalid("TLS cannot be set up").with_source(error))?;
        let config = trust(config).with_no_client_auth();
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

fn invalid(message: &'static str) -> ConfigError {
    ConfigError::new(ConfigErrorKind::InvalidValue, message)
}
