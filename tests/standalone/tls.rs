//! TLS of the listeners: protocols, versions, timeouts and the end of connections.

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::{AlertDescription, Error, HandshakeKind, version};

use crate::certificates::{Certificate, TlsClient};
use crate::http2_frames::Frames;
use crate::idle_connections::FREED;
use crate::process::{MOUNT, Server, get_as};
use crate::raw_client::{
    PATIENCE, PREFACE, REQUEST, connect, logged, read_response, status, until_closed,
};
use crate::tenant::SlowTenant;

pub(crate) const HTTP1: &str = "http/1.1";
pub(crate) const HTTP2: &str = "h2";

/// A server with this certificate.
pub(crate) fn start(certificate: &Certificate, flags: &[&str]) -> Server {
    let tls = certificate.flags();
    let tls = tls.iter().map(String::as_str);
    let flags: Vec<_> = tls.chain(flags.iter().copied()).collect();
    Server::start(&flags, &[])
}

/// One request, by the protocol of ALPN.
pub(crate) async fn exchange(
    stream: TlsStream<TcpStream>,
    mut request: Request<Full<Bytes>>,
) -> Response<Bytes> {
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2.as_bytes());
    let io = TokioIo::new(stream);
    let response = if is_http2 {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        let uri = format!("https://id.acme.test{}", request.uri());
        *request.uri_mut() = uri.parse().unwrap();
        sender.send_request(request).await
    } else {
        let (mut sender, connection) = http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let headers = request.headers_mut();
        headers.insert("host", "id.acme.test".parse().unwrap());
        sender.send_request(request).await
    };
    let (parts, body) = response.unwrap().into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).body(Full::default()).unwrap()
}

/// The TLS error of a handshake.
fn tls_error(error: &std::io::Error) -> &Error {
    error.get_ref().unwrap().downcast_ref().unwrap()
}

#[tokio::test]
async fn alpn_selects_the_protocol() {
    let certificate = Certificate::new();
    let server = start(&certificate, &[]);
    assert!(server.banner.contains("https://"), "{}", server.banner);
    for (offered, selected) in [
        (&[HTTP2, HTTP1][..], Some(HTTP2)),
        (&[HTTP1, HTTP2], Some(HTTP2)),
        (&[HTTP2], Some(HTTP2)),
        (&[HTTP1], Some(HTTP1)),
        (&["spdy/3", HTTP1], Some(HTTP1)),
        (&[], None),
    ] {
        for tls in [&version::TLS12, &version::TLS13] {
            let client = TlsClient::with_versions(&[&certificate], offered, &[tls]);
            let stream = client.connect(server.address).await.unwrap();
            let alpn = stream.get_ref().1.alpn_protocol();
            assert_eq!(alpn, selected.map(str::as_bytes), "{offered:?}");
            let response = exchange(stream, get("/healthz")).await;
            assert_eq!(response.status(), 200, "{offered:?}");
            let is_http2 = response.version() == Version::HTTP_2;
            assert_eq!(is_http2, selected == Some(HTTP2), "{offered:?}");
        }
    }
}

#[tokio::test]
async fn http2_without_alpn_is_detected() {
    let certificate = Certificate::new();
    let server = start(&certificate, &[]);
    let client = TlsClient::new(&[&certificate], &[]);
    let stream = client.connect(server.address).await.unwrap();
    Frames::over(stream).await.get_health().await;
}

#[tokio::test]
async fn a_client_without_a_common_protocol_gets_an_alert() {
    let certificate = Certificate::new();
    let server = start(&certificate, &[]);
    let client = TlsClient::new(&[&certificate], &["spdy/3"]);
    let error = client.connect(server.address).await.unwrap_err();
    let expected = Error::AlertReceived(AlertDescription::NoApplicationProtocol);
    assert_eq!(tls_error(&error), &expected);
}

#[tokio::test]
async fn older_versions_of_tls_get_an_alert() {
    let certificate = Certificate::new();
    let server = start(&certificate, &[]);
    for minor in [1, 2] {
        // TLS 1.0 or 1.1, with a random of zeros, no session, TLS_RSA_WITH_AES_128_CBC_SHA and no
        // compression.
        // RSA with SHA-256.
        let extension = [0, 8, 0, 13, 0, 4, 0, 2, 4, 1];
        let hello = [
            &[3, minor][..],
            &[0; 32],
            &[0, 0, 2, 0, 0x2f, 1, 0],
            &extension,
        ]
        .concat();
        let length = u8::try_from(hello.len()).unwrap();
        let record = [&[22, 3, 1, 0, length + 4, 1, 0, 0, length][..], &hello].concat();
        let mut stream = connect(&server).await;
        stream.write_all(&record).await.unwrap();
        let alert = until_closed(&mut stream).await;
        // A fatal alert, protocol_version.
        assert_eq!(alert.first(), Some(&21), "{alert:?}");
        assert_eq!(alert.get(5..), Some(&[2, 70][..]), "{alert:?}");
    }
}

