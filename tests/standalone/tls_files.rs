//! The files of a certificate: formats, errors, and their replacement.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rcgen::KeyPair;
use tokio::time::timeout;

use crate::certificates::{Certificate, TlsClient};
use crate::config::TlsFiles;
use crate::process::{Server, run};
use crate::raw_client::{PATIENCE, logged};
use crate::server::tls::Tls;
use crate::temporary::Directory;
use crate::tls::{HTTP1, HTTP2, connection, start};

fn test_key(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/keys")
        .join(name)
}

/// A certificate for the key in this file.
fn certificate_for(key: &str) -> Certificate {
    let pem = std::fs::read_to_string(test_key(key)).unwrap();
    Certificate::with_key(&KeyPair::from_pem(&pem).unwrap())
}

fn load(cert: PathBuf, key: PathBuf) -> Result<(), String> {
    let loaded = Tls::load(&TlsFiles { cert, key });
    loaded.map(drop).map_err(|error| error.to_string())
}

#[test]
fn keys_are_read_in_all_formats() {
    for (pkcs8, key) in [
        ("p256.pem", "p256.pem"),
        ("p256.pem", "p256.sec1.pem"),
        ("p384.pem", "p384.pem"),
        ("ed25519.pem", "ed25519.pem"),
        ("rsa2048.pem", "rsa2048.pem"),
        ("rsa2048.pem", "rsa2048.pkcs1.pem"),
    ] {
        let certificate = certificate_for(pkcs8);
        assert_eq!(load(certificate.cert(), test_key(key)), Ok(()), "{key}");
    }
}

#[test]
fn a_key_may_follow_its_certificate_in_one_file() {
    let certificate = Certificate::new();
    let read = |path| std::fs::read(path).unwrap();
    let both = [read(certificate.cert()), read(certificate.key())].concat();
    std::fs::write(certificate.cert(), both).unwrap();
    assert_eq!(load(certificate.cert(), certificate.cert()), Ok(()));
}

