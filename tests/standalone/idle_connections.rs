//! Idle HTTP/1.1 connections that free their buffers: no request is lost, and all timeouts hold.

use std::time::Duration;

use omneo_id::sandbox::TestTokens;
use omneo_id::{Keyring, SigningKey};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::process::{MOUNT, SECRET, Server};
use crate::raw_client::{
    PATIENCE, REQUEST, SANDBOX_TOKEN, connect, logged, read_response, status, until_closed,
};
use crate::tenant::SlowTenant;

/// A connection is checked four times per shortest timeout, and frees its buffers at the second
/// check without progress.
const QUICK: &[&str] = &[
    "--write-timeout",
    "100ms",
    "--threads",
    "1",
    "--log",
    "info,standalone::server=debug",
];
pub(crate) const FREED: &str = "an idle connection has freed its buffers";
const KEPT: &str = "keeps its buffers";
/// Longer than two checks.
const WHILE: Duration = Duration::from_millis(200);

pub(crate) fn start() -> Server {
    Server::start(QUICK, &[])
}

async fn request(stream: &mut TcpStream) {
    stream.write_all(REQUEST).await.unwrap();
    let (head, _) = read_response(stream).await;
    assert_eq!(status(head.as_bytes()), "200");
}

/// The first connection of a server, after it has freed its buffers.
async fn idle_connection(server: &Server) -> TcpStream {
    let mut stream = connect(server).await;
    request(&mut stream).await;
    logged(server, FREED, 1).await;
    stream
}

#[tokio::test]
async fn an_idle_connection_is_resumed_repeatedly() {
    let server = start();
    let mut stream = connect(&server).await;
    for round in 1..=10 {
        for _ in 0..round {
            request(&mut stream).await;
        }
        logged(&server, FREED, round).await;
        // Once per idle period.
        sleep(WHILE).await;
        assert_eq!(server.logged(FREED), round);
    }
}

#[tokio::test]
async fn a_busy_connection_keeps_its_buffers() {
    let server = Server::start(&["--log", "standalone=debug"], &[]);
    let mut stream = connect(&server).await;
    for _ in 0..200 {
        request(&mut stream).await;
    }
    assert_eq!(server.logged(FREED), 0);
}

#[tokio::test]
async fn a_partial_head_is_not_lost() {
    let server = start();
    let mut stream = connect(&server).await;
    for at in [1, 3, REQUEST.len() - 1] {
        let (begin, end) = REQUEST.split_at(at);
        let before = server.logged(KEPT);
        request(&mut stream).await;
        stream.write_all(begin).await.unwrap();
        // `hyper` has read the bytes; the next connection reads them again.
        let replayed = timeout(PATIENCE, async {
            while server.logged(KEPT) == before && server.logged(FREED) == 0 {
                sleep(Duration::from_millis(1)).await;
            }
        });
        replayed.await.expect("neither text is logged");
        sleep(WHILE).await;
        stream.write_all(end).await.unwrap();
        let (head, _) = read_response(&mut stream).await;
        assert_eq!(status(head.as_bytes()), "200", "{at}");
    }
    assert!(server.logged(KEPT) > 0);
}

#[tokio::test]
async fn a_head_in_single_bytes_resumes_an_idle_connection() {
    let server = start();
    let mut stream = idle_connection(&server).await;
    for byte in REQUEST {
        stream.write_all(&[*byte]).await.unwrap();
        sleep(Duration::from_millis(2)).await;
    }
    let (head, _) = read_response(&mut stream).await;
    assert_eq!(status(head.as_bytes()), "200");
    // An empty line before a request is ignored (RFC 9112 §2.2).
    logged(&server, FREED, 2).await;
    stream.write_all(b"\r\n").await.unwrap();
    sleep(WHILE).await;
    request(&mut stream).await;
    logged(&server, FREED, 3).await;
}

