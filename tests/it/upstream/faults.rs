//! Failures of the tenant: the status of each, and no effect on the next request.

use std::time::Duration;

use http::{Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use omneo_id::client::{ClientError, HttpClient};
use omneo_id::{Body, RejectionKind, Upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tower::{ServiceExt, service_fn};

use super::support::{cause, data, frames, get, kind, permitted, send, tenant, text};
use super::tenants::{
    BOTH, Protocol, connections, forward_get, frame, raw, read_head, settle, upstream_to,
};

/// An address without a listener.
async fn unused_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn a_tenant_that_refuses_connections_is_unreachable() {
    let origin = unused_address().await;
    for protocol in BOTH {
        let response = forward_get(&origin, protocol).await;
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
        assert_eq!(
            kind(&response),
            RejectionKind::TenantUnreachable,
            "{protocol:?}"
        );
        let source = std::error::Error::source(cause(&response)).unwrap();
        assert!(source.downcast_ref::<ClientError>().unwrap().is_connect());
    }
}

#[tokio::test]
async fn an_unknown_host_name_is_unreachable() {
    let connector = service_fn(|_: Uri| async {
        Err::<TokioIo<TcpStream>, _>(std::io::Error::other(
            "failed to lookup address information",
        ))
    });
    let client = HttpClient::builder().build_with_connector(connector);
    let response = Upstream::new(client, tenant())
        .oneshot(get("/x"))
        .await
        .unwrap();
    assert_eq!(kind(&response), RejectionKind::TenantUnreachable);
}

#[tokio::test]
async fn a_tenant_without_tls_is_unreachable() {
    let origin = connections(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await
    .replace("http:", "https:");
    let upstream = upstream_to(&origin, Protocol::Http1);
    let response = upstream.oneshot(get("/x")).await.unwrap();
    assert_eq!(kind(&response), RejectionKind::TenantUnreachable);
}

#[tokio::test(start_paused = true)]
async fn a_connect_attempt_times_out() {
    let connector = service_fn(|_: Uri| async {
        std::future::pending::<Result<TokioIo<TcpStream>, std::io::Error>>().await
    });
    let client = HttpClient::builder().build_with_connector(connector);
    let start = Instant::now();
    let response = Upstream::new(client, tenant())
        .oneshot(get("/x"))
        .await
        .unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    assert_eq!(kind(&response), RejectionKind::TenantTimeout);
}

#[tokio::test]
async fn a_malformed_response_is_a_bad_gateway() {
    let flood = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(2 << 20));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(1_000));
    for tenant_response in [
        "",
        "hello\r\n\r\n",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\ncontent-length: 5",
        "HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        "HTTP/1.1 99 Odd\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx y: z\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nconnection: a b\r\ncontent-length: 0\r\n\r\n",
        &flood,
        &many,
    ] {
        let origin = raw(tenant_response.to_owned(), true).await;
        let response = forward_get(&origin, Protocol::Http1).await;
        let prefix: String = tenant_response.chars().take(60).collect();
        assert_eq!(kind(&response), RejectionKind::TenantAnswer, "{prefix:?}");
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    }
}

/// Sends an empty SETTINGS frame, and these frames once the request has been sent.
async fn respond_with_frames(stream: &mut TcpStream, frames: &[u8]) {
    let settings = frame(4, 0, 0, &[]);
    let _ = stream.write_all(&settings).await;
    // The preface is followed by the frames of the request.
    let mut read = [0; 4096];
    let _ = stream.read(&mut read).await;
    settle().await;
    let _ = stream.write_all(frames).await;
}

#[tokio::test]
async fn an_http2_connection_error_is_a_bad_gateway() {
    let (rst, goaway, headers) = (3, 7, 1);
    let end_of_headers = 4;
    for (name, tenant_response) in [
        ("internal error", frame(rst, 0, 1, &[0, 0, 0, 2])),
        ("refused", frame(rst, 0, 1, &[0, 0, 0, 7])),
        ("going away", frame(goaway, 0, 0, &[0; 8])),
        (
            "enhance your calm",
            frame(goaway, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 11]),
        ),
        ("no status", frame(headers, end_of_headers, 1, &[])),
        (
            "no compression",
            frame(headers, end_of_headers, 1, &[0xff, 0xff, 0xff, 0xff]),
        ),
        ("silence", Vec::new()),
    ] {
        let origin = connections(move |mut stream| {
            let tenant_response = tenant_response.clone();
            async move {
                respond_with_frames(&mut stream, &tenant_response).await;
                settle().await;
            }
        })
        .await;
        let upstream = upstream_to(&origin, Protocol::Http2);
        let response = upstream.oneshot(get("/x")).await.unwrap();
        assert_eq!(kind(&response), RejectionKind::TenantAnswer, "{name}");
    }
}