#[tokio::test]
async fn bytes_that_are_not_tls_close_the_connection() {
    let certificate = Certificate::new();
    let server = start(&certificate, &[]);
    for begin in [REQUEST, PREFACE, &[0; 100]] {
        let mut stream = connect(&server).await;
        stream.write_all(begin).await.unwrap();
        let answer = until_closed(&mut stream).await;
        assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
    }
}

#[tokio::test]
async fn the_tenant_gets_the_scheme_of_the_request() {
    let certificate = Certificate::new();
    let tenant = SlowTenant::start().await;
    let origin = tenant.origin();
    let server = start(&certificate, &["--upstream", &origin, "--api-token", "t"]);
    for alpn in [HTTP1, HTTP2] {
        let client = TlsClient::new(&[&certificate], &[alpn]);
        let stream = client.connect(server.address).await.unwrap();
        let mint = Request::post(format!("{MOUNT}/auth/token"))
            .header("authorization", "Bearer t")
            .body(Full::default())
            .unwrap();
        let answer = exchange(stream, mint).await;
        let answer: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        let token = answer["data"]["token"].as_str().unwrap();
        let stream = client.connect(server.address).await.unwrap();
        let path = format!("{MOUNT}/locations/1");
        assert_eq!(exchange(stream, get_as(token, &path)).await.status(), 200);
        let seen = tenant.seen.lock().unwrap().pop().unwrap();
        assert_eq!(seen["x-forwarded-proto"], "https");
        assert_eq!(seen["x-forwarded-for"], "127.0.0.1");
    }
}

#[tokio::test]
async fn the_header_timeout_covers_the_handshake() {
    let certificate = Certificate::new();
    let server = start(&certificate, &["--header-timeout", "500ms"]);
    let mut silent = Vec::new();
    // Nothing, a part of a record, and a part of a large record.
    for begin in [&b""[..], &[22, 3, 1], &[22, 3, 1, 0x3f, 0xff, 1, 0, 0, 0]] {
        let mut stream = connect(&server).await;
        stream.write_all(begin).await.unwrap();
        silent.push(stream);
    }
    // They do not delay other handshakes.
    let client = TlsClient::new(&[&certificate], &[HTTP1]);
    let mut idle = client.connect(server.address).await.unwrap();
    for stream in &mut silent {
        until_closed(stream).await;
    }
    // The timeout continues after the handshake.
    until_closed(&mut idle).await;
    for alpn in [HTTP1, HTTP2] {
        let client = TlsClient::new(&[&certificate], &[alpn]);
        for begin in [&b""[..], b"G", &PREFACE[..5], b"GET /healthz HTTP/1.1\r\n"] {
            let mut stream = client.connect(server.address).await.unwrap();
            stream.write_all(begin).await.unwrap();
            stream.flush().await.unwrap();
            until_closed(&mut stream).await;
        }
    }
}

