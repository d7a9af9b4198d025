//! `/readyz`: its result by the response of the tenant, and the rate of its probes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::process::Server;
use crate::raw_client::PATIENCE;
use crate::secret_files::Temporary;

const VERIFIED: &str =
    "200 OK\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n{\"status\":200}";

/// A tenant that sends the same response to all requests.
struct Tenant {
    origin: String,
    calls: Arc<AtomicUsize>,
    /// A permit for each response.
    answers: Arc<Semaphore>,
    answer: Arc<std::sync::Mutex<String>>,
}

impl Tenant {
    async fn start(answer: &str, answers: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tenant = Self {
            origin: format!("http://{}", listener.local_addr().unwrap()),
            calls: Arc::default(),
            answers: Arc::new(Semaphore::new(answers)),
            answer: Arc::new(std::sync::Mutex::new(answer.to_owned())),
        };
        let (calls, answers) = (Arc::clone(&tenant.calls), Arc::clone(&tenant.answers));
        let answer = Arc::clone(&tenant.answer);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (calls, answers) = (Arc::clone(&calls), Arc::clone(&answers));
                tokio::spawn(serve(stream, calls, answers, Arc::clone(&answer)));
            }
        });
        tenant
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn server(&self) -> Server {
        Server::start(&["--upstream", &self.origin, "--api-token", "t"], &[])
    }
}

async fn serve(
    mut stream: TcpStream,
    calls: Arc<AtomicUsize>,
    answers: Arc<Semaphore>,
    answer: Arc<std::sync::Mutex<String>>,
) -> std::io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        calls.fetch_add(1, Ordering::SeqCst);
        answers.acquire().await.unwrap().forget();
        let answer = format!("HTTP/1.1 {}", answer.lock().unwrap());
        stream.write_all(answer.as_bytes()).await?;
    }
}

const MANY: usize = 1_000;
const REQUEST: &[u8] = b"GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test]
async fn each_response_of_the_tenant_has_its_reason() {
    let json = |status: &str| {
        format!("{status}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}")
    };
    let html = "200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>".to_owned();
    for (answer, reason) in [
        (VERIFIED.to_owned(), None),
        // Reachable, with a rate limit.
        (json("429 Too Many Requests"), None),
        (
            json("401 Unauthorized"),
            Some("the tenant refuses the API token"),
        ),
        (
            json("403 Forbidden"),
            Some("the tenant forbids the API token to verify itself"),
        ),
        (
            json("404 Not Found"),
            Some("the tenant has no API at the base path"),
        ),
        (json("500 Oops"), Some("the tenant fails")),
        (json("502 Bad Gateway"), Some("the tenant fails")),
        (json("503 Service Unavailable"), Some("the tenant is busy")),
        (
            json("504 Gateway Timeout"),
            Some("the tenant does not respond in time"),
        ),
        (
            json("302 Found\r\nlocation: /login"),
            Some("the tenant returns an unusable response"),
        ),
        (
            json("418 Teapot"),
            Some("the tenant returns an unusable response"),
        ),
        (html, Some("the tenant returns an unusable response")),
        (
            "nonsense".to_owned(),
            Some("the tenant returns an unusable response"),
        ),
    ] {
        let tenant = Tenant::start(&answer, MANY).await;
        check(tenant.server(), reason).await;
        assert!(tenant.calls() > 0);
    }
}

#[tokio::test]
async fn each_failure_of_the_tenant_has_its_reason() {
    // A tenant that does not respond.
    let tenant = Tenant::start(VERIFIED, 0).await;
    check(tenant.server(), Some("the tenant does not respond in time")).await;

    // A tenant without TLS, and one with a certificate of an unknown issuer.
    for acceptor in [None, Some(acceptor())] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("https://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                match &acceptor {
                    None => stream.write_all(b"HTTP/1.1 400 No\r\n\r\n").await.unwrap(),
                    Some(acceptor) => drop(acceptor.accept(stream).await),
                }
            }
        });
        let server = Server::start(&["--upstream", &origin, "--api-token", "t"], &[]);
        check(server, Some("no TLS connection to the tenant is possible")).await;
    }

    // A tenant that does not listen.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let server = Server::start(&["--upstream", &origin, "--api-token", "t"], &[]);
    check(server, Some("the tenant cannot be reached")).await;
}

fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from(include_bytes!("../tls/tenant.cert.der").as_slice());
    let key = include_bytes!("../tls/tenant.key.der").as_slice();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::Pkcs8(key.into()));
    TlsAcceptor::from(Arc::new(config.unwrap()))
}

