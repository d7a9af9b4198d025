//! Connections that rest between two requests: nothing is lost by it, and no limit is forgotten.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use omneo_id::keys::{Keyring, SigningKey};
use omneo_id::sandbox::TestTokens;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tower::{Service, service_fn};

use crate::abuse::{HEALTH, PATIENCE, PREFACE, SANDBOX_TOKEN, frame, status, until_closed};
use crate::server::connection_activity::ConnectionActivity;
use crate::config::Limits;
use crate::server::tracked_service::TrackedService;
use crate::server::timeouts::{ConnectionTimer, Timeout, next_check};
use crate::server::protocol_detection::Protocol;
use crate::process::{MOUNT, SECRET, Server};
use crate::tenant::SlowTenant;
use crate::server::upload::Upload;

/// A connection is looked at four times in the shorter limit, and rests at the second look that
/// finds nothing new.
const QUICK: &[&str] = &[
    "--write-timeout",
    "100ms",
    "--threads",
    "1",
    "--log",
    "info,standalone::server=debug",
];
const RESTS: &str = "an idle connection has freed its buffers";
const HAS_BEGUN: &str = "keeps its buffers";
pub(crate) const ASK: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
/// Some looks.
const WHILE: Duration = Duration::from_millis(200);

fn start() -> Server {
    Server::start(QUICK, &[])
}

async fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Until this has been logged so many times.
pub(crate) async fn logged(server: &Server, what: &str, times: usize) {
    let waited = timeout(PATIENCE, async {
        while server.logged(what) < times {
            sleep(Duration::from_millis(1)).await;
        }
    });
    waited.await.expect("it is never logged");
}

/// The next answer: its head and its body.
pub(crate) async fn answer(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let read = timeout(PATIENCE, async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("an answer"));
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
    read.await.expect("no answer")
}

async fn ask(stream: &mut TcpStream) {
    stream.write_all(ASK).await.unwrap();
    let (head, _) = answer(stream).await;
    assert_eq!(status(head.as_bytes()), "200");
}

/// One that rests, the first of its server.
async fn resting(server: &Server) -> TcpStream {
    let mut stream = connect(server).await;
    ask(&mut stream).await;
    logged(server, RESTS, 1).await;
    stream
}

#[tokio::test]
async fn a_connection_that_rested_is_served_again_and_again() {
    let server = start();
    let mut stream = connect(&server).await;
    for round in 1..=10 {
        for _ in 0..round {
            ask(&mut stream).await;
        }
        logged(&server, RESTS, round).await;
        // It rests once.
        sleep(WHILE).await;
        assert_eq!(server.logged(RESTS), round);
    }
}

#[tokio::test]
async fn who_asks_all_the_time_never_rests() {
    let server = Server::start(&["--log", "standalone=debug"], &[]);
    let mut stream = connect(&server).await;
    for _ in 0..200 {
        ask(&mut stream).await;
    }
    assert_eq!(server.logged(RESTS), 0);
}

#[tokio::test]
async fn a_head_that_has_begun_is_not_lost() {
    let server = start();
    let mut stream = connect(&server).await;
    for at in [1, 3, ASK.len() - 1] {
        let (begin, end) = ASK.split_at(at);
        let before = server.logged(HAS_BEGUN);
        ask(&mut stream).await;
        stream.write_all(begin).await.unwrap();
        // Given back by what had read it, and read again.
        let given_back = timeout(PATIENCE, async {
            while server.logged(HAS_BEGUN) == before && server.logged(RESTS) == 0 {
                sleep(Duration::from_millis(1)).await;
            }
        });
        given_back.await.expect("it is kept");
        sleep(WHILE).await;
        stream.write_all(end).await.unwrap();
        let (head, _) = answer(&mut stream).await;
        assert_eq!(status(head.as_bytes()), "200", "{at}");
    }
    assert!(server.logged(HAS_BEGUN) > 0);
}

