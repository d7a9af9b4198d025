//! A private certificate authority, and tenants with its certificates on loopback.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;

use super::tenants::connections;

/// The protocol versions that a tenant accepts.
pub(crate) const ALL_VERSIONS: &[&SupportedProtocolVersion] = rustls::ALL_VERSIONS;

/// A certificate authority that no public root store has.
pub(crate) struct PrivateCa {
    issuer: Issuer<'static, KeyPair>,
    /// The root certificate.
    pub(crate) pem: String,
}

impl PrivateCa {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        // A root is looked up by its name.
        let name = format!("{:02x?}", key.public_key_raw());
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    /// A server that proves to be `name`, with these ALPN protocols and protocol versions.
    pub(crate) fn server(
        &self,
        name: &str,
        protocols: &[&str],
        versions: &[&'static SupportedProtocolVersion],
    ) -> TlsAcceptor {
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Serves a tenant that responds with the versions of HTTP and TLS.
pub(crate) async fn serve(acceptor: TlsAcceptor) -> SocketAddr {
    let origin = connections(move |stream| serve_connection(acceptor.clone(), stream)).await;
    origin.trim_start_matches("http://").parse().unwrap()
}

async fn serve_connection(acceptor: TlsAcceptor, stream: TcpStream) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let tls = stream.get_ref().1.protocol_version().unwrap();
    let service = service_fn(move |request: Request<Incoming>| async move {
        let text = format!("{:?} {tls:?}", request.version());
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
    });
    let server = auto::Builder::new(TokioExecutor::new());
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}
