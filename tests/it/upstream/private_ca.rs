//! Tenants whose certificate is from a private authority.

use std::error::Error;
use std::net::SocketAddr;

use http::Request;
use omneo_id::Body;
use omneo_id::client::{ClientError, HttpClient, HttpClientBuilder};
use omneo_id::error::ConfigErrorKind;
use omneo_id::upstream::RequestBody;
use rustls::{CertificateError, version};
use tokio_rustls::rustls;
use tower::ServiceExt;

use super::support::text;
use crate::support::tls::{ALL_VERSIONS, PrivateCa, serve};

/// The loopback address, as the name in a certificate.
const NAME: &str = "127.0.0.1";

fn with_roots(pem: &str) -> HttpClientBuilder {
    let builder = HttpClient::builder();
    builder.add_root_certificates(pem.as_bytes()).unwrap()
}

async fn get(builder: HttpClientBuilder, tenant: SocketAddr) -> Result<String, ClientError> {
    let request = Request::get(format!("https://{tenant}/x"));
    let request = request.body(RequestBody::default()).unwrap();
    let response = builder.build().unwrap().oneshot(request).await?;
    Ok(text(response.map(Body::new)).await)
}

/// The TLS error in the chain of sources of a failed request.
fn tls_error(result: Result<String, ClientError>) -> rustls::Error {
    let error = result.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    let mut source: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return error.clone();
        }
        source = error.source();
    }
    panic!("no TLS error is a source of {error:?}");
}

#[tokio::test]
async fn a_tenant_under_an_added_root_is_trusted_over_each_protocol() {
    let ca = PrivateCa::new();
    for (tls, tls_name) in [(&version::TLS12, "TLSv1_2"), (&version::TLS13, "TLSv1_3")] {
        for (protocols, http) in [
            (&["h2", "http/1.1"][..], "HTTP/2.0"),
            (&["http/1.1"], "HTTP/1.1"),
        ] {
            let tenant = serve(ca.server(NAME, protocols, &[tls])).await;
            let response = get(with_roots(&ca.pem), tenant).await.unwrap();
            assert_eq!(response, format!("{http} {tls_name}"));
        }
        let tenant = serve(ca.server(NAME, &["h2"], &[tls])).await;
        let response = get(with_roots(&ca.pem).http2_only(), tenant).await.unwrap();
        assert_eq!(response, format!("HTTP/2.0 {tls_name}"));
    }
}

#[tokio::test]
async fn each_certificate_of_each_file_is_a_root() {
    let cas = [PrivateCa::new(), PrivateCa::new(), PrivateCa::new()];
    let file = format!("# two\n{}\n{}", cas[0].pem, cas[1].pem);
    let builder = with_roots(&file);
    let builder = builder.add_root_certificates(cas[2].pem.as_bytes());
    let builder = builder.unwrap();
    for ca in cas {
        let tenant = serve(ca.server(NAME, &["http/1.1"], ALL_VERSIONS)).await;
        let response = get(builder.clone(), tenant).await.unwrap();
        assert_eq!(response, "HTTP/1.1 TLSv1_3");
    }
}

#[tokio::test]
async fn a_tenant_under_another_root_is_a_tls_error_in_the_chain_of_sources() {
    let (ca, other) = (PrivateCa::new(), PrivateCa::new());
    let tenant = serve(ca.server(NAME, &["h2", "http/1.1"], ALL_VERSIONS)).await;
    let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
    for builder in [HttpClient::builder(), with_roots(&other.pem)] {
        for builder in [builder.clone(), builder.http2_only()] {
            assert_eq!(tls_error(get(builder, tenant).await), unknown);
        }
    }
}

#[tokio::test]
async fn the_name_in_a_certificate_under_an_added_root_is_verified() {
    let ca = PrivateCa::new();
    for name in ["127.0.0.2", "localhost", "api.acme.test"] {
        let tenant = serve(ca.server(name, &["h2", "http/1.1"], ALL_VERSIONS)).await;
        let error = tls_error(get(with_roots(&ca.pem), tenant).await);
        let is_name = matches!(
            error,
            rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })
        );
        assert!(is_name, "{name}: {error:?}");
    }
}

#[test]
fn a_file_without_a_usable_certificate_is_a_configuration_error() {
    let pem = PrivateCa::new().pem;
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
    for (file, reason) in [
        (String::new(), "no certificate"),
        ("acme".to_owned(), "no certificate"),
        (pem.replace("CERTIFICATE", "PUBLIC KEY"), "no certificate"),
        (pem.replace(end, ""), "PEM"),
        (pem.replace(begin, &format!("{begin}\n*")), "PEM"),
        (format!("{begin}\nAAAA\n{end}\n"), "not usable"),
        (format!("{pem}\n{begin}\nAAAA\n{end}\n"), "not usable"),
        (format!("{pem}\n{begin}\nAAAA\n"), "PEM"),
    ] {
        let error = HttpClient::builder().add_root_certificates(file.as_bytes());
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::InvalidValue, "{file}");
        assert!(error.to_string().contains(reason), "{file}: {error}");
    }
}
