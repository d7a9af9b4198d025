//! Abusive clients with raw sockets: each one is bounded, while a regular client is served
//! throughout.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::process::{MOUNT, Server, get_as};
use crate::raw_client::{
    HEADERS, HEALTH, PATIENCE, PREFACE, SANDBOX_TOKEN, connect, frame, status, until_closed,
};

const ADA: &str = r#"{"id":"6513270e-269e-4d37-b2a7-4de452e6b438"}"#;
/// Timeouts that are short for a test and long enough for a busy machine.
const SHORT: &[&str] = &[
    "--idle-timeout",
    "2s",
    "--header-timeout",
    "5s",
    "--write-timeout",
    "2s",
    "--log",
    "warn",
];

/// A regular client that reads its profile repeatedly over connections of its own.
pub(crate) struct RegularClient {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl RegularClient {
    pub(crate) async fn start(server: &Arc<Server>) -> Self {
        let token = server.mint(SANDBOX_TOKEN, ADA).await;
        let (stop, served) = (
            Arc::new(AtomicBool::new(false)),
            Arc::<AtomicUsize>::default(),
        );
        let task = tokio::spawn({
            let (stop, served) = (Arc::clone(&stop), Arc::clone(&served));
            let server = Arc::clone(server);
            async move {
                while !stop.load(Ordering::SeqCst) {
                    let request = get_as(&token, &format!("{MOUNT}/profiles/me"));
                    let answer = timeout(PATIENCE, server.send(request)).await;
                    assert_eq!(
                        answer.expect("the regular client is not served").status(),
                        200
                    );
                    served.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        });
        Self { stop, served, task }
    }

    /// Asserts that all requests succeed until now, and stops.
    pub(crate) async fn finish(self) {
        let before = self.served.load(Ordering::SeqCst);
        while self.served.load(Ordering::SeqCst) < before + 3 && !self.task.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.unwrap();
    }
}

pub(crate) fn start(flags: &[&str]) -> Arc<Server> {
    Arc::new(Server::start(&[SHORT, flags].concat(), &[]))
}

/// The number of connections that a test opens, within the limit of file descriptors.
fn connection_count() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let limit: usize = line
        .unwrap()
        .split_whitespace()
        .nth(3)
        .unwrap()
        .parse()
        .unwrap();
    (limit / 4).min(2_000)
}

#[tokio::test]
async fn thousands_of_slow_heads_are_closed() {
    let server = start(&[]);
    let regular = RegularClient::start(&server).await;
    let mut slow = Vec::new();
    for number in 0..connection_count() {
        // One by one: connections above the accept queue would be open on one side only.
        let mut stream = connect(&server).await;
        slow.push(tokio::spawn(async move {
            let begin: &[u8] = match number % 4 {
                0 => b"",
                1 => b"G",
                2 => b"GET /healthz HTTP/1.1\r\nhost: a\r\n",
                _ => PREFACE,
            };
            stream.write_all(begin).await.unwrap();
            let (mut read, mut write) = stream.into_split();
            let drip = async {
                // A header each 100 ms, without an end.
                while number % 4 == 2 && write.write_all(b"a: b\r\n").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                std::future::pending::<()>().await;
            };
            let mut all = Vec::new();
            tokio::select! {
                () = drip => unreachable!(),
                read = timeout(PATIENCE, read.read_to_end(&mut all)) => {
                    let _ = read.expect("the connection stays open");
                }
            }
        }));
    }
    for slow in slow {
        slow.await.unwrap();
    }
    regular.finish().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_over_both_protocols() {
    let server = start(&[]);
    let mut stream = connect(&server).await;
    let request = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let all = until_closed(&mut stream).await;
    assert_eq!(status(&all), "200");

    let mut stream = connect(&server).await;
    let begin = [PREFACE, &frame(4, 0, 0, &[]), &frame(1, 5, 1, HEADERS)].concat();
    stream.write_all(&begin).await.unwrap();
    assert!(!until_closed(&mut stream).await.is_empty());
}

#[tokio::test]
async fn slow_bodies_do_not_affect_other_clients() {
    let server = start(&[]);
    let token = server.mint(SANDBOX_TOKEN, "{}").await;
    let regular = RegularClient::start(&server).await;
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut stream = connect(&server).await;
        let head = format!(
            "POST {MOUNT}/profiles HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: 1000\r\n\r\n{{"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    for _ in 0..5 {
        for stream in &mut slow {
            stream.write_all(b" ").await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    regular.finish().await;
}

/// A client with the smallest receive buffer that the system allows.
async fn small_window(server: &Server) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2_048).unwrap();
    socket.connect(server.address).await.unwrap()
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed() {
    let server = start(&[]);
    let regular = RegularClient::start(&server).await;
    let mut clients = Vec::new();
    for _ in 0..50 {
        let server = Arc::clone(&server);
        clients.push(tokio::spawn(async move {
            let mut stream = small_window(&server).await;
            // Large responses: a few of them fill all buffers.
            let request = b"GET /openapi.json HTTP/1.1\r\nhost: a\r\n\r\n".repeat(1_000);
            // Writes until both directions are blocked, and then until the connection is closed.
            let written = timeout(PATIENCE, async {
                while stream.write_all(&request).await.is_ok() {}
            });
            written.await.expect("the connection stays open");
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
    regular.finish().await;
}

#[tokio::test]
async fn a_stream_without_a_window_is_closed_despite_pings() {
    let server = start(&[]);
    let regular = RegularClient::start(&server).await;
    let mut stream = connect(&server).await;
    // No window, but a PING every 200 ms.
    let begin = [
        PREFACE,
        &frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]),
        &frame(1, 5, 1, HEADERS),
    ]
    .concat();
    stream.write_all(&begin).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let alive = tokio::spawn(async move {
        while write.write_all(&frame(6, 0, 0, &[0; 8])).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let mut all = Vec::new();
    let over = timeout(PATIENCE, read.read_to_end(&mut all)).await;
    let _ = over.expect("the connection stays open");
    alive.await.unwrap();
    regular.finish().await;
}

#[tokio::test]
async fn a_stream_without_a_window_is_closed_despite_other_streams() {
    let server = start(&[]);
    let mut stream = connect(&server).await;
    let begin = [
        PREFACE,
        &frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]),
        &frame(1, 5, 1, HEADERS),
    ]
    .concat();
    stream.write_all(&begin).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let busy = tokio::spawn(async move {
        for number in 1.. {
            let id = 2 * number + 1;
            let window = frame(8, 0, id, &0x4000_u32.to_be_bytes());
            let another = [frame(1, 5, id, HEALTH), window].concat();
            if write.write_all(&another).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let mut all = Vec::new();
    let over = timeout(PATIENCE, read.read_to_end(&mut all)).await;
    let _ = over.expect("the connection stays open");
    busy.await.unwrap();
}

#[tokio::test]
async fn a_slow_reader_receives_all_responses() {
    let server = start(&[]);
    let mut stream = small_window(&server).await;
    const COUNT: usize = 3_000;
    let request = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    let (mut read, mut write) = stream.split();
    let send = async {
        for _ in 0..COUNT {
            write.write_all(request).await.unwrap();
        }
        write
            .write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
    };
    let receive = async {
        let mut all = Vec::new();
        let mut piece = [0; 8 * 1_024];
        loop {
            let count = read.read(&mut piece).await.unwrap();
            if count == 0 {
                return all;
            }
            all.extend_from_slice(&piece[..count]);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let ((), all) = tokio::join!(send, receive);
    let answers = all
        .windows(12)
        .filter(|line| line == b"HTTP/1.1 200")
        .count();
    assert_eq!(answers, COUNT + 1);
}
