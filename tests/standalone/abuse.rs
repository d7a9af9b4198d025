//! Clients that mean no good, by raw sockets: each is put up with only so far, and a neighbour is
//! served throughout.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::process::{MOUNT, Server, get_as};

/// What is not over by then hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const SANDBOX_TOKEN: &str = "sandbox-api-token";
const ADA: &str = r#"{"id":"6513270e-269e-4d37-b2a7-4de452e6b438"}"#;
/// Short enough not to be waited for, long enough for a busy machine.
const SHORT: &[&str] = &[
    "--idle-timeout",
    "2s",
    "--header-timeout",
    "2s",
    "--write-timeout",
    "2s",
    "--log",
    "warn",
];
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Somebody who asks for her profile all the time, over connections of her own.
struct Neighbour {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    life: JoinHandle<()>,
}

impl Neighbour {
    async fn of(server: &Arc<Server>) -> Self {
        let token = server.mint(SANDBOX_TOKEN, ADA).await;
        let (stop, served) = (
            Arc::new(AtomicBool::new(false)),
            Arc::<AtomicUsize>::default(),
        );
        let life = tokio::spawn({
            let (stop, served) = (Arc::clone(&stop), Arc::clone(&served));
            let server = Arc::clone(server);
            async move {
                while !stop.load(Ordering::SeqCst) {
                    let request = get_as(&token, &format!("{MOUNT}/profiles/me"));
                    let answer = timeout(PATIENCE, server.send(request)).await;
                    assert_eq!(answer.expect("the neighbour waits").status(), 200);
                    served.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        });
        Self { stop, served, life }
    }

    /// It was served, and is being served now.
    async fn leaves(self) {
        let before = self.served.load(Ordering::SeqCst);
        while self.served.load(Ordering::SeqCst) < before + 3 && !self.life.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.stop.store(true, Ordering::SeqCst);
        self.life.await.unwrap();
    }
}

fn start(flags: &[&str]) -> Arc<Server> {
    Arc::new(Server::start(&[SHORT, flags].concat(), &[]))
}

/// Everything until the server ends the connection.
pub(crate) async fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut all)).await;
    match read.expect("it keeps the connection") {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    all
}

/// The status of an HTTP/1.1 answer.
pub(crate) fn status(answer: &[u8]) -> &str {
    let line = answer
        .split(|byte| *byte == b'\r')
        .next()
        .unwrap_or_default();
    std::str::from_utf8(line)
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap_or_default()
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address).await.unwrap()
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// HPACK: `GET`, `http`, `/`, with an authority.
const HEADERS: &[u8] = &[0x82, 0x86, 0x84, 0x41, 0x01, b'a'];
/// The same for `/healthz`, whose answer is short.
pub(crate) const HEALTH: &[u8] = b"\x82\x86\x04\x08/healthz\x41\x01a";

/// As many connections as a test may open here.
fn many() -> usize {
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

// --- slow ones
// ------------------------------------------------------------------------------------

#[tokio::test]
async fn thousands_of_slow_heads_end_and_harm_nobody() {
    let server = start(&[]);
    let neighbour = Neighbour::of(&server).await;
    let mut slow = Vec::new();
    for number in 0..many() {
        // One by one: what overflows the queue of the listener is open on one side only.
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
                // A header a moment, and never the last.
                while number % 4 == 2 && write.write_all(b"a: b\r\n").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                std::future::pending::<()>().await;
            };
            let mut all = Vec::new();
            tokio::select! {
                () = drip => unreachable!(),
                read = timeout(PATIENCE, read.read_to_end(&mut all)) => {
                    let _ = read.expect("it keeps the connection");
                }
            }
        }));
    }
    for slow in slow {
        slow.await.unwrap();
    }
    neighbour.leaves().await;
}

#[tokio::test]
async fn an_idle_connection_ends_over_both_protocols() {
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
async fn slow_bodies_harm_nobody() {
    let server = start(&[]);
    let token = server.mint(SANDBOX_TOKEN, "{}").await;
    let neighbour = Neighbour::of(&server).await;
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
    neighbour.leaves().await;
}

/// A client that asks for more than it reads: its window is as small as the system allows.
async fn greedy(server: &Server) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2_048).unwrap();
    socket.connect(server.address).await.unwrap()
}

