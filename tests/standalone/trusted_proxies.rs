//! `--trusted-proxy`: the client of a request, as the tenant sees it.
#![cfg(unix)]

use http::HeaderMap;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::certificates::{Certificate, TlsClient};
use crate::process::{MOUNT, Server};
use crate::raw_client::{connect, read_response, status};
use crate::temporary::Directory;
use crate::tenant::SlowTenant;
use crate::tls::HTTP1;

/// The headers of a proxy, after those of a client that forges them.
const FORWARDED: &str = "x-forwarded-for: 6.6.6.6, 203.0.113.7, 10.0.0.2\r\n\
    x-forwarded-proto: https\r\nx-forwarded-host: shop.test\r\n";

struct Proxied {
    server: Server,
    tenant: SlowTenant,
    token: String,
    socket: Directory,
}

impl Proxied {
    async fn start(proxies: &[&str]) -> Self {
        let tenant = SlowTenant::start().await;
        let socket = Directory::new();
        let listen = format!("unix:{}", socket.join("a.sock").display());
        let origin = tenant.origin();
        let mut flags = vec![
            "--upstream",
            &origin,
            "--api-token",
            "t",
            "--listen",
            &listen,
        ];
        flags.extend(proxies.iter().flat_map(|proxy| ["--trusted-proxy", proxy]));
        let server = Server::start(&flags, &[]);
        let token = server.mint("t", "{}").await;
        Self {
            server,
            tenant,
            token,
            socket,
        }
    }

    /// The headers that the tenant receives with a request over this connection.
    async fn seen<T: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut T) -> HeaderMap {
        seen(&self.tenant, &self.token, stream).await
    }

    async fn over_unix(&self) -> UnixStream {
        UnixStream::connect(self.socket.join("a.sock"))
            .await
            .unwrap()
    }
}

async fn seen<T>(tenant: &SlowTenant, token: &str, stream: &mut T) -> HeaderMap
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let head = format!(
        "GET {MOUNT}/locations/1 HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\
         {FORWARDED}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let (head, _) = read_response(stream).await;
    assert_eq!(status(head.as_bytes()), "200");
    tenant.seen.lock().unwrap().pop().unwrap()
}

#[tokio::test]
async fn headers_of_untrusted_peers_are_ignored() {
    for proxies in [&[][..], &["10.0.0.0/8", "::1", "203.0.113.7"]] {
        let proxied = Proxied::start(proxies).await;
        let over_tcp = proxied.seen(&mut connect(&proxied.server).await).await;
        let over_unix = proxied.seen(&mut proxied.over_unix().await).await;
        for seen in [over_tcp, over_unix] {
            assert_eq!(seen["x-forwarded-for"], "127.0.0.1");
            assert!(!seen.contains_key("x-forwarded-proto"));
            assert!(!seen.contains_key("x-forwarded-host"));
        }
    }
}

#[tokio::test]
async fn a_trusted_proxy_names_the_client_of_each_request() {
    let proxied = Proxied::start(&["127.0.0.0/8", "10.0.0.0/8"]).await;
    let mut tcp = connect(&proxied.server).await;
    let mut unix = proxied.over_unix().await;
    for _ in 0..2 {
        let over_tcp = proxied.seen(&mut tcp).await;
        // The peer of a Unix socket has the address of the loopback interface.
        let over_unix = proxied.seen(&mut unix).await;
        for seen in [over_tcp, over_unix] {
            assert_eq!(seen["x-forwarded-for"], "203.0.113.7, 10.0.0.2, 127.0.0.1");
            assert_eq!(seen["x-forwarded-proto"], "https");
            assert_eq!(seen["x-forwarded-host"], "shop.test");
        }
    }
}

#[tokio::test]
async fn the_chain_ends_at_the_first_untrusted_address() {
    let proxied = Proxied::start(&["127.0.0.1"]).await;
    let seen = proxied.seen(&mut connect(&proxied.server).await).await;
    assert_eq!(seen["x-forwarded-for"], "10.0.0.2, 127.0.0.1");
}

#[tokio::test]
async fn a_trusted_proxy_over_tls_names_the_scheme() {
    let certificate = Certificate::new();
    let tenant = SlowTenant::start().await;
    let (origin, tls) = (tenant.origin(), certificate.flags());
    let mut flags = vec![
        "--upstream",
        &origin,
        "--api-token",
        "t",
        "--trusted-proxy",
        "127.0.0.1",
    ];
    flags.extend(tls.iter().map(String::as_str));
    let socket = Directory::new();
    let path = socket.join("a.sock");
    let listen = format!("unix:{}", path.display());
    flags.extend(["--listen", &listen]);
    let server = Server::start(&flags, &[]);
    let client = TlsClient::new(&[&certificate], &[HTTP1]);
    // Unix sockets are in clear text, with and without TLS.
    let mut unix = UnixStream::connect(path).await.unwrap();
    let mint = format!(
        "POST {MOUNT}/auth/token HTTP/1.1\r\nhost: a\r\nauthorization: Bearer t\r\n\
         content-length: 0\r\n\r\n"
    );
    unix.write_all(mint.as_bytes()).await.unwrap();
    let (_, body) = read_response(&mut unix).await;
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let token = body["data"]["token"].as_str().unwrap();
    let mut stream = client.connect(server.address).await.unwrap();
    let seen = seen(&tenant, token, &mut stream).await;
    assert_eq!(seen["x-forwarded-for"], "10.0.0.2, 127.0.0.1");
    assert_eq!(seen["x-forwarded-proto"], "https");
}

#[test]
fn a_malformed_network_is_an_error() {
    let output = crate::process::run(&["--trusted-proxy", "10.0.0.0/33"], &[]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("10.0.0.0/33"), "{error}");
}
