//! TLS of the listeners: reads the certificate and its key, and replaces both while the server
//! runs.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::{ParsedCertificate, ProducesTickets};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, AlertDescription, InconsistentKeys, RootCertStore, ServerConfig};
use tracing::warn;

use super::transport::{ALPN_HTTP1, ALPN_HTTP2};
use crate::config::TlsFiles;

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
    /// If a file cannot be read, or does not have a certificate or a key that belongs to it.
    pub(crate) fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let ticketer = aws_lc_rs::Ticketer::new();
        let ticketer = ticketer.map_err(|error| TlsError::new(&files.cert, error))?;
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
    pub(crate) fn read(&self, files: &TlsFiles) -> Result<Certificate, TlsError> {
        read_config(files, &self.provider, &self.ticketer).map(Certificate)
    }

    /// Replaces the certificate and the key of new connections.
    pub(crate) fn replace(&self, certificate: Certificate) {
        self.config.store(certificate.0);
    }

    /// An acceptor with the certificate of this moment.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }
}

/// A certificate and its key, which have been read.
pub(crate) struct Certificate(Arc<ServerConfig>);

/// A problem of a certificate or a key. It has no content of the files.
#[derive(Debug)]
pub(crate) struct TlsError {
    path: PathBuf,
    problem: String,
}

impl TlsError {
    fn new(path: &Path, problem: impl Display) -> Self {
        Self {
            path: path.to_owned(),
            problem: problem.to_string(),
        }
    }
}

impl Display for TlsError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.problem)
    }
}

impl Error for TlsError {}

fn read_config(
    files: &TlsFiles,
    provider: &Arc<CryptoProvider>,
    ticketer: &Arc<dyn ProducesTickets>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = read_chain(&files.cert)?;
    let key = read_key(&files.key)?;
    for cert in &chain {
        if let Some(problem) = validity_problem(cert, provider, UnixTime::now()) {
            warn!(file = %files.cert.display(), "{problem}");
        }
    }
    // Separately, for an error with the path of the right file.
    let is_supported = provider.key_provider.load_private_key(key.clone_key());
    is_supported.map_err(|_| TlsError::new(&files.key, UNSUPPORTED_KEY))?;
    let config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| TlsError::new(&files.cert, error))?
        .with_no_client_auth()
        .with_single_cert(chain, key);
    let mut config = config.map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            let cert = files.cert.display();
            TlsError::new(
                &files.key,
                format_args!("the key does not belong to {cert}"),
            )
        }
        error => TlsError::new(&files.cert, error),
    })?;
    config.alpn_protocols = vec![ALPN_HTTP2.to_vec(), ALPN_HTTP1.to_vec()];
    config.ticketer = Arc::clone(ticketer);
    Ok(Arc::new(config))
}

const UNSUPPORTED_KEY: &str = "the key is malformed or not supported; supported are RSA of 2048 to 8192 bits, ECDSA with \
     P-256, P-384 or P-521, and Ed25519";

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|error| TlsError::new(path, error))
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|_| TlsError::new(path, "the file is not valid PEM"))?;
    if chain.is_empty() {
        return Err(TlsError::new(path, "the file has no certificate in PEM"));
    }
    Ok(chain)
}

/// The first private key of a file. The errors of the PEM parser are not used: they may have a part
/// of the key.
fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = read(path)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| {
        let problem = if is_encrypted(&pem) {
            "the private key is encrypted; decrypt it first, for example with `openssl pkey`"
        } else {
            "the file has no private key in PEM"
        };
        TlsError::new(path, problem)
    })
}

/// PKCS#8 and OpenSSL's older format.
fn is_encrypted(pem: &[u8]) -> bool {
    let marks = [
        &b"BEGIN ENCRYPTED PRIVATE KEY"[..],
        b"Proc-Type: 4,ENCRYPTED",
    ];
    let has = |mark: &[u8]| pem.windows(mark.len()).any(|part| part == mark);
    marks.into_iter().any(has)
}

/// Whether a certificate has expired, or is not valid yet. `rustls` checks the validity before the
/// issuer, so roots are not needed.
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