#[tokio::test]
async fn who_does_not_read_is_let_go() {
    let server = start(&[]);
    let neighbour = Neighbour::of(&server).await;
    let mut greedy_ones = Vec::new();
    for _ in 0..50 {
        let server = Arc::clone(&server);
        greedy_ones.push(tokio::spawn(async move {
            let mut stream = greedy(&server).await;
            // Large answers: the buffers between are full after a few of them.
            let request = b"GET /openapi.json HTTP/1.1\r\nhost: a\r\n\r\n".repeat(1_000);
            // Written until nothing goes any more, on either side, and then until it is over.
            let written = timeout(PATIENCE, async {
                while stream.write_all(&request).await.is_ok() {}
            });
            written.await.expect("it keeps the connection");
        }));
    }
    for greedy in greedy_ones {
        greedy.await.unwrap();
    }
    neighbour.leaves().await;
}

#[tokio::test]
async fn a_stream_that_opens_no_window_is_let_go() {
    let server = start(&[]);
    let neighbour = Neighbour::of(&server).await;
    let mut stream = connect(&server).await;
    // No window for anything, but a sign of life from time to time.
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
    let _ = over.expect("it keeps the connection");
    alive.await.unwrap();
    neighbour.leaves().await;
}

#[tokio::test]
async fn a_stream_that_opens_no_window_is_not_excused_by_others_that_do() {
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
    let _ = over.expect("it keeps its place");
    busy.await.unwrap();
}

