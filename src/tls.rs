//! TLS towards other servers: the trusted root certificates, and the settings of rustls.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::error::{ConfigError, ConfigErrorKind};

/// The bundled Mozilla root certificates.
pub(crate) fn mozilla_roots() -> RootCertStore {
    webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()
}

/// Adds the certificates of a PEM file.
///
/// # Errors
/// If the file has no certificate, or one that cannot be a root.
pub(crate) fn add_pem(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), ConfigError> {
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate
            .map_err(|error| invalid("a root certificate is not in PEM form").with_source(error))?;
        roots
            .add(certificate)
            .map_err(|error| invalid("a root certificate is not usable").with_source(error))?;
    }
    match roots.len() == before {
        true => Err(invalid("the file has no certificate in PEM form")),
        false => Ok(()),
    }
}

/// The settings of a client that trusts these roots. TLS 1.2 and 1.3.
///
/// # Errors
/// If TLS cannot be set up.
pub(crate) fn client_config(roots: RootCertStore) -> Result<ClientConfig, ConfigError> {
    // Explicit: rustls panics if it has to choose between several linked providers.
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| invalid("TLS cannot be set up").with_source(error))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn invalid(message: &'static str) -> ConfigError {
    ConfigError::new(ConfigErrorKind::InvalidValue, message)
}
