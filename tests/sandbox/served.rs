//! The tenant behind a connection: faults as the client observes them.

use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use omneo_id::sandbox::{Fault, Sandbox};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;

/// Serves one connection, sends one request on it, and returns the client's end.
async fn send_request(sandbox: &Sandbox) -> DuplexStream {
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
        "GET /api/v3/locations HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\
         authorization: Bearer {}\r\n\r\n",
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

/// The declared length and the actual length of the body.
fn lengths(response: &str) -> (usize, usize) {
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let declared = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap();
    (declared.parse().unwrap(), body.len())
}

#[tokio::test]
async fn a_response_is_complete_and_has_a_length() {
    let response = rest(&mut send_request(&Sandbox::new()).await).await;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"));
    let (declared, arrived) = lengths(&response);
    assert_eq!(declared, arrived);
}

#[tokio::test]
async fn a_reset_closes_the_connection_without_a_response() {
    let sandbox = Sandbox::new();
    sandbox.inject(Fault::reset());
    assert_eq!(rest(&mut send_request(&sandbox).await).await, "");
}

#[tokio::test]
async fn a_reset_in_the_body_truncates_it() {
    let sandbox = Sandbox::new();
    sandbox.inject(Fault::reset_body());
    let (declared, arrived) = lengths(&rest(&mut send_request(&sandbox).await).await);
    assert!(arrived < declared, "{arrived} of {declared}");
}

#[tokio::test(start_paused = true)]
async fn a_disconnect_during_a_stall_ends_the_request() {
    let sandbox = Sandbox::new();
    sandbox.inject(Fault::stall());
    let mut client = send_request(&sandbox).await;
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
