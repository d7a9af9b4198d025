//! Floods of requests, frames and connections: the server stops or bounds each one.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::abuse::{RegularClient, start};
use crate::process::{MOUNT, Server};
use crate::raw_client::{
    HEADERS, PATIENCE, PREFACE, SANDBOX_TOKEN, connect, frame, status, until_closed,
};

#[tokio::test]
async fn heads_and_targets_are_limited() {
    let server = start(&[]);
    let regular = RegularClient::start(&server).await;
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
        // The connection may be closed before all is written.
        let _ = stream.write_all(request.as_bytes()).await;
        let answer = until_closed(&mut stream).await;
        // Empty if a reset overtook the response.
        let status = status(&answer);
        let case = &request[..request.len().min(60)];
        assert!(
            status == expected || status == "431" || status.is_empty(),
            "{case:?}: {status}"
        );
    }
    regular.finish().await;
}

#[tokio::test]
async fn pipelined_requests_are_served_in_order() {
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
async fn half_closed_connections_are_closed() {
    let server = start(&[]);
    let regular = RegularClient::start(&server).await;
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
    regular.finish().await;
}

/// Connects, and sends the preface, an empty SETTINGS frame and these frames.
async fn connect_http2(server: &Server, frames: &[u8]) -> TcpStream {
    let mut stream = connect(server).await;
    let bytes = [PREFACE, &frame(4, 0, 0, &[]), frames].concat();
    stream.write_all(&bytes).await.unwrap();
    stream
}

/// Writes these frames after the preface until the server closes the connection, which it must do.
async fn flood(server: &Arc<Server>, first: Vec<u8>, next: impl Fn(u32) -> Vec<u8>) {
    let regular = RegularClient::start(server).await;
    let stream = connect_http2(server, &first).await;
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
    stopped.await.expect("the flood is not stopped");
    drain.await.unwrap();
    regular.finish().await;
}

#[tokio::test]
async fn rapid_resets_close_the_connection() {
    let server = start(&[]);
    flood(&server, Vec::new(), |number| {
        let stream = number * 2 + 1;
        let reset = frame(3, 0, stream, &[0, 0, 0, 8]);
        [frame(1, 5, stream, HEADERS), reset].concat()
    })
    .await;
}

#[tokio::test]
async fn streams_that_force_server_resets_close_the_connection() {
    let server = start(&[]);
    // A window that overflows (RFC 9113 §6.9.1): MadeYouReset.
    flood(&server, Vec::new(), |number| {
        let stream = number * 2 + 1;
        let window_update = frame(8, 0, stream, &[0x7f, 0xff, 0xff, 0xff]);
        [frame(1, 4, stream, HEADERS), window_update].concat()
    })
    .await;
}

#[tokio::test]
async fn an_endless_head_closes_the_connection() {
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
async fn invalid_frames_close_the_connection() {
    let server = start(&[]);
    // A frame that is too large, DATA without a stream, a window increment of zero.
    flood(&server, Vec::new(), |_| frame(0, 0, 1, &[0; 20_000])).await;
    flood(&server, Vec::new(), |_| frame(0, 0, 5, &[])).await;
    flood(&server, Vec::new(), |_| frame(8, 0, 0, &[0; 4])).await;
}

/// Sends frames that the server answers or ignores. Its memory must not grow.
async fn assert_bounded_memory(server: &Arc<Server>, first: Vec<u8>, next: Vec<u8>, reads: bool) {
    let regular = RegularClient::start(server).await;
    let stream = connect_http2(server, &first).await;
    let before = server.resident();
    let (mut read, mut write) = stream.into_split();
    let drain = tokio::spawn(async move {
        let mut piece = [0; 4_096];
        while reads && read.read(&mut piece).await.is_ok_and(|count| count > 0) {}
        // Keeps the connection open without reading.
        if !reads {
            tokio::time::sleep(PATIENCE).await;
        }
        drop(read);
    });
    let frames = next.repeat(1_000);
    for _ in 0..300 {
        // The server may close the connection, or stop reading.
        let wrote = timeout(Duration::from_secs(10), write.write_all(&frames)).await;
        if !matches!(wrote, Ok(Ok(()))) {
            break;
        }
    }
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more");
    regular.finish().await;
    drain.abort();
}

#[tokio::test]
async fn pings_settings_and_empty_data_do_not_grow_the_memory() {
    let server = start(&[]);
    for reads in [true, false] {
        assert_bounded_memory(&server, Vec::new(), frame(6, 0, 0, &[0; 8]), reads).await;
        assert_bounded_memory(
            &server,
            Vec::new(),
            frame(4, 0, 0, &[0, 3, 0, 0, 0, 1]),
            reads,
        )
        .await;
        assert_bounded_memory(&server, Vec::new(), frame(2, 0, 1, &[0; 5]), reads).await;
        // On a stream after its head.
        assert_bounded_memory(&server, frame(1, 4, 1, HEADERS), frame(0, 0, 1, &[]), reads).await;
    }
}

#[tokio::test]
async fn streams_above_the_limit_are_refused() {
    let server = start(&[]);
    let regular = RegularClient::start(&server).await;
    let mut heads = Vec::new();
    // Requests whose body does not end: each occupies a stream.
    for number in 0..200 {
        heads.extend(frame(1, 4, number * 2 + 1, HEADERS));
    }
    let mut stream = connect_http2(&server, &heads).await;
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
    regular.finish().await;
}

#[tokio::test]
async fn connections_above_the_limit_wait() {
    let server = start(&["--max-connections", "10"]);
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(connect(&server).await);
    }
    // Served once the timeout has closed the others.
    let answer = timeout(PATIENCE, server.get("/healthz")).await;
    assert_eq!(answer.expect("the request is not served").status(), 200);
    for stream in &mut held {
        until_closed(stream).await;
    }
}

#[tokio::test]
async fn concurrent_sign_ups_of_one_address_succeed() {
    let server = start(&[]);
    let regular = RegularClient::start(&server).await;
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
    regular.finish().await;
}
