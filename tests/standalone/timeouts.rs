//! `--header-timeout` and `--idle-timeout`: the connections that each of them closes.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::http2_frames::{Frames, HEADERS, PING, SETTINGS};
use crate::process::{MOUNT, Server};
use crate::raw_client::{
    HEALTH, PATIENCE, PREFACE, REQUEST, SANDBOX_TOKEN, connect, frame, logged, read_response,
    status, until_closed,
};

/// A header timeout that is much shorter than the idle timeout.
const SHORT_HEADER: &[&str] = &[
    "--header-timeout",
    "500ms",
    "--idle-timeout",
    "1h",
    "--log",
    "standalone=debug",
];
/// An idle timeout that is much shorter than the header timeout.
const SHORT_IDLE: &[&str] = &[
    "--header-timeout",
    "1h",
    "--idle-timeout",
    "500ms",
    "--log",
    "standalone=debug",
];
const HEADER: &str = "limit=Header";
const IDLE: &str = "limit=Idle";

async fn request(stream: &mut TcpStream) {
    stream.write_all(REQUEST).await.unwrap();
    let (head, _) = read_response(stream).await;
    assert_eq!(status(head.as_bytes()), "200");
}

/// A connection of each protocol after one request.
async fn connections_after_a_request(server: &Server) -> (TcpStream, Frames) {
    let mut http1 = connect(server).await;
    request(&mut http1).await;
    let mut http2 = Frames::connect(server.address).await;
    http2.get_health().await;
    (http1, http2)
}

#[tokio::test]
async fn the_header_timeout_covers_the_first_request_but_not_idle_connections() {
    let server = Server::start(SHORT_HEADER, &[]);
    let (mut http1, mut http2) = connections_after_a_request(&server).await;
    for begin in [&b""[..], b"G", &PREFACE[..5], b"GET /healthz HTTP/1.1\r\n"] {
        let mut stream = connect(&server).await;
        stream.write_all(begin).await.unwrap();
        let all = until_closed(&mut stream).await;
        assert!(all.is_empty(), "{all:?}");
    }
    logged(&server, HEADER, 4).await;
    // Over HTTP/2: only the preface, and a head without its end.
    let part = frame(HEADERS, 0, 1, HEALTH);
    for begin in [vec![], part] {
        let mut stream = Frames::connect(server.address).await;
        stream.stream.write_all(&begin).await.unwrap();
        assert!(stream.until_closed().await.starts_with(&[0]), "a GOAWAY");
    }
    logged(&server, HEADER, 6).await;
    request(&mut http1).await;
    http2.get_health().await;
    assert_eq!(server.logged(IDLE), 0);
}