#[tokio::test]
async fn interim_responses_over_http2_are_ignored() {
    let (data, headers) = (0, 1);
    let (end_of_stream, end_of_headers) = (1, 4);
    let interim = |status: &[u8; 3]| [&[0x08, 3][..], status].concat();
    let tenant_response = [
        frame(headers, end_of_headers, 1, &interim(b"100")),
        frame(headers, end_of_headers, 1, &interim(b"103")),
        frame(headers, end_of_headers, 1, &[0x88]),
        frame(data, end_of_stream, 1, b"ok"),
    ]
    .concat();
    let origin = connections(move |mut stream| {
        let tenant_response = tenant_response.clone();
        async move {
            respond_with_frames(&mut stream, &tenant_response).await;
            let mut read = [0; 4096];
            while stream.read(&mut read).await.is_ok_and(|length| length > 0) {}
        }
    })
    .await;
    let upstream = upstream_to(&origin, Protocol::Http2);
    let response = upstream.oneshot(get("/x")).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(text(response).await, "ok");
}

#[tokio::test]
async fn an_http2_tenant_with_a_closed_window_times_out() {
    let origin = connections(|mut stream| async move {
        // An initial window of zero, never opened.
        let window = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
        let _ = stream.write_all(&window).await;
        let mut read = [0; 4096];
        while stream.read(&mut read).await.is_ok_and(|read| read > 0) {}
    })
    .await;
    let upstream = upstream_to(&origin, Protocol::Http2).with_head_timeout(SOON);
    let request = permitted(Request::put("/x"));
    let request = request
        .body(Body::from(bytes::Bytes::from_static(b"body")))
        .unwrap();
    let response = upstream.oneshot(request).await.unwrap();
    assert_eq!(kind(&response), RejectionKind::TenantTimeout);
}

#[tokio::test]
async fn an_unsolicited_protocol_switch_is_a_bad_gateway() {
    let origin = raw(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        false,
    )
    .await;
    let response = forward_get(&origin, Protocol::Http1).await;
    assert_eq!(kind(&response), RejectionKind::TenantAnswer);
}

#[tokio::test]
async fn a_truncated_response_body_is_an_error() {
    for tenant_response in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
    ] {
        let origin = raw(tenant_response, true).await;
        let response = forward_get(&origin, Protocol::Http1).await;
        assert_eq!(response.status(), 200);
        let mut body = response.into_body();
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            "hello"
        );
        assert!(body.frame().await.unwrap().is_err(), "{tenant_response}");
    }
}

/// No part of the response has been forwarded, so it can still be replaced.
#[tokio::test]
async fn a_body_that_fails_with_its_head_is_a_bad_gateway() {
    for chunk in [
        "zz\r\n",
        "-1\r\n",
        "5x\r\nhello\r\n",
        "ffffffffffffffffff\r\n",
        "5\n\nhello",
    ] {
        let tenant_response =
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunk}");
        let origin = raw(tenant_response, false).await;
        let response = forward_get(&origin, Protocol::Http1).await;
        assert_eq!(kind(&response), RejectionKind::TenantAnswer, "{chunk:?}");
        assert_eq!(response.status(), 502, "{chunk:?}");
    }

    let (settings, rst, headers, goaway, end_of_headers) = (4, 3, 1, 7, 4);
    let head = frame(headers, end_of_headers, 1, &[0x88]);
    for (name, failure) in [
        ("internal error", frame(rst, 0, 1, &[0, 0, 0, 2])),
        ("no error", frame(rst, 0, 1, &[0, 0, 0, 0])),
        (
            "protocol error",
            frame(goaway, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 1]),
        ),
    ] {
        let tenant_response = [head.clone(), failure].concat();
        let origin = connections(move |mut stream| {
            let tenant_response = tenant_response.clone();
            async move {
                stream.write_all(&frame(settings, 0, 0, &[])).await.unwrap();
                // The preface is followed by the frames of the request.
                let mut read = [0; 4096];
                let _ = stream.read(&mut read).await;
                settle().await;
                stream.write_all(&tenant_response).await.unwrap();
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            }
        })
        .await;
        let response = forward_get(&origin, Protocol::Http2).await;
        assert_eq!(response.status(), 502, "{name}");
    }
}

