//! `--header-timeout` and `--idle-timeout`: which of them closes which connection first.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::abuse::{HEALTH, PATIENCE, PREFACE, SANDBOX_TOKEN, frame, status, until_closed};
use crate::frames::{Frames, HEADERS, PING, SETTINGS};
use crate::process::{MOUNT, Server};
use crate::resting::{ASK, answer, logged};

/// Heads are given up long before idle connections are.
const SHORT_HEADER: &[&str] = &[
    "--header-timeout",
    "500ms",
    "--idle-timeout",
    "1h",
    "--log",
    "standalone=debug",
];
/// The other way round.
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

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address).await.unwrap()
}

async fn ask(stream: &mut TcpStream) {
    stream.write_all(ASK).await.unwrap();
    let (head, _) = answer(stream).await;
    assert_eq!(status(head.as_bytes()), "200");
}

/// A connection over each protocol that has had one request.
async fn asked(server: &Server) -> (TcpStream, Frames) {
    let mut http1 = connect(server).await;
    ask(&mut http1).await;
    let mut http2 = Frames::connect(server.address).await;
    http2.ask().await;
    (http1, http2)
}

#[tokio::test]
async fn a_first_request_that_does_not_come_is_given_up_before_an_idle_connection() {
    let server = Server::start(SHORT_HEADER, &[]);
    let (mut http1, mut http2) = asked(&server).await;
    for begin in [&b""[..], b"G", &PREFACE[..5], b"GET /healthz HTTP/1.1\r\n"] {
        let mut stream = connect(&server).await;
        stream.write_all(begin).await.unwrap();
        let all = until_closed(&mut stream).await;
        assert!(all.is_empty(), "{all:?}");
    }
    logged(&server, HEADER, 4).await;
    // Over HTTP/2: nothing but the preface, and a head without its end.
    let part = frame(HEADERS, 0, 1, HEALTH);
    for begin in [vec![], part] {
        let mut stream = Frames::connect(server.address).await;
        stream.stream.write_all(&begin).await.unwrap();
        assert!(stream.until_closed().await.starts_with(&[0]), "a GOAWAY");
    }
    logged(&server, HEADER, 6).await;
    ask(&mut http1).await;
    http2.ask().await;
    assert_eq!(server.logged(IDLE), 0);
}

#[tokio::test]
async fn a_head_that_drips_is_given_up_before_an_idle_connection() {
    let server = Server::start(SHORT_HEADER, &[]);
    let (mut http1, _) = asked(&server).await;
    for is_first in [true, false] {
        let mut stream = connect(&server).await;
        if !is_first {
            ask(&mut stream).await;
        }
        let (mut read, mut write) = stream.into_split();
        let drip = async {
            let _ = write.write_all(b"GET /healthz HTTP/1.1\r\n").await;
            while write.write_all(b"a: b\r\n").await.is_ok() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let dripped = timeout(PATIENCE, drip).await;
        dripped.expect("it keeps the connection");
        let _ = tokio::io::copy(&mut read, &mut tokio::io::sink()).await;
    }
    logged(&server, HEADER, 2).await;
    ask(&mut http1).await;
}

#[tokio::test]
async fn an_unfinished_head_after_a_request_is_given_up_before_an_idle_connection() {
    let server = Server::start(SHORT_HEADER, &[]);
    let (mut idle, _) = asked(&server).await;
    // Begun at once, together with the request before, and by a connection without buffers.
    let (begin, end) = ASK.split_at(10);
    let mut at_once = connect(&server).await;
    ask(&mut at_once).await;
    at_once.write_all(begin).await.unwrap();
    let mut together = connect(&server).await;
    together.write_all(&[ASK, begin].concat()).await.unwrap();
    answer(&mut together).await;
    let mut resting = connect(&server).await;
    let rests = server.logged("an idle connection has freed its buffers");
    ask(&mut resting).await;
    let waited = timeout(PATIENCE, async {
        while server.logged("an idle connection has freed its buffers") == rests {
            sleep(Duration::from_millis(1)).await;
        }
    });
    waited.await.expect("it never rests");
    resting.write_all(begin).await.unwrap();
    for stream in [&mut at_once, &mut together, &mut resting] {
        assert!(until_closed(stream).await.is_empty());
    }
    logged(&server, HEADER, 3).await;
    // An empty line is no head.
    idle.write_all(b"\r\n").await.unwrap();
    sleep(Duration::from_millis(1500)).await;
    idle.write_all(begin).await.unwrap();
    idle.write_all(end).await.unwrap();
    let (head, _) = answer(&mut idle).await;
    assert_eq!(status(head.as_bytes()), "200");
}

#[tokio::test]
async fn a_body_is_no_head() {
    let server = Server::start(SHORT_HEADER, &[]);
    let mut stream = connect(&server).await;
    let body = r#"{"id":""}"#;
    let head = format!(
        "POST {MOUNT}/auth/token HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {SANDBOX_TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let (begin, end) = body.split_at(3);
    // Longer than a head may take, and then idle for as long.
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(begin.as_bytes()).await.unwrap();
    sleep(Duration::from_millis(1500)).await;
    stream.write_all(end.as_bytes()).await.unwrap();
    answer(&mut stream).await;
    sleep(Duration::from_millis(1500)).await;
    ask(&mut stream).await;
    assert_eq!(server.logged(HEADER), 0);
}

#[tokio::test]
async fn an_idle_connection_is_closed_before_one_that_waits_for_its_first_request() {
    let server = Server::start(SHORT_IDLE, &[]);
    let mut silent = connect(&server).await;
    let mut begun = connect(&server).await;
    let (begin, end) = ASK.split_at(10);
    begun.write_all(begin).await.unwrap();
    let mut silent_http2 = Frames::connect(server.address).await;
    let (mut http1, mut http2) = asked(&server).await;
    assert!(until_closed(&mut http1).await.is_empty());
    assert!(http2.until_closed().await.starts_with(&[0]), "a GOAWAY");
    logged(&server, IDLE, 2).await;
    ask(&mut silent).await;
    begun.write_all(end).await.unwrap();
    let (head, _) = answer(&mut begun).await;
    assert_eq!(status(head.as_bytes()), "200");
    silent_http2.ask().await;
    assert_eq!(server.logged(HEADER), 0);
}

#[tokio::test]
async fn a_ping_does_not_keep_an_idle_connection_open() {
    let server = Server::start(SHORT_IDLE, &[]);
    let mut http2 = Frames::connect(server.address).await;
    http2.ask().await;
    let ping = frame(PING, 0, 0, &[0; 8]);
    let settings = frame(SETTINGS, 0, 0, &[]);
    let closed = timeout(PATIENCE, async {
        let mut goaways = 0;
        loop {
            // It may be closed by now.
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
                // Pings that crossed its end.
                Err(_) => return goaways,
            }
        }
    });
    assert!(closed.await.expect("it keeps the connection") > 0);
    logged(&server, IDLE, 2).await;
}
