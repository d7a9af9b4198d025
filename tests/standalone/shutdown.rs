//! The graceful shutdown after SIGTERM and SIGINT.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::http2_frames::Frames;
use crate::process::{MOUNT, SECRET, Server, get_as};
use crate::raw_client::until_closed;
use crate::tenant::SlowTenant;

#[test]
fn both_signals_end_the_server_with_code_0() {
    for signal in ["TERM", "INT"] {
        let server = Server::start(&[], &[]);
        server.signal(signal);
        let ended = server.wait();
        assert_eq!(ended.code, Some(0), "{signal}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn a_request_in_flight_is_served_before_the_end() {
    let tenant = SlowTenant::start().await;
    let server = tenant.server(&[]);
    let token = server.mint("t", "{}").await;
    let address = server.address;
    let request = server.send(get_as(&token, &format!("{MOUNT}/locations")));
    let shutdown = async {
        tenant.requested.notified().await;
        server.signal("TERM");
        // New connections are refused while the request is in flight.
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        tenant.respond.notify_one();
    };
    let (response, ()) = tokio::join!(request, shutdown);
    assert_eq!(response.status(), 200);
    assert_eq!(server.wait().code, Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_the_server_at_once() {
    let tenant = SlowTenant::start().await;
    let server = tenant.server(&[]);
    let token = server.mint("t", "{}").await;
    let address = server.address;
    let request = get_as(&token, &format!("{MOUNT}/locations"));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "GET {} HTTP/1.1\r\nhost: {address}\r\nauthorization: {}\r\n\r\n",
        request.uri(),
        request.headers()["authorization"].to_str().unwrap(),
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    tenant.requested.notified().await;
    server.signal("TERM");
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    server.signal("INT");
    let ended = server.wait();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("second signal"), "{}", ended.stderr);
}

/// Counts served and lost requests.
#[derive(Default)]
struct Tally {
    served: AtomicUsize,
    lost: AtomicUsize,
}

impl Tally {
    fn served(&self) {
        self.served.fetch_add(1, Ordering::SeqCst);
    }

    /// Counts a request as lost, unless it was not sent or is above the last stream of a GOAWAY
    /// without error.
    fn lost<T>(&self, mut error: hyper::client::conn::TrySendError<T>) {
        let unsent = error.take_message().is_some();
        let error = error.into_error();
        let source = error
            .source()
            .and_then(|source| source.downcast_ref::<h2::Error>());
        let is_refused = source
            .is_some_and(|error| error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR));
        if !unsent && !is_refused {
            eprintln!("lost: {error:?}");
            self.lost.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn profile(server: &Server, token: &str, absolute: bool) -> Request<Full<Bytes>> {
    let address = server.address;
    let mut request = get_as(token, &format!("{MOUNT}/profiles/me"));
    if absolute {
        let uri = format!("http://{address}{}", request.uri());
        *request.uri_mut() = uri.parse().unwrap();
    } else {
        let host = address.to_string().parse().unwrap();
        request.headers_mut().insert("host", host);
    }
    request
}

/// Sends requests over one connection until it closes.
async fn over_http1(server: Arc<Server>, token: String, tally: Arc<Tally>) {
    let io = TokioIo::new(TcpStream::connect(server.address).await.unwrap());
    let (mut sender, connection) = http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    while sender.ready().await.is_ok() {
        match sender
            .try_send_request(profile(&server, &token, false))
            .await
        {
            Ok(answer) => {
                assert_eq!(answer.status(), 200);
                answer
                    .into_body()
                    .collect()
                    .await
                    .expect("the complete response");
                tally.served();
            }
            Err(error) => return tally.lost(error),
        }
    }
}

async fn over_http2(server: Arc<Server>, token: String, tally: Arc<Tally>) {
    let io = TokioIo::new(TcpStream::connect(server.address).await.unwrap());
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let streams: Vec<_> = (0..4)
        .map(|_| {
            let (mut sender, tally) = (sender.clone(), Arc::clone(&tally));
            let (server, token) = (Arc::clone(&server), token.clone());
            tokio::spawn(async move {
                while sender.ready().await.is_ok() {
                    match sender
                        .try_send_request(profile(&server, &token, true))
                        .await
                    {
                        Ok(answer) => {
                            assert_eq!(answer.status(), 200);
                            let whole = answer.into_body().collect().await;
                            whole.expect("the complete response");
                            tally.served();
                        }
                        Err(error) => return tally.lost(error),
                    }
                }
            })
        })
        .collect();
    drop(sender);
    for stream in streams {
        stream.await.unwrap();
    }
}

#[tokio::test]
async fn no_request_is_lost_under_load() {
    let ada = r#"{"id":"6513270e-269e-4d37-b2a7-4de452e6b438"}"#;
    for round in 0..3 {
        let flags = [
            "--sandbox",
            "--signing-key",
            SECRET,
            "--threads",
            "3",
            "--log",
            "warn",
        ];
        let server = Arc::new(Server::start(&flags, &[]));
        let token = server.mint("sandbox-api-token", ada).await;
        let tally = Arc::new(Tally::default());
        let mut clients = Vec::new();
        for _ in 0..8 {
            let client = over_http1(Arc::clone(&server), token.clone(), Arc::clone(&tally));
            clients.push(tokio::spawn(client));
            let client = over_http2(Arc::clone(&server), token.clone(), Arc::clone(&tally));
            clients.push(tokio::spawn(client));
        }
        while tally.served.load(Ordering::SeqCst) < 300 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.signal("TERM");
        for client in clients {
            client.await.unwrap();
        }
        assert_eq!(tally.lost.load(Ordering::SeqCst), 0, "round {round}");
        assert!(TcpStream::connect(server.address).await.is_err());
        let ended = Arc::into_inner(server).unwrap().wait();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(!ended.stderr.contains("did not finish"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn connections_in_the_accept_queue_are_served_before_the_end() {
    let server = Server::start(&["--max-connections", "1"], &[]);
    let mut first = TcpStream::connect(server.address).await.unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    first.write_all(request).await.unwrap();
    let mut answer = [0; 12];
    first.read_exact(&mut answer).await.unwrap();
    // Above the limit: only the kernel accepts these connections.
    let mut queue = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        queue.push(stream);
    }
    server.signal("TERM");
    for mut stream in queue {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
        assert!(answer.contains("connection: close"), "{answer:?}");
    }
    assert_eq!(server.wait().code, Some(0));
}

#[tokio::test]
async fn the_drain_timeout_bounds_the_shutdown() {
    let tenant = SlowTenant::start().await;
    let server = tenant.server(&["--drain-timeout", "100ms"]);
    let token = server.mint("t", "{}").await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "GET {MOUNT}/locations HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    tenant.requested.notified().await;
    let ended = server.terminate();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("did not finish"), "{}", ended.stderr);
}

/// Timeouts that exceed the runtime of a test: a connection that waits for one fails the test.
const LONG: [&str; 4] = ["--drain-timeout", "1h", "--header-timeout", "1h"];

#[tokio::test]
async fn an_idle_http2_connection_gets_a_goaway_and_is_closed() {
    for (has_request, acks) in [(true, true), (false, true), (true, false), (false, false)] {
        let server = Server::start(&LONG, &[]);
        let mut http2 = Frames::connect(server.address).await;
        http2.acks = acks;
        if has_request {
            http2.get_health().await;
        } else {
            // The SETTINGS are acknowledged: the server has read the preface.
            while http2.read().await.expect("SETTINGS").flags == 0 {}
        }
        server.signal("TERM");
        let goaways = http2.until_closed().await;
        // The second GOAWAY has the last stream id, after an acknowledgement of the first one.
        let expected = if acks { 2 } else { 1 };
        assert_eq!(goaways, vec![0; expected], "{has_request} {acks}");
        let ended = server.wait();
        assert_eq!(ended.code, Some(0));
        assert!(!ended.stderr.contains("did not finish"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn an_unfinished_head_does_not_delay_the_shutdown() {
    let server = Server::start(&LONG, &[]);
    let mut streams = Vec::new();
    for begin in [&b""[..], b"GET / HTTP/1.1\r\na: b"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(begin).await.unwrap();
        streams.push(stream);
    }
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let requests = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\nGET / HT";
    stream.write_all(requests).await.unwrap();
    streams.push(stream);
    server.signal("TERM");
    for stream in &mut streams {
        until_closed(stream).await;
    }
    let ended = server.wait();
    assert_eq!(ended.code, Some(0));
    assert!(!ended.stderr.contains("did not finish"), "{}", ended.stderr);
}