#[tokio::test]
async fn a_slow_reader_who_does_read_gets_all() {
    let server = start(&[]);
    let mut stream = greedy(&server).await;
    const COUNT: usize = 3_000;
    let request = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    let (mut read, mut write) = stream.split();
    let ask = async {
        for _ in 0..COUNT {
            write.write_all(request).await.unwrap();
        }
        write
            .write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
    };
    let listen = async {
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
    let ((), all) = tokio::join!(ask, listen);
    let answers = all
        .windows(12)
        .filter(|line| line == b"HTTP/1.1 200")
        .count();
    assert_eq!(answers, COUNT + 1);
}

// --- floods
// ---------------------------------------------------------------------------------------

#[tokio::test]
async fn heads_and_targets_have_an_end() {
    let server = start(&[]);
    let neighbour = Neighbour::of(&server).await;
    let many = "a: b\r\n".repeat(200);
    let large = format!("a: {}\r\n", "b".repeat(64 * 1024));
    let target = "a".repeat(64 * 1024);
    for (request, expected) in [
        (format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n"), "431"),
        (format!("GET / HTTP/1.1\r\nhost: a\r\n{large}\r\n"), "431"),
        (format!("GET /{target} HTTP/1.1\r\nhost: a\r\n\r\n"), "414"),
        ("\0".repeat(100), "400"),
        ("GET /healthz HTTP/1.1\r\n\r\n".to_owned(), "400"),
        (
            "GET /healthz HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n".to_owned(),
            "400",
        ),
        (
            "GET /healthz HTTP/1.1\r\nhost: a@b\r\n\r\n".to_owned(),
            "400",
        ),
        ("GET / HTTP/1.1\r\nhost : a\r\n\r\n".to_owned(), "400"),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n".to_owned(),
            "400",
        ),
    ] {
        let mut stream = connect(&server).await;
        // It may be closed before all is written.
        let _ = stream.write_all(request.as_bytes()).await;
        let answer = until_closed(&mut stream).await;
        // Nothing, if the reset overtook it.
        let status = status(&answer);
        let case = &request[..request.len().min(60)];
        assert!(
            status == expected || status == "431" || status.is_empty(),
            "{case:?}: {status}"
        );
    }
    neighbour.leaves().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_turn() {
    let server = start(&[]);
    let mut stream = connect(&server).await;
    let mut requests = String::new();
    for number in 0..100 {
        let path = if number % 2 == 0 { "/healthz" } else { "/none" };
        requests.push_str(&format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"));
    }
    requests.push_str("GET /none HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    stream.write_all(requests.as_bytes()).await.unwrap();
    let all = until_closed(&mut stream).await;
    let all = String::from_utf8(all).unwrap();
    let statuses: Vec<&str> = all
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| &all[at + 9..at + 12])
        .collect();
    assert_eq!(statuses.len(), 101);
    for (number, status) in statuses.iter().enumerate() {
        assert_eq!(
            *status,
            if number % 2 == 0 && number < 100 {
                "200"
            } else {
                "404"
            }
        );
    }
}

#[tokio::test]
async fn half_closed_connections_end() {
    let server = start(&[]);
    let neighbour = Neighbour::of(&server).await;
    for begin in [
        &b""[..],
        b"GET",
        b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n",
        PREFACE,
    ] {
        let mut stream = connect(&server).await;
        stream.write_all(begin).await.unwrap();
        stream.shutdown().await.unwrap();
        until_closed(&mut stream).await;
    }
    neighbour.leaves().await;
}

/// Writes the same for ever, after a preface; it has to be stopped.
async fn flood(server: &Arc<Server>, first: Vec<u8>, next: impl Fn(u32) -> Vec<u8>) {
    let neighbour = Neighbour::of(server).await;
    let mut stream = connect(server).await;
    stream
        .write_all(&[PREFACE, &frame(4, 0, 0, &[]), &first].concat())
        .await
        .unwrap();
    let (mut read, mut write) = stream.into_split();
    let drain = tokio::spawn(async move {
        let mut all = Vec::new();
        let _ = read.read_to_end(&mut all).await;
    });
    let stopped = timeout(PATIENCE, async {
        let mut number = 0;
        loop {
            let mut frames = Vec::new();
            for _ in 0..100 {
                frames.extend(next(number));
                number += 1;
            }
            if write.write_all(&frames).await.is_err() {
                return number;
            }
        }
    });
    stopped.await.expect("a flood that nobody stops");
    drain.await.unwrap();
    neighbour.leaves().await;
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_end_the_connection() {
    let server = start(&[]);
    flood(&server, Vec::new(), |number| {
        let stream = number * 2 + 1;
        [
            frame(1, 5, stream, HEADERS),
            frame(3, 0, stream, &[0, 0, 0, 8]),
        ]
        .concat()
    })
    .await;
}

#[tokio::test]
async fn streams_that_make_us_reset_them_end_the_connection() {
    let server = start(&[]);
    // A window that overflows (RFC 9113 §6.9.1): MadeYouReset.
    flood(&server, Vec::new(), |number| {
        let stream = number * 2 + 1;
        [
            frame(1, 4, stream, HEADERS),
            frame(8, 0, stream, &[0x7f, 0xff, 0xff, 0xff]),
        ]
        .concat()
    })
    .await;
}

#[tokio::test]
async fn a_head_that_goes_on_for_ever_ends_the_connection() {
    let server = start(&[]);
    let first = frame(1, 0, 1, HEADERS);
    flood(&server, first, |_| {
        frame(9, 0, 1, &[0x00, 0x01, b'a', 0x01, b'b'])
    })
    .await;
    let first = frame(1, 0, 1, HEADERS);
    flood(&server, first, |_| frame(9, 0, 1, &[])).await;
}

#[tokio::test]
async fn a_window_update_or_a_frame_of_nonsense_ends_the_connection() {
    let server = start(&[]);
    // Too large a frame, data where no stream is, a window of zero.
    flood(&server, Vec::new(), |_| frame(0, 0, 1, &[0; 20_000])).await;
    flood(&server, Vec::new(), |_| frame(0, 0, 5, &[])).await;
    flood(&server, Vec::new(), |_| frame(8, 0, 0, &[0; 4])).await;
}

/// Answered or ignored, frame by frame: memory must not grow with them.
async fn endured(server: &Arc<Server>, first: Vec<u8>, next: Vec<u8>, reads: bool) {
    let neighbour = Neighbour::of(server).await;
    let mut stream = connect(server).await;
    stream
        .write_all(&[PREFACE, &frame(4, 0, 0, &[]), &first].concat())
        .await
        .unwrap();
    let before = server.resident();
    let (mut read, mut write) = stream.into_split();
    let drain = tokio::spawn(async move {
        let mut piece = [0; 4_096];
        while reads && read.read(&mut piece).await.is_ok_and(|count| count > 0) {}
        // Kept open.
        if !reads {
            tokio::time::sleep(PATIENCE).await;
        }
        drop(read);
    });
    let frames = next.repeat(1_000);
    for _ in 0..300 {
        // Stopped, or no longer read: either will do.
        let wrote = timeout(Duration::from_secs(10), write.write_all(&frames)).await;
        if !matches!(wrote, Ok(Ok(()))) {
            break;
        }
    }
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more");
    neighbour.leaves().await;
    drain.abort();
}

#[tokio::test]
async fn pings_settings_and_empty_data_cost_no_memory() {
    let server = start(&[]);
    for reads in [true, false] {
        endured(&server, Vec::new(), frame(6, 0, 0, &[0; 8]), reads).await;
        endured(
            &server,
            Vec::new(),
            frame(4, 0, 0, &[0, 3, 0, 0, 0, 1]),
            reads,
        )
        .await;
        endured(&server, Vec::new(), frame(2, 0, 1, &[0; 5]), reads).await;
        // On a stream whose head has come.
        endured(&server, frame(1, 4, 1, HEADERS), frame(0, 0, 1, &[]), reads).await;
    }
}

#[tokio::test]
async fn no_more_streams_than_allowed_are_served_at_once() {
    let server = start(&[]);
    let neighbour = Neighbour::of(&server).await;
    let mut stream = connect(&server).await;
    let mut begin = [PREFACE, &frame(4, 0, 0, &[])].concat();
    // Heads without an end: each holds a stream.
    for number in 0..200 {
        begin.extend(frame(1, 4, number * 2 + 1, HEADERS));
    }
    stream.write_all(&begin).await.unwrap();
    let mut refused = 0;
    let mut all = Vec::new();
    let mut piece = [0; 4_096];
    while refused < 72 {
        let count = timeout(PATIENCE, stream.read(&mut piece))
            .await
            .unwrap()
            .unwrap();
        assert!(count > 0, "closed after {refused}");
        all.extend_from_slice(&piece[..count]);
        while all.len() >= 9 {
            let length = usize::from(all[0]) << 16 | usize::from(all[1]) << 8 | usize::from(all[2]);
            if all.len() < 9 + length {
                break;
            }
            let frame: Vec<u8> = all.drain(..9 + length).collect();
            // REFUSED_STREAM
            if frame[3] == 3 && frame[9..] == [0, 0, 0, 7] {
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 72);
    neighbour.leaves().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let server = start(&["--max-connections", "10"]);
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(connect(&server).await);
    }
    // Those end when their time is up; then it is this one's turn.
    let answer = timeout(PATIENCE, server.get("/healthz")).await;
    assert_eq!(answer.expect("it waits for ever").status(), 200);
    for stream in &mut held {
        until_closed(stream).await;
    }
}

// --- storms
// ---------------------------------------------------------------------------------------

#[tokio::test]
async fn one_address_signed_up_by_everybody_at_once_is_one_person() {
    let server = start(&[]);
    let neighbour = Neighbour::of(&server).await;
    let token = server.mint(SANDBOX_TOKEN, "{}").await;
    let email = "storm@example.com";
    let body = format!(r#"{{"email":"{email}","attributes":{{"comms":{{"email_promo":true}}}}}}"#);
    let mut storm = Vec::new();
    for number in 0..200 {
        let server = Arc::clone(&server);
        let request = Request::post(format!("{MOUNT}/profiles"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .version(match number % 2 {
                0 => http::Version::HTTP_11,
                _ => http::Version::HTTP_2,
            })
            .body(Full::<Bytes>::from(body.clone()))
            .unwrap();
        storm.push(tokio::spawn(async move { server.send(request).await }));
    }
    for answer in storm {
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.body(), r#"{"data":{"success":true}}"#);
    }
    neighbour.leaves().await;
}