/// Requests `/readyz` once. Without a reason it must be ready.
async fn check(server: Server, reason: Option<&str>) {
    let response = server.get("/readyz").await;
    let body = String::from_utf8(response.body().to_vec()).unwrap();
    let log = server.terminate().stderr;
    match reason {
        None => {
            assert_eq!(body, r#"{"status":"ready"}"#);
            assert_eq!(response.status(), 200);
        }
        Some(reason) => {
            let expected = format!(r#"{{"status":"unavailable","reason":"{reason}"}}"#);
            assert_eq!(body, expected);
            assert_eq!(response.status(), 503, "{reason}");
            let line = format!("reason=\"{reason}\"");
            assert!(log.contains(&line), "{line} in {log}");
        }
    }
}

#[tokio::test]
async fn clients_that_disconnect_do_not_cancel_the_probe() {
    let tenant = Tenant::start(VERIFIED, 0).await;
    let server = tenant.server();
    let began = Instant::now();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(REQUEST).await.unwrap();
        sleep(Duration::from_millis(10)).await;
    }
    let called = timeout(PATIENCE, async {
        while tenant.calls() == 0 {
            sleep(Duration::from_millis(1)).await;
        }
    });
    called.await.expect("no probe");
    // One, or more on a slow machine where the first one has reached its timeout of 2 s.
    let most = 1 + began.elapsed().as_secs() / 2;
    let calls = tenant.calls();
    assert!(u64::try_from(calls).unwrap() <= most, "{calls}");
    tenant.answers.add_permits(MANY);
    let ready = timeout(PATIENCE, async {
        while server.get("/readyz").await.status() != 200 {
            sleep(Duration::from_millis(10)).await;
        }
    });
    ready.await.expect("the server does not get ready");
}

#[tokio::test]
async fn the_tenant_is_probed_at_most_once_a_second_and_only_on_request() {
    let tenant = Tenant::start(VERIFIED, MANY).await;
    let server = tenant.server();
    let began = Instant::now();
    for _ in 0..100 {
        assert_eq!(server.get("/readyz").await.status(), 200);
    }
    let most = began.elapsed().as_secs() + 1;
    let calls = tenant.calls();
    assert!(u64::try_from(calls).unwrap() <= most, "{calls} in {most} s");
    sleep(Duration::from_millis(2500)).await;
    assert_eq!(tenant.calls(), calls, "a probe without a request");
    server.get("/readyz").await;
    assert_eq!(tenant.calls(), calls + 1);
}

#[tokio::test]
async fn a_change_of_readiness_is_logged_once() {
    let tenant = Tenant::start("500 Oops\r\ncontent-length: 0\r\n\r\n", MANY).await;
    let server = tenant.server();
    let until_probed = async |calls| {
        let probed = timeout(PATIENCE, async {
            while tenant.calls() < calls {
                server.get("/readyz").await;
                sleep(Duration::from_millis(50)).await;
            }
        });
        probed.await.expect("no probe");
    };
    until_probed(3).await;
    assert_eq!(server.logged("not ready"), 1);
    *tenant.answer.lock().unwrap() = VERIFIED.to_owned();
    let calls = tenant.calls();
    until_probed(calls + 3).await;
    assert_eq!(server.logged("ready: the tenant accepts"), 1);
    assert_eq!(server.logged("not ready"), 1);
}

#[tokio::test]
async fn with_pinned_tokens_the_configured_api_token_is_probed() {
    let json = |status: &str| {
        format!("{status}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}")
    };
    for pinned in ["another-token\n", "another-token\nt\n"] {
        let file = Temporary::new("pinned-tokens", pinned.as_bytes());
        let start = |origin: &str| {
            let flags = ["--upstream", origin, "--api-token", "t"];
            let flags = [&flags[..], &["--pinned-api-token-file", file.path()]].concat();
            Server::start(&flags, &[])
        };
        for (answer, reason) in [
            (VERIFIED.to_owned(), None),
            (json("429 Too Many Requests"), None),
            (
                json("401 Unauthorized"),
                Some("the tenant refuses the API token"),
            ),
            (
                json("403 Forbidden"),
                Some("the tenant forbids the API token to read locations"),
            ),
            (
                json("404 Not Found"),
                Some("the tenant has no API at the base path"),
            ),
            (json("500 Oops"), Some("the tenant fails")),
            (json("503 Service Unavailable"), Some("the tenant is busy")),
            (
                json("302 Found\r\nlocation: /login"),
                Some("the tenant returns an unusable response"),
            ),
        ] {
            let tenant = Tenant::start(&answer, MANY).await;
            check(start(&tenant.origin), reason).await;
            assert_eq!(tenant.calls(), 1, "{reason:?}");
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        check(start(&origin), Some("the tenant cannot be reached")).await;
    }
}
