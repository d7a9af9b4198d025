//! The network between the server and its tenant: authorities, proxies, the age of connections.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use omneo_id::sandbox::Sandbox;
use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::metrics::{METRICS_FLAGS, scrape};
use crate::process::{MOUNT, Server, command, get_as};
use crate::temporary::Directory;
use crate::tenant::SlowTenant;

/// Starts a sandbox behind TLS on `localhost`. Returns its origin and its certificate in PEM.
async fn tls_tenant() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let der = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], der)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let sandbox = Sandbox::new();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, sandbox) = (acceptor.clone(), sandbox.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let service = TowerToHyperService::new(sandbox);
                let server = hyper::server::conn::http1::Builder::new();
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (format!("https://localhost:{port}"), certificate.pem())
}

#[tokio::test]
async fn a_tenant_behind_a_private_authority_needs_its_certificate() {
    let (origin, certificate) = tls_tenant().await;
    let directory = Directory::new();
    let file = directory.join("ca.pem");
    std::fs::write(&file, certificate).unwrap();
    let file = file.to_str().unwrap();
    let tenant = ["--upstream", &origin, "--api-token", Sandbox::API_TOKEN];
    for (flags, variables, status) in [
        (&[][..], &[][..], 503),
        (&["--tenant-ca", file], &[], 200),
        (&[], &[("SSL_CERT_FILE", file)], 200),
    ] {
        let server = Server::start(&[&tenant, flags].concat(), variables);
        let response = server.get("/readyz").await;
        assert_eq!(response.status(), status, "{flags:?} {variables:?}");
        let reason = String::from_utf8_lossy(response.body()).contains("no TLS connection");
        assert_eq!(reason, status == 503);
    }
}

/// A forward proxy that tunnels all requests to one address. It records the request lines.
async fn forward_proxy(target: SocketAddr) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let lines = Arc::<Mutex<Vec<String>>>::default();
    let seen = Arc::clone(&lines);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let seen = Arc::clone(&seen);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let line = head.lines().next().unwrap_or_default();
                seen.lock().unwrap().push(line.to_owned());
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let mut tenant = TcpStream::connect(target).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut tenant).await;
            });
        }
    });
    (url, lines)
}

#[tokio::test]
async fn the_proxy_of_the_environment_is_used_except_for_the_hosts_of_no_proxy() {
    let tenant = SlowTenant::start().await;
    let (proxy, lines) = forward_proxy(tenant.address).await;
    let flags = [
        "--upstream",
        "http://api.acme.test",
        "--insecure-upstream",
        "--api-token",
        "t",
    ];
    let start = |no_proxy: &str| {
        let mut command = command(&flags, &[("HTTP_PROXY", &proxy), ("NO_PROXY", no_proxy)]);
        for name in ["http_proxy", "no_proxy", "ALL_PROXY", "all_proxy"] {
            command.env_remove(name);
        }
        command.env_remove("REQUEST_METHOD");
        Server::start_command(command)
    };
    start("other.test").mint("t", "{}").await;
    let seen = std::mem::take(&mut *lines.lock().unwrap());
    assert_eq!(seen, ["CONNECT api.acme.test:80 HTTP/1.1"]);
    // Directly, the name does not resolve.
    let response = start("acme.test").get("/readyz").await;
    assert_eq!(response.status(), 503);
    assert_eq!(*lines.lock().unwrap(), [""; 0]);
}

#[test]
fn an_invalid_proxy_is_an_error_at_the_start_that_does_not_show_it() {
    let flags = ["--upstream", "https://api.acme.test", "--api-token", "t"];
    let variables = [("HTTPS_PROXY", "socks9://user:hunter2@proxy.test")];
    let output = crate::process::run(&flags, &variables);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_connection_is_not_reused_after_its_greatest_age() {
    for (flags, opened) in [(&[][..], 1.0), (&["--max-connection-age", "1ns"], 4.0)] {
        let tenant = SlowTenant::start().await;
        let common = ["--threads", "1", METRICS_FLAGS[0], METRICS_FLAGS[1]];
        let server = tenant.server(&[&common, flags].concat());
        for _ in 0..4 {
            server.mint("t", "{}").await;
            sleep(Duration::from_millis(5)).await;
        }
        let name = "omneo_id_tenant_connections_opened_total";
        let count = scrape(&server).await.value(name, &[]);
        assert_eq!(count, Some(opened), "{flags:?}");
    }
}

#[tokio::test]
async fn the_log_has_the_address_of_the_client_with_the_flag() {
    let forwarded = ["--trusted-proxy", "127.0.0.1", "--trust-forwarded"];
    for (flags, address) in [
        (&[][..], None),
        (&["--log-client-address"][..], Some("127.0.0.1")),
        (
            &[&forwarded[..], &["--log-client-address"]].concat(),
            Some("203.0.113.7"),
        ),
    ] {
        let server = Server::start(flags, &[]);
        let mut request = get_as("x", &format!("{MOUNT}/profiles/me"));
        let value = "for=203.0.113.7".parse().unwrap();
        request.headers_mut().insert("forwarded", value);
        assert_eq!(server.send(request).await.status(), 401);
        let log = server.terminate().stderr;
        assert!(log.contains("url.path=\"/id/api/v1/profiles/me\""), "{log}");
        match address {
            None => assert!(!log.contains("client.address"), "{log}"),
            Some(address) => {
                assert!(log.contains(&format!("client.address={address}")), "{log}");
            }
        }
    }
}
