//! TLS of the listeners, with a certificate that is replaced while the server runs.

use std::sync::Arc;

use arc_swap::ArcSwap;
use omneo_id::error::BoxError;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::{
    ClientHello, ParsedCertificate, ProducesTickets, ResolvesServerCert,
};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, AlertDescription, RootCertStore, ServerConfig};
use tracing::warn;

use crate::config::TlsFiles;

/// The ALPN name of HTTP/2 over TLS (RFC 9113 §3.1).
pub(super) const ALPN_HTTP2: &[u8] = b"h2";
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// The TLS configuration of new connections.
pub(crate) struct Tls {
    provider: Arc<CryptoProvider>,
    /// Encrypts session tickets. A reload keeps it: sessions can be resumed.
    ticketer: Arc<dyn ProducesTickets>,
    config: ArcSwap<ServerConfig>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// As for [`TlsFiles::load`], and if the random numbers of the operating system fail.
    pub(crate) fn load(files: &TlsFiles) -> Result<Self, BoxError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let ticketer = aws_lc_rs::Ticketer::new()?;
        let config = read_config(files, &provider, &ticketer)?;
        Ok(Self {
            provider,
            ticketer,
            config: ArcSwap::new(config),
        })
    }

    /// Reads the files of another certificate, without using it yet.
    ///
    /// # Errors
    /// As for [`Tls::load`].
    pub(crate) fn read(&self, files: &TlsFiles) -> Result<Certificate, BoxError> {
        read_config(files, &self.provider, &self.ticketer).map(Certificate)
    }

    /// Replaces the certificate and the key of new connections.
    pub(crate) fn replace(&self, certificate: Certificate) {
        self.config.store(certificate.0);
    }

    /// An acceptor with the current certificate.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }
}

/// A certificate and its key, for [`Tls::replace`].
pub(crate) struct Certificate(Arc<ServerConfig>);

fn read_config(
    files: &TlsFiles,
    provider: &Arc<CryptoProvider>,
    ticketer: &Arc<dyn ProducesTickets>,
) -> Result<Arc<ServerConfig>, BoxError> {
    let certificate = files.load()?;
    for cert in &certificate.cert {
        if let Some(problem) = validity_problem(cert, provider, UnixTime::now()) {
            warn!(file = %files.cert.display(), "{problem}");
        }
    }
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertificate(Arc::new(certificate))));
    config.alpn_protocols = vec![ALPN_HTTP2.to_vec(), ALPN_HTTP1.to_vec()];
    config.ticketer = Arc::clone(ticketer);
    Ok(Arc::new(config))
}

/// Resolves the same certificate for each server name.
#[derive(Debug)]
struct SingleCertificate(Arc<CertifiedKey>);

impl ResolvesServerCert for SingleCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// The error if a certificate has expired or is not valid yet. `rustls` checks the validity before
/// the issuer, so roots are not needed.
fn validity_problem(
    cert: &CertificateDer<'_>,
    provider: &CryptoProvider,
    now: UnixTime,
) -> Option<rustls::Error> {
    let cert = ParsedCertificate::try_from(cert).ok()?;
    let algorithms = provider.signature_verification_algorithms.all;
    let roots = RootCertStore::empty();
    match verify_server_cert_signed_by_trust_anchor(&cert, &roots, &[], now, algorithms) {
        Err(rustls::Error::InvalidCertificate(problem))
            if AlertDescription::from(problem.clone()) == AlertDescription::CertificateExpired =>
        {
            Some(rustls::Error::InvalidCertificate(problem))
        }
        _ => None,
    }
}