#[tokio::test]
async fn the_header_timeout_covers_a_head_that_drips() {
    let server = Server::start(SHORT_HEADER, &[]);
    let (mut http1, _) = connections_after_a_request(&server).await;
    for is_first in [true, false] {
        let mut stream = connect(&server).await;
        if !is_first {
            request(&mut stream).await;
        }
        let (mut read, mut write) = stream.into_split();
        let drip = async {
            let _ = write.write_all(b"GET /healthz HTTP/1.1\r\n").await;
            while write.write_all(b"a: b\r\n").await.is_ok() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let dripped = timeout(PATIENCE, drip).await;
        dripped.expect("the connection stays open");
        let _ = tokio::io::copy(&mut read, &mut tokio::io::sink()).await;
    }
    logged(&server, HEADER, 2).await;
    request(&mut http1).await;
}

#[tokio::test]
async fn the_header_timeout_covers_an_unfinished_head_after_a_request() {
    let server = Server::start(SHORT_HEADER, &[]);
    let (mut idle, _) = connections_after_a_request(&server).await;
    // After a response, together with the request before, and on a connection without buffers.
    let (begin, end) = REQUEST.split_at(10);
    let mut at_once = connect(&server).await;
    request(&mut at_once).await;
    at_once.write_all(begin).await.unwrap();
    let mut together = connect(&server).await;
    together
        .write_all(&[REQUEST, begin].concat())
        .await
        .unwrap();
    read_response(&mut together).await;
    let mut idle_one = connect(&server).await;
    let freed = server.logged("an idle connection has freed its buffers");
    request(&mut idle_one).await;
    let waited = timeout(PATIENCE, async {
        while server.logged("an idle connection has freed its buffers") == freed {
            sleep(Duration::from_millis(1)).await;
        }
    });
    waited.await.expect("the buffers are never freed");
    idle_one.write_all(begin).await.unwrap();
    for stream in [&mut at_once, &mut together, &mut idle_one] {
        assert!(until_closed(stream).await.is_empty());
    }
    logged(&server, HEADER, 3).await;
    // An empty line does not begin a head.
    idle.write_all(b"\r\n").await.unwrap();
    sleep(Duration::from_millis(1500)).await;
    idle.write_all(begin).await.unwrap();
    idle.write_all(end).await.unwrap();
    let (head, _) = read_response(&mut idle).await;
    assert_eq!(status(head.as_bytes()), "200");
}

#[tokio::test]
async fn the_header_timeout_does_not_cover_a_body() {
    let server = Server::start(SHORT_HEADER, &[]);
    let mut stream = connect(&server).await;
    let body = r#"{"id":""}"#;
    let head = format!(
        "POST {MOUNT}/auth/token HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {SANDBOX_TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let (begin, end) = body.split_at(3);
    // A body, and then an idle period, longer than the header timeout.
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(begin.as_bytes()).await.unwrap();
    sleep(Duration::from_millis(1500)).await;
    stream.write_all(end.as_bytes()).await.unwrap();
    read_response(&mut stream).await;
    sleep(Duration::from_millis(1500)).await;
    request(&mut stream).await;
    assert_eq!(server.logged(HEADER), 0);
}

#[tokio::test]
async fn the_idle_timeout_does_not_cover_the_first_request() {
    let server = Server::start(SHORT_IDLE, &[]);
    let mut silent = connect(&server).await;
    let mut begun = connect(&server).await;
    let (begin, end) = REQUEST.split_at(10);
    begun.write_all(begin).await.unwrap();
    let mut silent_http2 = Frames::connect(server.address).await;
    let (mut http1, mut http2) = connections_after_a_request(&server).await;
    assert!(until_closed(&mut http1).await.is_empty());
    assert!(http2.until_closed().await.starts_with(&[0]), "a GOAWAY");
    logged(&server, IDLE, 2).await;
    request(&mut silent).await;
    begun.write_all(end).await.unwrap();
    let (head, _) = read_response(&mut begun).await;
    assert_eq!(status(head.as_bytes()), "200");
    silent_http2.get_health().await;
    assert_eq!(server.logged(HEADER), 0);
}

#[tokio::test]
async fn a_ping_does_not_keep_an_idle_connection_open() {
    let server = Server::start(SHORT_IDLE, &[]);
    let mut http2 = Frames::connect(server.address).await;
    http2.get_health().await;
    let ping = frame(PING, 0, 0, &[0; 8]);
    let settings = frame(SETTINGS, 0, 0, &[]);
    let closed = timeout(PATIENCE, async {
        let mut goaways = 0;
        loop {
            // The connection may be closed already.
            let _ = http2.stream.write_all(&ping).await;
            let _ = http2.stream.write_all(&settings).await;
            match timeout(Duration::from_millis(50), http2.stream.readable()).await {
                Err(_) => continue,
                Ok(ready) => ready.unwrap(),
            }
            let mut bytes = [0; 4096];
            match http2.stream.try_read(&mut bytes) {
                Ok(0) => return goaways,
                Ok(count) => {
                    let goaway = [7, 0, 0, 0, 0, 0];
                    let mut windows = bytes[..count].windows(goaway.len());
                    goaways += usize::from(windows.any(|window| window == goaway));
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                // PINGs that crossed the end of the connection.
                Err(_) => return goaways,
            }
        }
    });
    assert!(closed.await.expect("the connection stays open") > 0);
    logged(&server, IDLE, 2).await;
}