#[tokio::test]
async fn a_head_larger_than_the_first_read_is_served() {
    let server = start();
    let mut stream = idle_connection(&server).await;
    let head = format!(
        "GET /healthz HTTP/1.1\r\nhost: a\r\na: {}\r\n\r\n",
        "b".repeat(20_000)
    );
    for _ in 0..3 {
        let freed = server.logged(FREED);
        stream.write_all(head.as_bytes()).await.unwrap();
        let (head, _) = read_response(&mut stream).await;
        assert_eq!(status(head.as_bytes()), "200");
        logged(&server, FREED, freed + 1).await;
    }
}

#[tokio::test]
async fn pipelined_requests_resume_an_idle_connection() {
    let server = start();
    let mut stream = idle_connection(&server).await;
    let other = b"GET /none HTTP/1.1\r\nhost: a\r\n\r\n";
    let (begin, end) = REQUEST.split_at(20);
    stream
        .write_all(&[REQUEST, other, begin].concat())
        .await
        .unwrap();
    for expected in ["200", "404"] {
        let (head, _) = read_response(&mut stream).await;
        assert_eq!(status(head.as_bytes()), expected);
    }
    // The third request has begun: the connection keeps its buffers until its end.
    logged(&server, KEPT, 1).await;
    assert_eq!(server.logged(FREED), 1);
    stream.write_all(end).await.unwrap();
    let (head, _) = read_response(&mut stream).await;
    assert_eq!(status(head.as_bytes()), "200");
    logged(&server, FREED, 2).await;
}