#[tokio::test]
async fn an_idle_connection_frees_its_buffers_and_is_resumed() {
    let certificate = Certificate::new();
    let flags = [
        "--write-timeout",
        "100ms",
        "--log",
        "standalone::server=debug",
    ];
    let server = start(&certificate, &flags);
    for tls in [&version::TLS12, &version::TLS13] {
        let client = TlsClient::with_versions(&[&certificate], &[HTTP1], &[tls]);
        let mut stream = client.connect(server.address).await.unwrap();
        for _ in 0..5 {
            let freed = server.logged(FREED);
            // Two requests in one record, and one in two records.
            stream
                .write_all(&[REQUEST, REQUEST].concat())
                .await
                .unwrap();
            stream.flush().await.unwrap();
            for _ in 0..2 {
                let (head, _) = read_response(&mut stream).await;
                assert_eq!(status(head.as_bytes()), "200");
            }
            logged(&server, FREED, freed + 1).await;
            let (begin, end) = REQUEST.split_at(10);
            for part in [begin, end] {
                stream.write_all(part).await.unwrap();
                stream.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
            let (head, _) = read_response(&mut stream).await;
            assert_eq!(status(head.as_bytes()), "200");
            logged(&server, FREED, freed + 2).await;
        }
    }
}

/// Reads until close_notify: an end without it is an error.
async fn until_close_notify(stream: &mut TlsStream<TcpStream>) {
    let mut rest = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    read.expect("the connection stays open")
        .expect("a close_notify alert");
}

/// Whether the server has sent close_notify.
fn has_close_notify(stream: &mut TlsStream<TcpStream>) -> bool {
    let state = stream.get_mut().1.process_new_packets();
    state.unwrap().peer_has_closed()
}

/// A connection after one request.
pub(crate) async fn connection(client: &TlsClient, server: &Server) -> TlsStream<TcpStream> {
    let mut stream = client.connect(server.address).await.unwrap();
    request(&mut stream).await;
    stream
}

/// Sends a request by the protocol of ALPN. Over HTTP/2, only once per connection.
pub(crate) async fn request(stream: &mut TlsStream<TcpStream>) {
    if stream.get_ref().1.alpn_protocol() == Some(HTTP2.as_bytes()) {
        return Frames::over(stream).await.get_health().await;
    }
    stream.write_all(REQUEST).await.unwrap();
    let (head, _) = read_response(stream).await;
    assert_eq!(status(head.as_bytes()), "200");
}

#[tokio::test]
async fn connections_end_with_close_notify() {
    let certificate = Certificate::new();
    let http1 = TlsClient::new(&[&certificate], &[HTTP1]);
    let http2 = TlsClient::new(&[&certificate], &[HTTP2]);

    // After the idle timeout, with the buffers of `hyper`.
    let server = start(&certificate, &["--idle-timeout", "500ms"]);
    until_close_notify(&mut connection(&http1, &server).await).await;
    let mut frames = Frames::over(http2.connect(server.address).await.unwrap()).await;
    frames.get_health().await;
    assert_eq!(frames.until_closed().await, [0, 0]);
    assert!(has_close_notify(&mut frames.stream));

    // Without these buffers.
    let flags = ["--write-timeout", "100ms", "--idle-timeout", "1s"];
    let flags = [&flags[..], &["--log", "standalone::server=debug"]].concat();
    let server = start(&certificate, &flags);
    let mut stream = connection(&http1, &server).await;
    logged(&server, FREED, 1).await;
    until_close_notify(&mut stream).await;

    // By the client.
    let mut stream = connection(&http1, &server).await;
    stream.shutdown().await.unwrap();
    until_close_notify(&mut stream).await;

    // By a response.
    let mut stream = http1.connect(server.address).await.unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    until_close_notify(&mut stream).await;
}

#[tokio::test]
async fn the_shutdown_ends_connections_with_close_notify() {
    let certificate = Certificate::new();
    let flags = ["--header-timeout", "1h", "--drain-timeout", "1h"];
    let server = start(&certificate, &flags);
    let http1 = TlsClient::new(&[&certificate], &[HTTP1]);
    let http2 = TlsClient::new(&[&certificate], &[HTTP2]);
    // A handshake that does not end.
    let _handshake = connect(&server).await;
    let mut streams = vec![
        connection(&http1, &server).await,
        // Without a request.
        http1.connect(server.address).await.unwrap(),
        http2.connect(server.address).await.unwrap(),
    ];
    let mut frames = Frames::over(http2.connect(server.address).await.unwrap()).await;
    frames.get_health().await;
    server.signal("TERM");
    assert_eq!(frames.until_closed().await, [0, 0]);
    assert!(has_close_notify(&mut frames.stream));
    for stream in &mut streams {
        until_close_notify(stream).await;
    }
    assert_eq!(server.wait().code, Some(0));
}

#[tokio::test]
async fn responses_that_exceed_the_socket_buffers_arrive() {
    let certificate = Certificate::new();
    let server = start(&certificate, &["--threads", "1"]);
    let client = TlsClient::new(&[&certificate], &[HTTP2]);
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    // With less, the kernel sends a kilobyte every 200 ms.
    socket.set_recv_buffer_size(128 * 1024).unwrap();
    let stream = socket.connect(server.address).await.unwrap();
    let io = TokioIo::new(client.over(stream).await.unwrap());
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let responses = (0..100).map(|_| {
        let mut sender = sender.clone();
        tokio::spawn(async move {
            let request = Request::get("https://id.acme.test/openapi.json");
            let request = request.body(Full::<Bytes>::default()).unwrap();
            let response = sender.send_request(request).await.unwrap();
            response
                .into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes()
                .len()
        })
    });
    for response in responses.collect::<Vec<_>>() {
        let length = timeout(PATIENCE, response)
            .await
            .expect("a response stalls");
        assert!(length.unwrap() > 10_000);
    }
}

#[tokio::test]
async fn the_write_timeout_covers_a_client_that_does_not_read() {
    let certificate = Certificate::new();
    let flags = [
        "--write-timeout",
        "500ms",
        "--log",
        "standalone::server=debug",
    ];
    let server = start(&certificate, &flags);
    let client = TlsClient::new(&[&certificate], &[HTTP1]);
    let mut stream = client.connect(server.address).await.unwrap();
    let request = b"GET /openapi.json HTTP/1.1\r\nhost: a\r\n\r\n";
    // Fails once the server has closed the connection.
    let send = async { while stream.write_all(&request.repeat(100)).await.is_ok() {} };
    timeout(PATIENCE, send)
        .await
        .expect("the connection stays open");
    logged(&server, "limit=WriteTimeout", 1).await;
}

#[tokio::test]
async fn sessions_are_resumed() {
    let certificate = Certificate::new();
    let server = start(&certificate, &[]);
    for tls in [&version::TLS12, &version::TLS13] {
        let client = TlsClient::with_versions(&[&certificate], &[HTTP1], &[tls]);
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let stream = connection(&client, &server).await;
            let kind = stream.get_ref().1.handshake_kind();
            assert_eq!(kind, Some(expected), "{tls:?}");
        }
        // A reload of the same files keeps the sessions.
        let reloads = server.logged("reloaded");
        server.signal("HUP");
        logged(&server, "reloaded", reloads + 1).await;
        let stream = connection(&client, &server).await;
        let kind = stream.get_ref().1.handshake_kind();
        assert_eq!(kind, Some(HandshakeKind::Resumed), "{tls:?}");
    }
}
