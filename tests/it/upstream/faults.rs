//! Tenants that fail, each in its own way: the right answer, and no harm to the next request.

use std::time::Duration;

use http::{Request, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use omneo_id::upstream::{ClientError, HttpClient};
use omneo_id::{Body, RejectionKind, Upstream};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tower::{ServiceExt, service_fn};

use super::support::{cause, get, kind, permitted, tenant, tenant_at, text};
use super::tenants::{BOTH, Protocol, connections, raw, read_head, settle, upstream_to};

/// An address that nobody listens on.
async fn deserted() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn a_tenant_that_refuses_connections_is_unreachable() {
    let origin = deserted().await;
    for protocol in BOTH {
        let response = upstream_to(&origin, protocol)
            .oneshot(get("/x"))
            .await
            .unwrap();
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
async fn a_name_that_does_not_exist_is_unreachable() {
    let client = HttpClient::new().unwrap();
    let upstream = Upstream::new(client, tenant_at("https://api.acme.invalid"));
    let response = upstream.oneshot(get("/x")).await.unwrap();
    assert_eq!(kind(&response), RejectionKind::TenantUnreachable);
}

#[tokio::test]
async fn a_tenant_that_speaks_no_tls_is_unreachable() {
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
async fn a_connection_that_is_never_made_times_out() {
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
async fn a_broken_answer_is_none() {
    let flood = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(2 << 20));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(1_000));
    for answer in [
        "",
        "hello\r\n\r\n",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\ncontent-length: 5",
        "HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        "HTTP/1.1 99 Odd\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx y: z\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        &flood,
        &many,
    ] {
        let origin = raw(answer.to_owned(), true).await;
        let response = upstream_to(&origin, Protocol::Http1)
            .oneshot(get("/x"))
            .await
            .unwrap();
        let said: String = answer.chars().take(60).collect();
        assert_eq!(kind(&response), RejectionKind::TenantAnswer, "{said:?}");
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    }
}

#[tokio::test]
async fn a_change_of_protocol_that_nobody_asked_for_is_none() {
    let origin = raw(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        false,
    )
    .await;
    let request = permitted(Request::get("/x"))
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .body(Body::empty())
        .unwrap();
    let response = upstream_to(&origin, Protocol::Http1)
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(kind(&response), RejectionKind::TenantAnswer);
}

#[tokio::test]
async fn a_body_that_is_cut_short_breaks_off() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
    ] {
        let origin = raw(answer, true).await;
        let response = upstream_to(&origin, Protocol::Http1)
            .oneshot(get("/x"))
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        let mut body = response.into_body();
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            "hello"
        );
        assert!(body.frame().await.unwrap().is_err(), "{answer}");
    }
}

#[tokio::test]
async fn a_second_answer_to_one_request_answers_no_other() {
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
async fn a_connection_that_was_closed_while_idle_harms_no_request() {
    let origin = connections(|mut stream| async move {
        read_head(&mut stream).await.unwrap();
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        stream.write_all(answer).await.unwrap();
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
async fn a_request_that_was_sent_is_not_sent_again() {
    let (heads, mut seen) = tokio::sync::mpsc::channel(8);
    let origin = connections(move |mut stream| {
        let heads = heads.clone();
        async move {
            // Takes the second request on a connection, and closes without a word.
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            for answer in [&answer[..], b""] {
                let Some(head) = read_head(&mut stream).await else {
                    return;
                };
                heads.send(head).await.unwrap();
                stream.write_all(answer).await.unwrap();
            }
        }
    })
    .await;
    let upstream = upstream_to(&origin, Protocol::Http1);
    let post = || permitted(Request::post("/x")).body(Body::empty()).unwrap();
    let first = upstream.clone().oneshot(post()).await.unwrap();
    assert_eq!(text(first).await, "ok");
    let second = upstream.clone().oneshot(post()).await.unwrap();
    assert_eq!(kind(&second), RejectionKind::TenantAnswer);
    settle().await;
    drop(upstream);
    let mut sent = 0;
    while seen.try_recv().is_ok() {
        sent += 1;
    }
    assert_eq!(sent, 2);
}

#[tokio::test]
async fn a_tenant_that_comes_back_is_reached_at_once() {
    let origin = deserted().await;
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