#[tokio::test]
async fn a_body_of_any_client_that_fails_with_its_head_is_a_bad_gateway() {
    let (response, _) = send(get("/x"), || Response::new(frames([Err("reset".into())]))).await;
    assert_eq!(kind(&response), RejectionKind::TenantAnswer);
    assert_eq!(
        cause(&response).to_string(),
        "the tenant's response is malformed"
    );
    // The first frame is forwarded, so the error after it is an error of the body.
    let (response, _) = send(get("/x"), || {
        Response::new(frames([data("a"), Err("reset".into())]))
    })
    .await;
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "a");
    assert!(body.frame().await.unwrap().is_err());
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn chunked_framing_overrides_a_content_length() {
    let tenant_response = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\
                  transfer-encoding: chunked\r\n\r\n\
                  5\r\nhello\r\n0\r\n\r\n";
    let origin = raw(tenant_response, false).await;
    let response = forward_get(&origin, Protocol::Http1).await;
    assert!(!response.headers().contains_key("content-length"));
    assert_eq!(text(response).await, "hello");
}

/// Real time, because sockets do not use tokio's paused clock. Short, to keep the test fast.
const SOON: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_flood_of_interim_responses_is_rejected() {
    let origin = connections(|mut stream| async move {
        read_head(&mut stream).await.unwrap();
        while stream
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
            .await
            .is_ok()
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let upstream = upstream_to(&origin, Protocol::Http1).with_head_timeout(SOON);
    let response = upstream.oneshot(get("/x")).await.unwrap();
    assert_eq!(kind(&response), RejectionKind::TenantTimeout);
}

#[tokio::test]
async fn a_timed_out_call_closes_its_connection() {
    let (closed, mut over) = tokio::sync::mpsc::channel(1);
    let origin = connections(move |mut stream| {
        let closed = closed.clone();
        async move {
            read_head(&mut stream).await.unwrap();
            closed.send(read_head(&mut stream).await).await.unwrap();
        }
    })
    .await;
    let upstream = upstream_to(&origin, Protocol::Http1).with_head_timeout(SOON);
    let response = upstream.oneshot(get("/x")).await.unwrap();
    assert_eq!(kind(&response), RejectionKind::TenantTimeout);
    assert_eq!(over.recv().await.unwrap(), None);
}

#[tokio::test]
async fn a_surplus_response_is_not_used_for_the_next_request() {
    let two = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1\
               HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nother";
    let origin = raw(two, false).await;
    let upstream = upstream_to(&origin, Protocol::Http1);
    for _ in 0..5 {
        let response = upstream.clone().oneshot(get("/x")).await.unwrap();
        assert_eq!(text(response).await, "1");
        settle().await;
    }
}

#[tokio::test]
async fn a_connection_closed_while_idle_does_not_fail_a_request() {
    let origin = connections(|mut stream| async move {
        read_head(&mut stream).await.unwrap();
        let tenant_response = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        stream.write_all(tenant_response).await.unwrap();
    })
    .await;
    let upstream = upstream_to(&origin, Protocol::Http1);
    for _ in 0..5 {
        let request = permitted(Request::post("/x")).body(Body::empty()).unwrap();
        let response = upstream.clone().oneshot(request).await.unwrap();
        assert_eq!(text(response).await, "ok");
        settle().await;
    }
}

#[tokio::test]
async fn a_restarted_tenant_is_reachable_at_once() {
    let origin = unused_address().await;
    let upstream = upstream_to(&origin, Protocol::Http1);
    let response = upstream.clone().oneshot(get("/x")).await.unwrap();
    assert_eq!(kind(&response), RejectionKind::TenantUnreachable);

    let listener = TcpListener::bind(origin.trim_start_matches("http://"))
        .await
        .unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .await
            .unwrap();
    });
    assert_eq!(upstream.oneshot(get("/x")).await.unwrap().status(), 204);
}