#[tokio::test]
async fn a_slow_body_keeps_the_buffers() {
    let server = start();
    let mut stream = idle_connection(&server).await;
    let body = br#"{"id":"6513270e-269e-4d37-b2a7-4de452e6b438"}"#;
    let head = format!(
        "POST {MOUNT}/auth/token HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {SANDBOX_TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let (begin, end) = body.split_at(10);
    for round in 1..4 {
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(begin).await.unwrap();
        sleep(WHILE).await;
        assert_eq!(server.logged(FREED), round);
        stream.write_all(end).await.unwrap();
        let (head, _) = read_response(&mut stream).await;
        assert_eq!(status(head.as_bytes()), "200");
        logged(&server, FREED, round + 1).await;
    }
    request(&mut stream).await;
}

#[tokio::test]
async fn an_unread_body_is_not_served_as_a_request() {
    let server = start();
    let mut stream = idle_connection(&server).await;
    // Rejected by its head. All later bytes belong to its body.
    let head = b"POST /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let (head, _) = read_response(&mut stream).await;
    assert_eq!(status(head.as_bytes()), "405", "{head}");
    sleep(WHILE).await;
    // The connection may be closed already.
    let _ = stream.write_all(&REQUEST.repeat(3)).await;
    assert!(until_closed(&mut stream).await.is_empty());
}

#[tokio::test]
async fn a_body_that_outlives_its_response_is_not_served_as_a_request() {
    let tenant = SlowTenant::start().await;
    let server = tenant.server(&[QUICK, &["--signing-key", SECRET]].concat());
    let ring = Keyring::new(SigningKey::hs256(SECRET).unwrap());
    let tokens = TestTokens::new(&ring).unwrap();
    let token = tokens.valid("6513270e-269e-4d37-b2a7-4de452e6b438");
    let mut stream = connect(&server).await;
    let body = REQUEST.repeat(3);
    let (begin, end) = body.split_at(REQUEST.len());
    let head = format!(
        "PUT {MOUNT}/profiles/me HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    // The tenant responds after the head.
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(begin).await.unwrap();
    let (head, _) = read_response(&mut stream).await;
    assert_eq!(status(head.as_bytes()), "200", "{head}");
    sleep(WHILE).await;
    // The connection may be closed already.
    let _ = stream.write_all(end).await;
    let last = b"GET /none HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let _ = stream.write_all(last).await;
    let rest = until_closed(&mut stream).await;
    assert!(["404", ""].contains(&status(&rest)), "{rest:?}");
}

#[tokio::test]
async fn an_idle_connection_closes_when_the_client_disconnects() {
    let server = start();
    let mut stream = idle_connection(&server).await;
    stream.shutdown().await.unwrap();
    assert!(until_closed(&mut stream).await.is_empty());

    // A last request before it is served.
    let mut stream = connect(&server).await;
    request(&mut stream).await;
    logged(&server, FREED, 2).await;
    let last = b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    stream.write_all(last).await.unwrap();
    assert_eq!(status(&until_closed(&mut stream).await), "200");
}

#[tokio::test]
async fn an_idle_connection_without_buffers_is_closed_at_the_idle_timeout() {
    let flags = [QUICK, &["--idle-timeout", "2s"]].concat();
    let server = Server::start(&flags, &[]);
    let mut stream = idle_connection(&server).await;
    assert!(until_closed(&mut stream).await.is_empty());
    logged(&server, "limit=Idle", 1).await;
}

#[tokio::test]
async fn idle_connections_close_gracefully_at_shutdown() {
    let server = start();
    let mut silent = Vec::new();
    for number in 1..=20 {
        let mut stream = connect(&server).await;
        request(&mut stream).await;
        silent.push(stream);
        logged(&server, FREED, number).await;
    }
    let mut asking = silent.split_off(10);
    // These have sent no bytes.
    for _ in 0..10 {
        silent.push(connect(&server).await);
    }
    server.signal("TERM");
    for stream in &mut asking {
        stream.write_all(REQUEST).await.unwrap();
    }
    for stream in &mut asking {
        assert_eq!(status(&until_closed(stream).await), "200");
    }
    for stream in &mut silent {
        assert!(until_closed(stream).await.is_empty());
    }
    let ended = server.wait();
    assert_eq!(ended.code, Some(0));
    assert!(!ended.stderr.contains("did not finish"), "{}", ended.stderr);
}

#[tokio::test]
async fn line_ends_between_two_requests_do_not_keep_the_buffers() {
    let server = start();
    // After a request, as old clients send one after a body; and on an idle connection.
    let mut behind = connect(&server).await;
    behind
        .write_all(&[REQUEST, b"\r\n"].concat())
        .await
        .unwrap();
    read_response(&mut behind).await;
    logged(&server, FREED, 1).await;
    let mut later = connect(&server).await;
    request(&mut later).await;
    logged(&server, FREED, 2).await;
    for stream in [&mut behind, &mut later] {
        stream.write_all(b"\r\n\n").await.unwrap();
        sleep(WHILE).await;
        request(stream).await;
        stream.write_all(b"\r\n").await.unwrap();
    }
    logged(&server, FREED, 4).await;
    server.signal("TERM");
    for stream in [&mut behind, &mut later] {
        assert!(until_closed(stream).await.is_empty());
    }
    let ended = server.wait();
    assert_eq!(ended.code, Some(0));
    assert!(!ended.stderr.contains("did not finish"), "{}", ended.stderr);
}

#[tokio::test]
async fn idle_connections_use_little_memory() {
    const COUNT: usize = 1_000;
    let server = start();
    let mut warm = connect(&server).await;
    request(&mut warm).await;
    logged(&server, FREED, 1).await;
    let before = server.resident();
    let mut streams = Vec::new();
    for _ in 0..COUNT {
        let mut stream = connect(&server).await;
        request(&mut stream).await;
        streams.push(stream);
    }
    logged(&server, FREED, COUNT + 1).await;
    let freed = timeout(PATIENCE, async {
        while server.resident().saturating_sub(before) / COUNT > 8 * 1024 {
            sleep(Duration::from_millis(10)).await;
        }
    });
    freed.await.expect("the memory is not freed");
    for stream in &mut streams {
        request(stream).await;
    }
}
