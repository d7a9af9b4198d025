//! Flow control of an HTTP/2 connection: a response that is not read, or that is dropped, neither
//! stops nor breaks the responses to other clients.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn as hyper_service;
use hyper_util::rt::{TokioExecutor, TokioIo};
use omneo_id::Body;
use omneo_id::client::HttpClient;
use omneo_id::upstream::RequestBody;
use tokio::time::timeout;
use tower::ServiceExt;

use super::http2_script::{Script, data, end, head, settings};
use super::in_memory::{Client, PAGE, Tenant, futures};
use super::tenants::settle;

const LARGE: usize = 100_000;
const SMALL: usize = 1_000;

fn get(path: &str) -> Request<RequestBody> {
    let uri: Uri = format!("https://tenant.test{path}").parse().unwrap();
    Request::get(uri).body(RequestBody::default()).unwrap()
}

/// Responds to `/<n>` with a body of `n` bytes.
async fn serve<T>(stream: T)
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let bytes = Bytes::from_static(&[b'x'; LARGE]);
    let service = hyper_service(move |request: Request<Incoming>| {
        let length: usize = request.uri().path()[1..].parse().unwrap();
        let body = bytes.slice(..length);
        async move { Ok::<_, Infallible>(Response::new(Full::new(body))) }
    });
    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

fn cleartext(tenant: &Tenant) -> Client {
    let builder = HttpClient::builder().http2_only();
    tenant.client(builder, PAGE, serve)
}

/// One client leaves `unread` responses of this length unread. Twenty small responses to other
/// clients arrive.
async fn small_responses_arrive(client: Client, unread: usize, length: usize) {
    let with_timeout = Duration::from_secs(60);
    let path = format!("/{length}");
    let call = futures((0..unread).map(|_| client.clone().oneshot(get(&path))));
    let responses = timeout(with_timeout, call)
        .await
        .expect("every head arrives");
    let held: Vec<Response<Body>> = responses.into_iter().map(Result::unwrap).collect();
    settle().await;
    for round in 0..20 {
        let small = async {
            let response = client.clone().oneshot(get("/1000")).await.unwrap();
            response.into_body().collect().await.unwrap().to_bytes()
        };
        let body = timeout(with_timeout, small).await;
        let body = body.unwrap_or_else(|_| panic!("beside {unread} unread responses, {round}"));
        assert_eq!(body.len(), SMALL);
    }
    // The unread responses are complete, too.
    let whole = futures(
        held.into_iter()
            .map(|tenant_response| tenant_response.into_body().collect()),
    );
    for body in timeout(with_timeout, whole)
        .await
        .expect("every body arrives")
    {
        assert_eq!(body.unwrap().to_bytes().len(), length);
    }
}

#[tokio::test(start_paused = true)]
async fn unread_responses_of_one_client_do_not_stop_others_over_cleartext() {
    for (unread, length) in [(80, LARGE), (1_000, LARGE / 3)] {
        let tenant = Tenant::default();
        small_responses_arrive(cleartext(&tenant), unread, length).await;
    }
}

#[cfg(feature = "tls")]
#[tokio::test(start_paused = true)]
async fn unread_responses_of_one_client_do_not_stop_others_over_tls() {
    for (unread, length) in [(80, LARGE), (1_000, LARGE / 12)] {
        small_responses_arrive(tls::client(), unread, length).await;
    }
}

#[cfg(feature = "tls")]
mod tls {
    use std::io;
    use std::sync::Arc;

    use rustls::crypto::aws_lc_rs;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{ClientConfig, RootCertStore, ServerConfig};
    use tokio_rustls::{TlsAcceptor, TlsConnector};
    use tower::service_fn;

    use super::super::in_memory::erase;
    use super::*;
    use crate::support::client_io::ClientIo;

    const HTTP2: &[u8] = b"h2";

    /// A client whose TLS connections negotiate HTTP/2 by ALPN.
    pub(super) fn client() -> Client {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let certificate =
            || CertificateDer::from(include_bytes!("../../tls/tenant.cert.der").as_slice());
        let key =
            PrivateKeyDer::Pkcs8(include_bytes!("../../tls/tenant.key.der").as_slice().into());
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate()], key)
            .unwrap();
        server.alpn_protocols = vec![HTTP2.to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let mut roots = RootCertStore::empty();
        roots.add(certificate()).unwrap();
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![HTTP2.to_vec(), b"http/1.1".to_vec()];
        let connector = TlsConnector::from(Arc::new(config));
        erase(
            HttpClient::builder().build_with_connector(service_fn(move |_: Uri| {
                let (acceptor, connector) = (acceptor.clone(), connector.clone());
                async move {
                    let (client_io, tenant_io) = tokio::io::duplex(PAGE);
                    tokio::spawn(async move {
                        if let Ok(stream) = acceptor.accept(tenant_io).await {
                            serve(stream).await;
                        }
                    });
                    let name = "127.0.0.1".try_into().unwrap();
                    let stream = connector.connect(name, client_io).await?;
                    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
                    Ok::<_, io::Error>(ClientIo::negotiated(stream, is_http2))
                }
            })),
        )
    }
}

// --- dropped responses

#[tokio::test(start_paused = true)]
async fn dropped_responses_of_one_client_do_not_close_the_connection_of_others() {
    let (tenant, script) = (Tenant::default(), Script::default());
    let builder = HttpClient::builder().http2_only();
    let client = script.client(&tenant, builder, |_| settings(100));
    let mut first = tokio::spawn(client.clone().oneshot(get("/")));
    script.until_seen(1).await;
    script.write(0, head(1));
    let first = (&mut first).await.unwrap().unwrap();
    let reading = tokio::spawn(first.into_body().collect());
    for round in 0..5 {
        let calls: Vec<_> = (0..90).map(|_| client.clone().oneshot(get("/"))).collect();
        let calls = futures(calls.into_iter());
        let calls = tokio::spawn(calls);
        script.until_seen(1 + 90 * (round + 1)).await;
        let streams = script
            .seen()
            .into_iter()
            .map(|(_, stream)| stream)
            .rev()
            .take(90);
        let streams: Vec<_> = streams.collect();
        script.write(0, streams.iter().flat_map(|stream| head(*stream)));
        let responses = calls.await.unwrap();
        // These frames cross the resets of the client.
        for _ in 0..20 {
            script.write(0, streams.iter().flat_map(|stream| data(*stream, b"x")));
        }
        drop(responses);
        settle().await;
    }
    script.write(0, end(1, b"end"));
    let body = timeout(Duration::from_secs(60), reading).await.unwrap();
    assert_eq!(body.unwrap().unwrap().to_bytes(), "end");
    assert_eq!(tenant.opened(), 1);
}
