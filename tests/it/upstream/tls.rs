//! Tenants over https: protocol selection and certificate verification.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use omneo_id::client::HttpClient;
use omneo_id::{RejectionKind, Upstream};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::support::{get, kind, tenant_at, text};
use super::tenants::connections;

fn certificate() -> CertificateDer<'static> {
    CertificateDer::from(include_bytes!("../../tls/tenant.cert.der").as_slice())
}

/// The TLS configuration of a tenant on loopback, with these ALPN protocols.
pub(super) fn config(protocols: &[&str]) -> Arc<ServerConfig> {
    let key = include_bytes!("../../tls/tenant.key.der").as_slice();
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate()], PrivateKeyDer::Pkcs8(key.into()))
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// A tenant that offers these protocols, and returns the protocol of the request.
async fn serve(protocols: &'static [&'static str]) -> String {
    let acceptor = TlsAcceptor::from(config(protocols));
    let origin = connections(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let version = service_fn(|request: Request<Incoming>| async move {
                let hosts = request.headers().get_all("host").iter().count();
                let text = format!("{:?}, {hosts}", request.version());
                Ok::<_, std::io::Error>(Response::new(Full::new(Bytes::from(text))))
            });
            let server = auto::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(stream), version).await;
        }
    });
    origin.await.replace("http:", "https:")
}

/// A client that trusts only the certificate of the tenant on loopback, and expects this name.
pub(super) fn connector(name: &'static str) -> HttpsConnector<HttpConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_only()
        .with_server_name_resolver(FixedServerNameResolver::new(name.try_into().unwrap()))
        .enable_all_versions()
        .build()
}

#[tokio::test]
async fn the_tenant_selects_the_protocol_by_alpn() {
    for (offered, expected, hosts) in [
        (&["h2", "http/1.1"][..], Version::HTTP_2, 0),
        (&["http/1.1"], Version::HTTP_11, 1),
        (&[], Version::HTTP_11, 1),
    ] {
        let origin = serve(offered).await;
        let client = HttpClient::builder().build_with_connector(connector("127.0.0.1"));
        let upstream = Upstream::new(client, tenant_at(&origin));
        for _ in 0..2 {
            let response = upstream.clone().oneshot(get("/x")).await.unwrap();
            assert_eq!(
                text(response).await,
                format!("{expected:?}, {hosts}"),
                "{offered:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_untrusted_certificate_is_rejected() {
    let origin = serve(&["h2", "http/1.1"]).await;
    let upstream = Upstream::new(HttpClient::new().unwrap(), tenant_at(&origin));
    let response = upstream.oneshot(get("/x")).await.unwrap();
    assert_eq!(kind(&response), RejectionKind::TenantUnreachable);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_rejected() {
    let origin = serve(&["http/1.1"]).await;
    let client = HttpClient::builder().build_with_connector(connector("api.acme.test"));
    let upstream = Upstream::new(client, tenant_at(&origin));
    let response = upstream.oneshot(get("/x")).await.unwrap();
    assert_eq!(kind(&response), RejectionKind::TenantUnreachable);
}
