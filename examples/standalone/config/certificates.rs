//! PEM files with certificates: the certificate of the server with its private key, and the
//! authorities that sign the certificates of tenants.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::crypto::aws_lc_rs::sign::any_supported_type;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::sign::{CertifiedKey, SigningKey};

use super::secrets;

/// Limit for a file. The CA bundle of a Linux distribution has 230 KB.
const MAX_FILE: u64 = 4 * 1024 * 1024;

const UNSUPPORTED_KEY: &str = "the key is malformed or not supported; supported are RSA of 2048 \
                               to 8192 bits, ECDSA with P-256, P-384 or P-521, and Ed25519";

/// The files of the server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl TlsFiles {
    /// Reads and checks both files.
    ///
    /// # Errors
    /// If a file cannot be read, has no valid certificate or no supported key, or if the key does
    /// not belong to the certificate. The message names the file and has none of its content.
    pub(crate) fn load(&self) -> Result<CertifiedKey, String> {
        self.pair(read_chain(&self.cert)?, read_signing_key(&self.key)?)
    }

    /// The certificate with its key.
    ///
    /// # Errors
    /// If the key does not belong to the certificate.
    pub(super) fn pair(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: Arc<dyn SigningKey>,
    ) -> Result<CertifiedKey, String> {
        let pair = CertifiedKey::new(chain, key);
        match pair.keys_match() {
            Ok(()) => Ok(pair),
            Err(_) => Err(format!(
                "{}: the key does not belong to {}",
                self.key.display(),
                self.cert.display()
            )),
        }
    }
}

/// Certificates of authorities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CaFile {
    pub(crate) path: PathBuf,
    pub(crate) pem: Vec<u8>,
}

impl CaFile {
    /// Reads a file and checks each of its certificates.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let pem = secrets::read_bytes(path, MAX_FILE)?;
        let mut roots = RootCertStore::empty();
        for certificate in certificates(path, &pem)? {
            let added = roots.add(certificate);
            added.map_err(|error| format!("{}: {error}", path.display()))?;
        }
        let path = path.to_owned();
        Ok(Self { path, pem })
    }
}

/// The certificate chain of the server. The first certificate, that of the server, is checked.
pub(super) fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = secrets::read_bytes(path, MAX_FILE)?;
    let chain = certificates(path, &pem)?;
    if let Some(Err(error)) = chain.first().map(ParsedCertificate::try_from) {
        return Err(format!("{}: {error}", path.display()));
    }
    Ok(chain)
}

/// The first private key of a file.
pub(super) fn read_signing_key(path: &Path) -> Result<Arc<dyn SigningKey>, String> {
    let pem = secrets::read_bytes(path, MAX_FILE)?;
    // The errors of the parsers are not used: they may contain a part of the key.
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| match is_encrypted(&pem) {
        true => "the private key is encrypted; decrypt it first, for example with `openssl pkey`",
        false => "the file has no private key in PEM",
    });
    key.and_then(|key| any_supported_type(&key).map_err(|_| UNSUPPORTED_KEY))
        .map_err(|problem| format!("{}: {problem}", path.display()))
}

/// Whether the PEM has an encrypted key, in PKCS#8 or in the older format of OpenSSL.
fn is_encrypted(pem: &[u8]) -> bool {
    let marks = [
        &b"BEGIN ENCRYPTED PRIVATE KEY"[..],
        b"Proc-Type: 4,ENCRYPTED",
    ];
    marks
        .into_iter()
        .any(|mark| pem.windows(mark.len()).any(|part| part == mark))
}

/// The certificates in the content of a file, at least one.
fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let problem = match certificates {
        Ok(certificates) if !certificates.is_empty() => return Ok(certificates),
        Ok(_) => "the file has no certificate in PEM",
        Err(_) => "the file is not valid PEM",
    };
    Err(format!("{}: {problem}", path.display()))
}