#[test]
fn errors_name_the_file_and_the_problem() {
    let certificate = Certificate::new();
    let other = Certificate::new();
    let directory = Directory::new();
    let file = |name: &str, content: &str| {
        let path = directory.join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let (cert, key) = (certificate.cert(), certificate.key());
    let missing = directory.join("missing.pem");
    let empty = file("empty.pem", "");
    let cut = file("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let not_der = file("not-der.pem", not_der);
    // On one line: the content must not be part of the error.
    let one_line = std::fs::read_to_string(&key).unwrap().replace('\n', "");
    let one_line = file("one-line.pem", &one_line);
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
        DEK-Info: AES-128-CBC,0123456789ABCDEF0123456789ABCDEF\n\nAAAA\n\
        -----END RSA PRIVATE KEY-----\n";
    let old = file("old.pem", old);
    for (cert, key, named, problem) in [
        (&missing, &key, &missing, "No such file"),
        (&empty, &key, &empty, "no certificate in PEM"),
        (&key, &key, &key, "no certificate in PEM"),
        (&cut, &key, &cut, "not valid PEM"),
        (&not_der, &key, &not_der, ""),
        (&cert, &missing, &missing, "No such file"),
        (&cert, &empty, &empty, "no private key in PEM"),
        (&cert, &cert, &cert, "no private key in PEM"),
        (&cert, &one_line, &one_line, "no private key in PEM"),
        (&cert, &old, &old, "is encrypted"),
        (
            &cert,
            &test_key("encrypted.pem"),
            &test_key("encrypted.pem"),
            "is encrypted",
        ),
        (
            &cert,
            &test_key("p256.pub.pem"),
            &test_key("p256.pub.pem"),
            "no private key in PEM",
        ),
        (
            &cert,
            &test_key("ed448.pem"),
            &test_key("ed448.pem"),
            "not supported",
        ),
        (
            &cert,
            &test_key("rsa1024.pem"),
            &test_key("rsa1024.pem"),
            "not supported",
        ),
        (&cert, &other.key(), &other.key(), "does not belong to"),
    ] {
        let error = load(cert.clone(), key.clone()).unwrap_err();
        let prefix = match named.exists() {
            true => format!("{}: ", named.display()),
            false => format!("cannot read {}: ", named.display()),
        };
        assert!(error.starts_with(&prefix), "{error}");
        assert!(error.contains(problem), "{error}");
        let content = std::fs::read_to_string(key).unwrap_or_default();
        for line in content
            .lines()
            .filter(|line| !line.starts_with("-----BEGIN CERT"))
        {
            assert!(line.len() < 20 || !error.contains(line), "{error}");
        }
    }
}

#[test]
fn a_server_with_a_wrong_key_does_not_start() {
    let (certificate, other) = (Certificate::new(), Certificate::new());
    let flags = certificate.flags();
    let key = other.key();
    let flags = [&flags[0], &flags[1], &flags[2], key.to_str().unwrap()];
    let output = run(&flags, &[]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.contains("--tls-key"), "{error}");
}

#[tokio::test]
async fn an_expired_certificate_is_served_with_a_warning() {
    let certificate = Certificate::expired();
    let server = start(&certificate, &["--log", "warn"]);
    logged(&server, "expired", 1).await;
    // The client refuses it.
    let client = TlsClient::new(&[&certificate], &[HTTP1]);
    let refused = client.connect(server.address).await;
    assert!(refused.unwrap_err().to_string().contains("expired"));
    let valid = start(&Certificate::new(), &["--log", "warn"]).terminate();
    assert!(!valid.stderr.contains("expired"), "{}", valid.stderr);
}

/// Opens connections, each with a request, until `stop`.
async fn handshakes(server: Arc<Server>, client: TlsClient, stop: Arc<AtomicBool>) -> usize {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        connection(&client, &server).await;
        count += 1;
        // Leaves the processor to the reload.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_replaced_under_load() {
    let certificates = [Certificate::new(), Certificate::new(), Certificate::new()];
    let trusted: Vec<_> = certificates.iter().collect();
    let installed = Certificate::new();
    installed.install(&certificates[0]);
    let server = Arc::new(start(&installed, &["--log", "info"]));
    let stop = Arc::<AtomicBool>::default();
    let mut clients = Vec::new();
    for alpn in [HTTP1, HTTP2] {
        let client = TlsClient::new(&trusted, &[alpn]);
        clients.push(tokio::spawn(handshakes(
            Arc::clone(&server),
            client,
            Arc::clone(&stop),
        )));
    }
    let client = TlsClient::new(&trusted, &[HTTP1]);
    let mut first = connection(&client, &server).await;
    for round in 1..=6 {
        let certificate = &certificates[round % 3];
        installed.install(certificate);
        server.signal("HUP");
        // Each new client is a full handshake, which shows the certificate.
        let replaced = async {
            loop {
                let client = TlsClient::new(&trusted, &[HTTP1]);
                let stream = connection(&client, &server).await;
                let served = stream.get_ref().1.peer_certificates().unwrap();
                if served == [certificate.der().clone()] {
                    return;
                }
            }
        };
        timeout(PATIENCE, replaced)
            .await
            .expect("the old certificate");
    }
    // A connection keeps the certificate of its handshake.
    crate::tls::request(&mut first).await;

    // A key that does not belong to the certificate changes nothing.
    std::fs::copy(certificates[1].key(), installed.key()).unwrap();
    server.signal("HUP");
    logged(&server, "reload failed", 1).await;
    let stream = connection(&TlsClient::new(&trusted, &[HTTP1]), &server).await;
    let served = stream.get_ref().1.peer_certificates().unwrap();
    assert_eq!(served, [certificates[0].der().clone()]);

    stop.store(true, Ordering::Relaxed);
    for client in clients {
        assert!(client.await.expect("no failed handshake or request") > 0);
    }
}
