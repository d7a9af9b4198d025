//! SIGTERM and SIGINT.

use tokio::net::TcpStream;

use crate::process::{MOUNT, Server, get_as};
use crate::tenant::SlowTenant;

#[test]
fn either_signal_ends_with_0() {
    for signal in ["TERM", "INT"] {
        let server = Server::start(&[], &[]);
        server.signal(signal);
        let ended = server.wait();
        assert_eq!(ended.code, Some(0), "{signal}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_end() {
    let tenant = SlowTenant::start().await;
    let origin = tenant.origin();
    let server = Server::start(&["--upstream", &origin, "--api-token", "t"], &[]);
    let token = server.mint("t", "{}").await;
    let address = server.address;
    let request = server.send(get_as(&token, &format!("{MOUNT}/locations")));
    let told = async {
        tenant.asked.notified().await;
        server.signal("TERM");
        // Nobody new is let in, while the one who is in still waits.
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        tenant.answer.notify_one();
    };
    let (response, ()) = tokio::join!(request, told);
    assert_eq!(response.status(), 200);
    assert_eq!(server.wait().code, Some(0));
}

#[tokio::test]
async fn a_second_signal_does_not_wait() {
    let tenant = SlowTenant::start().await;
    let origin = tenant.origin();
    let server = Server::start(&["--upstream", &origin, "--api-token", "t"], &[]);
    let token = server.mint("t", "{}").await;
    let address = server.address;
    let request = get_as(&token, &format!("{MOUNT}/locations"));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "GET {} HTTP/1.1\r\nhost: {address}\r\nauthorization: {}\r\n\r\n",
        request.uri(),
        request.headers()["authorization"].to_str().unwrap(),
    );
    tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes())
        .await
        .unwrap();
    tenant.asked.notified().await;
    server.signal("TERM");
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    server.signal("INT");
    let ended = server.wait();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("told twice"), "{}", ended.stderr);
}
