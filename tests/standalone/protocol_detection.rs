//! HTTP/1.1 and HTTP/2 on one port without TLS.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use crate::idle_connections::{FREED, start};
use crate::raw_client::{HEALTH, PATIENCE, PREFACE, connect, frame, logged, read_response, status};
use crate::server::protocol_detection::Protocol;

#[test]
fn a_preface_is_detected_by_its_last_byte() {
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

#[tokio::test]
async fn a_preface_in_single_bytes_is_detected() {
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
    assert_eq!(headers.await.expect("no response")[0], 0x88);
}

#[tokio::test]
async fn a_partial_preface_is_http1() {
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
                // The server may reject it before all is written.
                let _ = stream.write_all(piece).await;
                sleep(Duration::from_millis(1)).await;
            }
            let mut all = [0; 12];
            let read = timeout(PATIENCE, stream.read_exact(&mut all)).await;
            if let Err(error) = read.expect("no response") {
                panic!("{request:?} by {size}: {error}");
            }
            assert_eq!(status(&all), expected, "{request:?} by {size}");
        }
    }
}

#[tokio::test]
async fn an_upgrade_to_h2c_is_ignored() {
    let server = start();
    let mut stream = connect(&server).await;
    let request = b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\n\
        upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n";
    for round in 1..=3 {
        stream.write_all(request).await.unwrap();
        let (head, _) = read_response(&mut stream).await;
        assert_eq!(status(head.as_bytes()), "200");
        logged(&server, FREED, round).await;
    }
}
