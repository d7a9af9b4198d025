//! Tenants behind a forward proxy, which opens tunnels to them.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use omneo_id::client::{ClientError, HttpClient, HttpClientBuilder, Proxy};
use omneo_id::upstream::RequestBody;
use omneo_id::{Body, RejectionKind, Upstream};
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tower::ServiceExt;

use super::support::{get, kind, tenant_at, text};
use super::tenants::{connections, read_head, serve};
use crate::support::tls::{self, ALL_VERSIONS, PrivateCa};

/// A name that only the proxy resolves.
const NAME: &str = "api.acme.test";
const CREDENTIALS: &str = "Basic bmluYTpzQGNyZXQ=";
const ESTABLISHED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

/// A proxy on loopback.
struct TestProxy {
    address: SocketAddr,
    /// The heads of the requests to it.
    heads: Arc<Mutex<Vec<String>>>,
}

impl TestProxy {
    /// Responds to each request with `response`, and tunnels to `tenant`.
    async fn new(response: &str, tenant: Option<SocketAddr>) -> Self {
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (response, seen) = (response.to_owned(), Arc::clone(&heads));
        let origin = connections(move |mut stream| {
            let (response, seen) = (response.clone(), Arc::clone(&seen));
            async move {
                let Some(head) = read_head(&mut stream).await else {
                    return;
                };
                seen.lock().unwrap().push(head);
                stream.write_all(response.as_bytes()).await.unwrap();
                if let Some(tenant) = tenant {
                    let mut tenant = TcpStream::connect(tenant).await.unwrap();
                    let _ = copy_bidirectional(&mut stream, &mut tenant).await;
                }
            }
        });
        let address = origin.await.trim_start_matches("http://").parse().unwrap();
        Self { address, heads }
    }

    fn builder(&self) -> HttpClientBuilder {
        let url = format!("http://nina:s%40cret@{}", self.address);
        HttpClient::builder().proxy(Proxy::new(&url).unwrap())
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn send(client: &HttpClient, uri: &str) -> Result<String, ClientError> {
    let request = Request::get(uri).body(RequestBody::default()).unwrap();
    let response = client.clone().oneshot(request).await?;
    Ok(text(response.map(Body::new)).await)
}

/// The text of an error and its sources.
fn chain(error: &ClientError) -> String {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(error) = source {
        texts.push(error.to_string());
        source = error.source();
    }
    texts.join(": ")
}

fn trusting(builder: HttpClientBuilder, ca: &PrivateCa) -> HttpClientBuilder {
    builder.add_root_certificates(ca.pem.as_bytes()).unwrap()
}

#[tokio::test]
async fn a_tenant_is_reached_through_a_tunnel_over_each_protocol() {
    let ca = PrivateCa::new();
    for (protocols, http2_only, expected) in [
        (&["h2", "http/1.1"][..], false, "HTTP/2.0 TLSv1_3"),
        (&["http/1.1"], false, "HTTP/1.1 TLSv1_3"),
        (&["h2"], true, "HTTP/2.0 TLSv1_3"),
    ] {
        let tenant = tls::serve(ca.server(NAME, protocols, ALL_VERSIONS)).await;
        for established in [ESTABLISHED, "HTTP/1.0 201 OK\r\nvia: proxy\r\n\r\n"] {
            let proxy = TestProxy::new(established, Some(tenant)).await;
            let builder = trusting(proxy.builder(), &ca);
            let client = match http2_only {
                true => builder.http2_only(),
                false => builder,
            };
            let client = client.build().unwrap();
            for _ in 0..3 {
                let response = send(&client, &format!("https://{NAME}/x")).await;
                assert_eq!(response.unwrap(), expected);
            }
            let head = format!(
                "CONNECT {NAME}:443 HTTP/1.1\r\nhost: {NAME}:443\r\n\
                 proxy-authorization: {CREDENTIALS}\r\n\r\n"
            );
            assert_eq!(proxy.heads(), [head]);
        }
    }
}

#[tokio::test]
async fn a_plain_http_tenant_is_reached_through_a_tunnel_without_the_credentials() {
    let origin = serve(|request| async move {
        let headers: Vec<_> = request.headers().keys().map(|name| name.as_str()).collect();
        let text = format!("{} {}", request.uri(), headers.join(" "));
        Response::new(Full::<Bytes>::from(text))
    });
    let tenant = origin.await.trim_start_matches("http://").parse().unwrap();
    for (origin, authority) in [
        ("http://api.acme.test", "api.acme.test:80"),
        ("http://api.acme.test:8080", "api.acme.test:8080"),
        ("http://[2001:db8::1]:8080", "[2001:db8::1]:8080"),
    ] {
        let proxy = TestProxy::new(ESTABLISHED, Some(tenant)).await;
        let client = proxy.builder().build().unwrap();
        for _ in 0..2 {
            let response = send(&client, &format!("{origin}/x?y")).await.unwrap();
            assert_eq!(response, "/x?y host");
        }
        let heads = proxy.heads();
        assert_eq!(heads.len(), 1);
        assert!(heads[0].starts_with(&format!("CONNECT {authority} HTTP/1.1\r\n")));
    }
}

#[tokio::test]
async fn the_certificate_of_the_tenant_is_verified_through_a_tunnel() {
    let (ca, other) = (PrivateCa::new(), PrivateCa::new());
    for (name, root, reason) in [
        ("api.other.test", &ca, "not valid for name"),
        (NAME, &other, "UnknownIssuer"),
    ] {
        let tenant = tls::serve(ca.server(name, &["h2", "http/1.1"], ALL_VERSIONS)).await;
        let proxy = TestProxy::new(ESTABLISHED, Some(tenant)).await;
        let client = trusting(proxy.builder(), root).build().unwrap();
        let error = send(&client, &format!("https://{NAME}/x")).await;
        let error = error.unwrap_err();
        assert!(error.is_connect());
        assert!(chain(&error).contains(reason), "{}", chain(&error));
    }
}

#[tokio::test]
async fn a_tunnel_that_is_not_opened_is_a_connect_error_with_its_reason() {
    for (response, reason) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\n\
             content-length: 3\r\n\r\nno!",
            "the proxy refused the tunnel: 407 Proxy Authentication Required",
        ),
        (
            "HTTP/1.1 403 Forbidden\r\n\r\n",
            "the proxy refused the tunnel: 403 Forbidden",
        ),
        (
            "HTTP/1.1 302 Found\r\nlocation: http://login.test\r\ncontent-length: 0\r\n\r\n",
            "the proxy refused the tunnel: 302 Found",
        ),
        (
            "HTTP/1.0 502 Bad Gateway\r\nconnection: close\r\n\r\n",
            "the proxy refused the tunnel: 502 Bad Gateway",
        ),
        ("", "the proxy has sent no valid response"),
        ("HTTP/1.1 200", "the proxy has sent no valid response"),
        (
            "SSH-2.0-server\r\n\r\n",
            "the proxy has sent no valid response",
        ),
        (
            "HTTP/1.1 200 OK\r\n\r\nearly",
            "the proxy sent data before the first request",
        ),
    ] {
        let proxy = TestProxy::new(response, None).await;
        for origin in ["https://api.acme.test", "http://api.acme.test"] {
            let client = proxy.builder().build().unwrap();
            let error = send(&client, origin).await.unwrap_err();
            assert!(error.is_connect(), "{error:?}");
            let text = chain(&error);
            let expected = format!("no connection could be opened: {reason}");
            assert!(text.starts_with(&expected), "{text}");
            for secret in ["nina", "cret", CREDENTIALS] {
                assert!(!format!("{text} {error:?}").contains(secret), "{error:?}");
            }
        }
        // One attempt each: the request was not sent.
        assert_eq!(proxy.heads().len(), 2, "{response}");
        let upstream = Upstream::new(
            proxy.builder().build().unwrap(),
            tenant_at("https://api.acme.test"),
        );
        let rejection = upstream.oneshot(get("/x")).await.unwrap();
        assert_eq!(kind(&rejection), RejectionKind::TenantUnreachable);
    }
}