#[tokio::test]
async fn a_head_that_comes_piece_by_piece_wakes_it() {
    let server = start();
    let mut stream = resting(&server).await;
    for byte in ASK {
        stream.write_all(&[*byte]).await.unwrap();
        sleep(Duration::from_millis(2)).await;
    }
    let (head, _) = answer(&mut stream).await;
    assert_eq!(status(head.as_bytes()), "200");
    // An empty line before a request is nothing (RFC 9112 §2.2).
    logged(&server, RESTS, 2).await;
    stream.write_all(b"\r\n").await.unwrap();
    sleep(WHILE).await;
    ask(&mut stream).await;
    logged(&server, RESTS, 3).await;
}

#[tokio::test]
async fn a_head_larger_than_what_wakes_it_is_read_whole() {
    let server = start();
    let mut stream = resting(&server).await;
    let head = format!(
        "GET /healthz HTTP/1.1\r\nhost: a\r\na: {}\r\n\r\n",
        "b".repeat(20_000)
    );
    for _ in 0..3 {
        let rests = server.logged(RESTS);
        stream.write_all(head.as_bytes()).await.unwrap();
        let (head, _) = answer(&mut stream).await;
        assert_eq!(status(head.as_bytes()), "200");
        logged(&server, RESTS, rests + 1).await;
    }
}

#[tokio::test]
async fn what_is_pipelined_after_a_rest_is_answered_in_turn() {
    let server = start();
    let mut stream = resting(&server).await;
    let other = b"GET /none HTTP/1.1\r\nhost: a\r\n\r\n";
    let (begin, end) = ASK.split_at(20);
    stream
        .write_all(&[ASK, other, begin].concat())
        .await
        .unwrap();
    for expected in ["200", "404"] {
        let (head, _) = answer(&mut stream).await;
        assert_eq!(status(head.as_bytes()), expected);
    }
    // The third one has begun: there is no rest before it is over.
    logged(&server, HAS_BEGUN, 1).await;
    assert_eq!(server.logged(RESTS), 1);
    stream.write_all(end).await.unwrap();
    let (head, _) = answer(&mut stream).await;
    assert_eq!(status(head.as_bytes()), "200");
    logged(&server, RESTS, 2).await;
}

#[tokio::test]
async fn a_body_whose_end_comes_late_is_awaited() {
    let server = start();
    let mut stream = resting(&server).await;
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
        assert_eq!(server.logged(RESTS), round);
        stream.write_all(end).await.unwrap();
        let (head, _) = answer(&mut stream).await;
        assert_eq!(status(head.as_bytes()), "200");
        logged(&server, RESTS, round + 1).await;
    }
    ask(&mut stream).await;
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_no_request() {
    let server = start();
    let mut stream = resting(&server).await;
    // Refused by its head. What follows is its body, whenever it comes.
    let head = b"POST /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let (head, _) = answer(&mut stream).await;
    assert_eq!(status(head.as_bytes()), "405", "{head}");
    sleep(WHILE).await;
    // It may be closed by now.
    let _ = stream.write_all(&ASK.repeat(3)).await;
    assert!(until_closed(&mut stream).await.is_empty());
}

