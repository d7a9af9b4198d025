//! `--drain-delay`, and SIGHUP at any time.
#![cfg(unix)]

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::process::{MOUNT, Server};
use crate::raw_client::{PATIENCE, REQUEST, connect, logged, read_response, status};
use crate::tenant::SlowTenant;

const DELAYING: &str = "not ready";

async fn request(stream: &mut TcpStream) -> String {
    stream.write_all(REQUEST).await.unwrap();
    let (head, _) = read_response(stream).await;
    assert_eq!(status(head.as_bytes()), "200");
    head
}

/// Waits until the listener is closed.
async fn until_refused(server: &Server) {
    let refused = async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, refused)
        .await
        .expect("the listener stays open");
}

#[tokio::test]
async fn connections_are_accepted_and_served_during_the_delay() {
    // Longer than a test: only the second signal ends the delay.
    let server = Server::start(&["--drain-delay", "1h", "--drain-timeout", "1h"], &[]);
    let mut idle = connect(&server).await;
    request(&mut idle).await;
    assert_eq!(server.get("/readyz").await.status(), 200);
    server.signal("TERM");
    logged(&server, DELAYING, 1).await;
    // Not ready at once, but alive.
    assert_eq!(server.get("/readyz").await.status(), 503);
    assert_eq!(server.get("/healthz").await.status(), 200);
    for _ in 0..5 {
        let mut stream = connect(&server).await;
        for _ in 0..2 {
            let head = request(&mut stream).await;
            assert!(!head.contains("connection: close"), "{head}");
        }
    }
    request(&mut idle).await;
    server.signal("TERM");
    until_refused(&server).await;
    let ended = server.wait();
    assert_eq!(ended.code, Some(0));
    assert!(!ended.stderr.contains("second signal"), "{}", ended.stderr);
}

#[tokio::test]
async fn the_delay_ends_by_itself() {
    let server = Server::start(&["--drain-delay", "500ms"], &[]);
    server.signal("INT");
    until_refused(&server).await;
    let ended = server.wait();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains(DELAYING), "{}", ended.stderr);
    assert!(!ended.stderr.contains("second signal"), "{}", ended.stderr);
}

#[tokio::test]
async fn the_second_signal_after_the_delay_ends_the_server() {
    let tenant = SlowTenant::start().await;
    let flags = ["--drain-timeout", "1h", "--drain-delay", "1h"];
    let server = tenant.server(&flags);
    let token = server.mint("t", "{}").await;
    let mut stream = connect(&server).await;
    let head = format!(
        "GET {MOUNT}/locations HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    tenant.requested.notified().await;
    server.signal("TERM");
    logged(&server, DELAYING, 1).await;
    server.signal("TERM");
    logged(&server, "waiting for requests in flight", 1).await;
    // The request in flight delays the end, and SIGHUP does not.
    server.signal("HUP");
    until_refused(&server).await;
    assert!(server.is_running());
    server.signal("TERM");
    let ended = server.wait();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("second signal"), "{}", ended.stderr);
}

#[tokio::test]
async fn sighup_does_not_end_the_server() {
    for flags in [&[][..], &["--drain-delay", "1h"]] {
        let server = Server::start(flags, &[]);
        let mut stream = connect(&server).await;
        for _ in 0..10 {
            server.signal("HUP");
            request(&mut stream).await;
            request(&mut connect(&server).await).await;
        }
        if !flags.is_empty() {
            server.signal("TERM");
            logged(&server, DELAYING, 1).await;
            server.signal("HUP");
            request(&mut connect(&server).await).await;
        }
        assert_eq!(server.terminate().code, Some(0));
    }
}