#[tokio::test]
async fn an_unreachable_proxy_is_named_as_the_cause() {
    let proxy = TestProxy {
        address: SocketAddr::from(([127, 0, 0, 1], 1)),
        heads: Arc::default(),
    };
    let client = proxy.builder().build().unwrap();
    let error = send(&client, "https://api.acme.test").await.unwrap_err();
    assert!(error.is_connect());
    let text = chain(&error);
    assert!(text.contains("the proxy cannot be reached: "), "{text}");
}

#[tokio::test]
async fn the_connect_timeout_includes_the_response_of_the_proxy() {
    let origin = connections(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    });
    let builder = HttpClient::builder().connect_timeout(Duration::from_millis(50));
    let proxy = Proxy::new(&origin.await).unwrap();
    let client = builder.proxy(proxy).build().unwrap();
    let error = send(&client, "https://api.acme.test").await.unwrap_err();
    assert!(
        chain(&error).contains("connecting took longer"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_tenant_on_loopback_is_reached_directly() {
    let origin = serve(|_| async { Response::new(Full::<Bytes>::from("ok")) }).await;
    let proxy = TestProxy::new("HTTP/1.1 403 Forbidden\r\n\r\n", None).await;
    let client = proxy.builder().build().unwrap();
    assert_eq!(send(&client, &origin).await.unwrap(), "ok");
    let localhost = origin.replace("127.0.0.1", "localhost");
    assert_eq!(send(&client, &localhost).await.unwrap(), "ok");
    assert_eq!(proxy.heads(), [""; 0]);
}

#[tokio::test]
async fn http2_without_tls_is_not_sent_through_a_proxy() {
    let proxy = TestProxy::new(ESTABLISHED, None).await;
    let client = proxy.builder().http2_only().build().unwrap();
    let error = send(&client, "http://api.acme.test").await.unwrap_err();
    let text = chain(&error);
    assert!(text.contains("`http2_only` without TLS"), "{text}");
    assert_eq!(proxy.heads(), [""; 0]);
}

#[test]
fn debug_output_contains_neither_user_nor_password() {
    let proxy = Proxy::new("http://nina:s%40cret@proxy.test:3128").unwrap();
    let builder = HttpClient::builder().proxy(proxy);
    let text = format!("{builder:?} {:?}", builder.clone().build().unwrap());
    assert!(text.contains("http://proxy.test:3128"), "{text}");
    for secret in ["nina", "cret", CREDENTIALS] {
        assert!(!text.contains(secret), "{text}");
    }
}