#[tokio::test]
async fn a_body_that_outlives_its_answer_is_no_request() {
    let tenant = SlowTenant::start().await;
    let origin = tenant.origin();
    let of_tenant = [
        "--upstream",
        &origin,
        "--api-token",
        "t",
        "--signing-key",
        SECRET,
    ];
    let server = Server::start(&[QUICK, &of_tenant].concat(), &[]);
    let ring = Keyring::new(SigningKey::hs256(SECRET).unwrap());
    let tokens = TestTokens::new(&ring).unwrap();
    let token = tokens.valid("6513270e-269e-4d37-b2a7-4de452e6b438");
    let mut stream = connect(&server).await;
    let body = ASK.repeat(3);
    let (begin, end) = body.split_at(ASK.len());
    let head = format!(
        "PUT {MOUNT}/profiles/me HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    // The tenant answers by the head alone.
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(begin).await.unwrap();
    let (head, _) = answer(&mut stream).await;
    assert_eq!(status(head.as_bytes()), "200", "{head}");
    sleep(WHILE).await;
    // It may be closed by now.
    let _ = stream.write_all(end).await;
    let last = b"GET /none HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let _ = stream.write_all(last).await;
    let rest = until_closed(&mut stream).await;
    assert!(["404", ""].contains(&status(&rest)), "{rest:?}");
}

#[tokio::test]
async fn who_leaves_while_it_rests_is_let_go() {
    let server = start();
    let mut stream = resting(&server).await;
    stream.shutdown().await.unwrap();
    assert!(until_closed(&mut stream).await.is_empty());

    // One that leaves with a request has its answer.
    let mut stream = connect(&server).await;
    ask(&mut stream).await;
    logged(&server, RESTS, 2).await;
    let last = b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    stream.write_all(last).await.unwrap();
    assert_eq!(status(&until_closed(&mut stream).await), "200");
}

#[tokio::test]
async fn one_that_rests_for_too_long_is_closed() {
    let flags = [QUICK, &["--idle-timeout", "2s"]].concat();
    let server = Server::start(&flags, &[]);
    let mut stream = resting(&server).await;
    assert!(until_closed(&mut stream).await.is_empty());
    logged(&server, "limit=Idle", 1).await;
}

#[tokio::test]
async fn those_at_rest_end_in_the_orderly_way() {
    let server = start();
    let mut silent = Vec::new();
    for number in 1..=20 {
        let mut stream = connect(&server).await;
        ask(&mut stream).await;
        silent.push(stream);
        logged(&server, RESTS, number).await;
    }
    let mut asking = silent.split_off(10);
    // These have said nothing at all.
    for _ in 0..10 {
        silent.push(connect(&server).await);
    }
    server.signal("TERM");
    for stream in &mut asking {
        stream.write_all(ASK).await.unwrap();
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
async fn line_ends_between_two_requests_keep_nothing_awake() {
    let server = start();
    // Behind a request, as old clients send one behind a body; and to one that rests.
    let mut behind = connect(&server).await;
    behind.write_all(&[ASK, b"\r\n"].concat()).await.unwrap();
    answer(&mut behind).await;
    logged(&server, RESTS, 1).await;
    let mut later = connect(&server).await;
    ask(&mut later).await;
    logged(&server, RESTS, 2).await;
    for stream in [&mut behind, &mut later] {
        stream.write_all(b"\r\n\n").await.unwrap();
        sleep(WHILE).await;
        ask(stream).await;
        stream.write_all(b"\r\n").await.unwrap();
    }
    logged(&server, RESTS, 4).await;
    server.signal("TERM");
    for stream in [&mut behind, &mut later] {
        assert!(until_closed(stream).await.is_empty());
    }
    let ended = server.wait();
    assert_eq!(ended.code, Some(0));
    assert!(!ended.stderr.contains("did not finish"), "{}", ended.stderr);
}

#[tokio::test]
async fn those_at_rest_cost_little() {
    const COUNT: usize = 1_000;
    let server = start();
    let mut warm = connect(&server).await;
    ask(&mut warm).await;
    logged(&server, RESTS, 1).await;
    let before = server.resident();
    let mut streams = Vec::new();
    for _ in 0..COUNT {
        let mut stream = connect(&server).await;
        ask(&mut stream).await;
        streams.push(stream);
    }
    logged(&server, RESTS, COUNT + 1).await;
    let given_back = timeout(PATIENCE, async {
        while server.resident().saturating_sub(before) / COUNT > 8 * 1024 {
            sleep(Duration::from_millis(10)).await;
        }
    });
    given_back.await.expect("what they let go of is kept");
    for stream in &mut streams {
        ask(stream).await;
    }
}

// --- by its timer alone
// ---------------------------------------------------------------------------

const LIMITS: Limits = Limits {
    idle: Duration::from_secs(75),
    header: Duration::from_secs(20),
    write: Duration::from_secs(30),
    drain: Duration::from_secs(10),
    connections: 1,
};

/// What comes of a connection over HTTP/1.1 with one request, whose answer is over. Its body is
/// handed out, for as long as it is kept.
async fn after_one_request(body: &'static str) -> (Arc<ConnectionActivity>, ConnectionTimer, Option<Upload>) {
    let activity = Arc::<ConnectionActivity>::default();
    let timer = ConnectionTimer::new(Arc::clone(&activity), LIMITS);
    let mut upload = None;
    let read = service_fn(|mut request: Request<Full<Bytes>>| {
        upload = request.extensions_mut().remove::<Upload>();
        async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
    });
    let request = Request::new(Full::from(body));
    let answer = TrackedService::new(read, Arc::clone(&activity))
        .call(request)
        .await;
    drop(answer.unwrap());
    (activity, timer, upload)
}

async fn reached(timer: &mut Pin<Box<ConnectionTimer>>) -> Timeout {
    poll_fn(|cx| timer.as_mut().poll_timeout(cx)).await
}

#[tokio::test(start_paused = true)]
async fn it_rests_before_it_is_closed() {
    let (_, timer, upload) = after_one_request("").await;
    assert!(upload.is_none());
    let mut timer = Box::pin(timer);
    assert_eq!(reached(&mut timer).await, Timeout::Buffers);
    assert_eq!(reached(&mut timer).await, Timeout::Idle);
}

#[tokio::test(start_paused = true)]
async fn it_does_not_rest_while_somebody_may_read_its_body_on() {
    let (_, timer, upload) = after_one_request("body").await;
    let mut timer = Box::pin(timer);
    assert!(upload.is_some());
    assert_eq!(reached(&mut timer).await, Timeout::Idle);
    drop(upload);
    assert_eq!(reached(&mut timer).await, Timeout::Buffers);
}

#[tokio::test(start_paused = true)]
async fn nothing_rests_over_http2_or_before_its_first_request() {
    let (activity, timer, _) = after_one_request("").await;
    activity.set_http2();
    assert_eq!(reached(&mut Box::pin(timer)).await, Timeout::Idle);

    let timer = ConnectionTimer::new(Arc::default(), LIMITS);
    assert_eq!(reached(&mut Box::pin(timer)).await, Timeout::Header);
}

/// How long it took, on a clock that stands still otherwise.
async fn took(timer: &mut Pin<Box<ConnectionTimer>>, expected: Timeout) -> Duration {
    let began = Instant::now();
    assert_eq!(reached(timer).await, expected);
    began.elapsed()
}

/// A limit is kept up to a look's delay.
#[track_caller]
fn assert_kept(limit: Duration, took: Duration) {
    let late = Duration::from_millis(20);
    assert!(limit <= took && took <= limit + late, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn the_first_request_may_take_as_long_as_a_head() {
    for is_http2 in [false, true] {
        let activity = Arc::<ConnectionActivity>::default();
        let mut timer = Box::pin(ConnectionTimer::new(Arc::clone(&activity), LIMITS));
        if is_http2 {
            activity.set_http2();
        }
        // Whatever arrives of it.
        activity.record_read(b"G");
        assert_kept(LIMITS.header, took(&mut timer, Timeout::Header).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_is_timed_from_its_first_byte() {
    let (activity, timer, _) = after_one_request("").await;
    let mut timer = Box::pin(timer);
    assert_eq!(reached(&mut timer).await, Timeout::Buffers);
    let idle = timeout(Duration::from_secs(40), reached(&mut timer)).await;
    assert!(idle.is_err(), "{idle:?}");
    // Line ends in front of a head are not one.
    activity.record_read(b"\r\n\r\n");
    let idle = timeout(Duration::from_secs(10), reached(&mut timer)).await;
    assert!(idle.is_err(), "{idle:?}");
    activity.record_read(b"\r\nG");
    assert_kept(LIMITS.header, took(&mut timer, Timeout::Header).await);
}

#[tokio::test(start_paused = true)]
async fn between_two_requests_the_idle_limit_counts_and_no_byte_over_http2_changes_it() {
    for is_http2 in [false, true] {
        let (activity, timer, _) = after_one_request("").await;
        let mut timer = Box::pin(timer);
        if is_http2 {
            activity.set_http2();
            activity.record_read(b"a ping");
        } else {
            assert_eq!(reached(&mut timer).await, Timeout::Buffers);
        }
        let at_look = Duration::from_secs(6);
        let took = took(&mut timer, Timeout::Idle).await;
        assert!(
            LIMITS.idle <= took + at_look && took <= LIMITS.idle + at_look,
            "{took:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_told_to_close_gets_a_second() {
    let (activity, timer, _) = after_one_request("").await;
    activity.set_http2();
    let mut timer = Box::pin(timer);
    timer.as_mut().close();
    assert_kept(
        Duration::from_secs(1),
        took(&mut timer, Timeout::Idle).await,
    );
}

#[test]
fn connections_look_at_the_same_moments_and_never_late() {
    let epoch = Instant::now();
    for wait in [1, 4, 25, 1000, 5000, 18_750].map(Duration::from_millis) {
        let early = |passed| {
            let now = epoch + Duration::from_micros(passed);
            let at = next_check(now, wait, epoch);
            assert!(now < at && at <= now + wait, "{wait:?} after {passed}");
            now + wait - at
        };
        let longest = (0..200_000).step_by(77).map(early).max().unwrap();
        assert!(longest <= (wait / 4).max(Duration::from_millis(1)));
    }
    let wait = Duration::from_secs(5);
    let at = |passed| next_check(epoch + Duration::from_millis(passed), wait, epoch);
    assert_eq!(at(201), at(299));
    assert_ne!(at(199), at(201));
}

#[test]
fn a_preface_is_told_by_its_last_byte() {
    for length in 0..PREFACE.len() {
        let (begin, rest) = PREFACE.split_at(length);
        assert_eq!(Protocol::detect(begin), None);
        let other = [begin, &[!rest[0]]].concat();
        assert_eq!(Protocol::detect(&other), Some(Protocol::Http1));
    }
    assert_eq!(Protocol::detect(PREFACE), Some(Protocol::Http2));
    let more = [PREFACE, &frame(4, 0, 0, &[])].concat();
    assert_eq!(Protocol::detect(&more), Some(Protocol::Http2));
}

// --- told apart
// -----------------------------------------------------------------------------------

#[tokio::test]
async fn a_preface_that_comes_byte_by_byte_is_one() {
    let server = start();
    let mut stream = connect(&server).await;
    for byte in PREFACE {
        stream.write_all(&[*byte]).await.unwrap();
        sleep(Duration::from_millis(2)).await;
    }
    let request = [frame(4, 0, 0, &[]), frame(1, 5, 1, HEALTH)].concat();
    stream.write_all(&request).await.unwrap();
    let headers = timeout(PATIENCE, async {
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.unwrap();
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length.try_into().unwrap()];
            stream.read_exact(&mut payload).await.unwrap();
            if head[3] == 1 {
                return payload;
            }
        }
    });
    // `:status: 200`
    assert_eq!(headers.await.expect("no answer")[0], 0x88);
}

#[tokio::test]
async fn what_only_begins_like_a_preface_is_http1() {
    let server = start();
    for (request, expected) in [
        ("PUT /none HTTP/1.1\r\nhost: a\r\n\r\n", "404"),
        ("PRI /none HTTP/1.1\r\nhost: a\r\n\r\n", "404"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\rX", "400"),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03", "400"),
    ] {
        for size in [1, 3, request.len()] {
            let mut stream = connect(&server).await;
            for piece in request.as_bytes().chunks(size) {
                // It may be refused before all is written.
                let _ = stream.write_all(piece).await;
                sleep(Duration::from_millis(1)).await;
            }
            let mut all = [0; 12];
            let read = timeout(PATIENCE, stream.read_exact(&mut all)).await;
            if let Err(error) = read.expect("no answer") {
                panic!("{request:?} by {size}: {error}");
            }
            assert_eq!(status(&all), expected, "{request:?} by {size}");
        }
    }
}

#[tokio::test]
async fn an_upgrade_is_not_taken() {
    let server = start();
    let mut stream = connect(&server).await;
    let request = b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\n\
        upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n";
    for round in 1..=3 {
        stream.write_all(request).await.unwrap();
        let (head, _) = answer(&mut stream).await;
        assert_eq!(status(head.as_bytes()), "200");
        logged(&server, RESTS, round).await;
    }
}
