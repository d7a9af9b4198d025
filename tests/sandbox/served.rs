//! The tenant behind a connection: what faults look like from its other end.

use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use omneo_id::sandbox::{Fault, Sandbox};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;

/// Serves one connection, sends one request on it, and gives back the client's end.
async fn ask(sandbox: &Sandbox) -> DuplexStream {
    let (mut client, server) = duplex(1 << 20);
    let service = TowerToHyperService::new(sandbox.clone());
    tokio::spawn(async move {
        let server = TokioIo::new(server);
        drop(
            auto::Builder::new(TokioExecutor::new())
                .serve_connection(server, service)
                .await,
        );
    });
    let request = format!(
        "GET /api/v3/locations HTTP/1.1\r\nhost: t\r\nconnection: close\r\nauthorization: Bearer {}\r\n\r\n",
        sandbox.api_token()
    );
    client.write_all(request.as_bytes()).await.unwrap();
    client
}

async fn rest(client: &mut DuplexStream) -> String {
    let mut read = Vec::new();
    client.read_to_end(&mut read).await.unwrap();
    String::from_utf8(read).unwrap()
}

/// The length that the head declares, and the bytes after it.
fn lengths(answer: &str) -> (usize, usize) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let declared = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap();
    (declared.parse().unwrap(), body.len())
}

#[tokio::test]
async fn an_answer_is_whole_and_its_length_known() {
    let answer = rest(&mut ask(&Sandbox::new()).await).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    let (declared, arrived) = lengths(&answer);
    assert_eq!(declared, arrived);
}

#[tokio::test]
async fn a_reset_closes_the_connection_without_a_word() {
    let sandbox = Sandbox::new();
    sandbox.inject(Fault::reset());
    assert_eq!(rest(&mut ask(&sandbox).await).await, "");
}

#[tokio::test]
async fn a_reset_in_the_body_leaves_it_short() {
    let sandbox = Sandbox::new();
    sandbox.inject(Fault::reset_body());
    let (declared, arrived) = lengths(&rest(&mut ask(&sandbox).await).await);
    assert!(arrived < declared, "{arrived} of {declared}");
}

#[tokio::test(start_paused = true)]
async fn whoever_hangs_up_on_a_stall_is_gone() {
    let sandbox = Sandbox::new();
    sandbox.inject(Fault::stall());
    let mut client = ask(&sandbox).await;
    assert!(
        timeout(Duration::from_secs(60), client.read_u8())
            .await
            .is_err()
    );
    assert_eq!(sandbox.in_flight(), 1);
    drop(client);
    while sandbox.in_flight() > 0 {
        tokio::task::yield_now().await;
    }
}
