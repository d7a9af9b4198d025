//! A client over a raw socket: bytes of HTTP/1.1, and frames of HTTP/2.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::process::Server;

/// Timeout of a test step that would hang otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const SANDBOX_TOKEN: &str = "sandbox-api-token";
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// HPACK: `GET`, `http`, `/`, with an authority.
pub(crate) const HEADERS: &[u8] = &[0x82, 0x86, 0x84, 0x41, 0x01, b'a'];
/// The same for `/healthz`, whose response is short.
pub(crate) const HEALTH: &[u8] = b"\x82\x86\x04\x08/healthz\x41\x01a";
pub(crate) const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";

pub(crate) async fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Waits until a text has been logged this many times.
pub(crate) async fn logged(server: &Server, text: &str, times: usize) {
    let waited = timeout(PATIENCE, async {
        while server.logged(text) < times {
            sleep(Duration::from_millis(1)).await;
        }
    });
    waited.await.expect("the text is never logged");
}

/// Reads the next response: its head and its body.
pub(crate) async fn read_response<T: AsyncRead + Unpin>(stream: &mut T) -> (String, Vec<u8>) {
    let read = timeout(PATIENCE, async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a response"));
        }
        let head = String::from_utf8(head).unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        (head, body)
    });
    read.await.expect("no response")
}

/// Reads until the server closes the connection.
pub(crate) async fn until_closed<T: AsyncRead + Unpin>(stream: &mut T) -> Vec<u8> {
    let mut all = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut all)).await;
    match read.expect("the connection stays open") {
        Ok(_) => {}
        // The second over TLS: without close_notify.
        Err(error) => assert!(
            matches!(
                error.kind(),
                ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof
            ),
            "{error}"
        ),
    }
    all
}

/// The status of an HTTP/1.1 response.
pub(crate) fn status(response: &[u8]) -> &str {
    let line = response
        .split(|byte| *byte == b'\r')
        .next()
        .unwrap_or_default();
    std::str::from_utf8(line)
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap_or_default()
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}
