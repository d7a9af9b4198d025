//! Certificates of a server, and TLS clients that trust them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};

use crate::temporary::Directory;

/// The name in the certificates.
pub(crate) const NAME: &str = "id.acme.test";

/// A self-signed certificate in two files.
pub(crate) struct Certificate {
    directory: Directory,
    der: CertificateDer<'static>,
}

impl Certificate {
    /// A certificate with a new key.
    pub(crate) fn new() -> Self {
        Self::with_key(&KeyPair::generate().unwrap())
    }

    pub(crate) fn with_key(key: &KeyPair) -> Self {
        Self::with_params(&params(), key)
    }

    /// A certificate that has expired.
    pub(crate) fn expired() -> Self {
        let mut params = params();
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2001, 2, 1);
        Self::with_params(&params, &KeyPair::generate().unwrap())
    }

    fn with_params(params: &CertificateParams, key: &KeyPair) -> Self {
        let cert = params.self_signed(key).unwrap();
        let directory = Directory::new();
        let certificate = Self {
            directory,
            der: cert.der().clone(),
        };
        std::fs::write(certificate.cert(), cert.pem()).unwrap();
        std::fs::write(certificate.key(), key.serialize_pem()).unwrap();
        certificate
    }

    pub(crate) fn cert(&self) -> PathBuf {
        self.directory.join("cert.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.directory.join("key.pem")
    }

    /// The flags of a server with this certificate.
    pub(crate) fn flags(&self) -> [String; 4] {
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let (cert, key) = (path(&self.cert()), path(&self.key()));
        ["--tls-cert".to_owned(), cert, "--tls-key".to_owned(), key]
    }

    /// Replaces the files by those of another certificate.
    pub(crate) fn install(&self, other: &Self) {
        std::fs::copy(other.key(), self.key()).unwrap();
        std::fs::copy(other.cert(), self.cert()).unwrap();
    }

    pub(crate) fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }
}

fn params() -> CertificateParams {
    CertificateParams::new([NAME.to_owned()]).unwrap()
}

/// A TLS client.
pub(crate) struct TlsClient(TlsConnector);

impl TlsClient {
    /// A client that trusts these certificates and offers these protocols.
    pub(crate) fn new(trusted: &[&Certificate], alpn: &[&str]) -> Self {
        Self::with_versions(trusted, alpn, &[&version::TLS13, &version::TLS12])
    }

    /// As `new`, with these versions of TLS.
    pub(crate) fn with_versions(
        trusted: &[&Certificate],
        alpn: &[&str],
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in trusted {
            roots.add(certificate.der().clone()).unwrap();
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Self(TlsConnector::from(Arc::new(config)))
    }

    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        self.over(stream).await
    }

    /// A handshake over this connection.
    pub(crate) async fn over(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(NAME).unwrap();
        self.0.connect(name, stream).await
    }
}
