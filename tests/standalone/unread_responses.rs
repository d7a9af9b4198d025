//! The memory of responses that a client does not read.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use crate::process::{MOUNT, Server};
use crate::raw_client::{PATIENCE, PREFACE, frame};

/// Concurrent responses.
const COUNT: u32 = 40;
/// Length of each response, more than the buffers of the kernel and of the server.
const LENGTH: usize = 1 << 26;
/// Size of the writes of the tenant. With a pause after each one, reads are small, too.
const PIECE: usize = 4 * 1024;
const PAUSE: Duration = Duration::from_millis(10);
/// Limit for the memory per response, its call included.
const BOUND: usize = 256 * 1024;

/// A tenant that sends large responses in pieces and counts the bytes.
async fn tenant() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sent = Arc::<AtomicUsize>::default();
    tokio::spawn({
        let sent = Arc::clone(&sent);
        async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&sent)));
            }
        }
    });
    (address, sent)
}

async fn serve(mut stream: TcpStream, sent: Arc<AtomicUsize>) -> std::io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        if !head.windows(10).any(|path| path == b"/locations") {
            let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                content-length: 11\r\n\r\n{\"data\":{}}";
            stream.write_all(answer.as_bytes()).await?;
            continue;
        }
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {LENGTH}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        for _ in 0..LENGTH / PIECE {
            stream.write_all(&[b' '; PIECE]).await?;
            sent.fetch_add(PIECE, Ordering::SeqCst);
            sleep(PAUSE).await;
        }
    }
}

/// A client with the smallest receive buffer, so that the kernel buffers little.
async fn small_window(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2_048).unwrap();
    socket.connect(address).await.unwrap()
}

/// HPACK: a literal without indexing.
fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        match text.len().checked_sub(127) {
            None => field.push(text.len().try_into().unwrap()),
            Some(mut rest) => {
                field.push(127);
                while rest >= 128 {
                    field.push((rest % 128 + 128).try_into().unwrap());
                    rest /= 128;
                }
                field.push(rest.try_into().unwrap());
            }
        }
        field.extend_from_slice(text);
    }
    field
}

/// Sends each request over a connection of its own.
async fn over_http1(server: &Server, token: &str) -> Vec<TcpStream> {
    let head = format!(
        "GET {MOUNT}/locations HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    let mut streams = Vec::new();
    for _ in 0..COUNT {
        let mut stream = small_window(server.address).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    streams
}

/// Sends all requests over one connection, with the largest windows.
async fn over_http2(server: &Server, token: &str) -> Vec<TcpStream> {
    const LARGEST: [u8; 4] = 0x7fff_0000_u32.to_be_bytes();
    let mut stream = small_window(server.address).await;
    let settings = frame(4, 0, 0, &[&[0, 4], &LARGEST[..]].concat());
    let window = frame(8, 0, 0, &LARGEST);
    let mut begin = [PREFACE, &settings, &window].concat();
    let path = format!("{MOUNT}/locations");
    let credential = format!("Bearer {token}");
    let head = [
        &[0x82, 0x86][..],
        &literal(b":path", path.as_bytes()),
        &literal(b":authority", b"a"),
        &literal(b"authorization", credential.as_bytes()),
    ]
    .concat();
    for number in 0..COUNT {
        begin.extend(frame(1, 5, 2 * number + 1, &head));
    }
    stream.write_all(&begin).await.unwrap();
    vec![stream]
}

/// Waits until all buffers are full.
async fn until_full(sent: &AtomicUsize) {
    let mut before = 0;
    loop {
        sleep(Duration::from_millis(500)).await;
        let now = sent.load(Ordering::SeqCst);
        if now > 0 && now == before {
            return;
        }
        before = now;
    }
}

#[tokio::test]
async fn the_memory_of_unread_responses_is_bounded_and_freed() {
    for is_http2 in [false, true] {
        let (tenant, sent) = tenant().await;
        let origin = format!("http://{tenant}");
        let flags = ["--upstream", &origin, "--api-token", "t", "--threads", "1"];
        let server = Server::start(&flags, &[]);
        let token = server.mint("t", "{}").await;
        let before = server.resident();
        let streams = match is_http2 {
            false => over_http1(&server, &token).await,
            true => over_http2(&server, &token).await,
        };
        timeout(PATIENCE, until_full(&sent)).await.expect("no end");
        let held = server.resident().saturating_sub(before);
        assert!(
            held / (COUNT as usize) < BOUND,
            "{held}, HTTP/2: {is_http2}"
        );
        drop(streams);
        let freed = timeout(PATIENCE, async {
            while server.resident().saturating_sub(before) > held / 2 + (1 << 20) {
                sleep(Duration::from_millis(10)).await;
            }
        });
        let freed = freed.await;
        let now = server.resident().saturating_sub(before);
        assert!(freed.is_ok(), "held {held}, now {now}, HTTP/2: {is_http2}");
    }
}
