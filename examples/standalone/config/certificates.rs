//! Files with certificates and their private keys, PEM. They are checked here and loaded where they
//! are used.

use std::path::Path;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::crypto::aws_lc_rs::sign::any_supported_type;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::secrets;

/// Limit for a file. The bundle of a Linux distribution has 230 KB.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// A chain of certificates, that of the server first.
pub(super) fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = secrets::bytes_of(path, MAX_FILE)?;
    certificates(path, &pem)
}

/// A private key.
pub(super) fn read_private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let pem = secrets::bytes_of(path, MAX_FILE)?;
    if pem.windows(9).any(|text| text == b"ENCRYPTED") {
        return Err(format!(
            "{} is encrypted: decrypt it with `openssl pkey`",
            path.display()
        ));
    }
    PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|_| format!("{} is not a PEM file with a private key", path.display()))
}

/// Checks that a key is that of a certificate.
pub(super) fn check_pair(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'static>,
) -> Result<(), String> {
    let key = any_supported_type(key).map_err(|error| error.to_string())?;
    let pair = CertifiedKey::new(chain, key);
    pair.keys_match()
        .map_err(|_| "the key is not that of the certificate".to_owned())
}

/// The certificates of authorities, PEM, which are checked.
pub(super) fn read_authorities(path: &Path) -> Result<Vec<u8>, String> {
    let pem = secrets::bytes_of(path, MAX_FILE)?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, &pem)? {
        let added = roots.add(certificate);
        added.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(pem)
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(format!(
            "{} is not a PEM file with certificates",
            path.display()
        )),
    }
}
