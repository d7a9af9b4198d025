//! From socket to socket: each protocol of the client, combined with each of the tenant.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use omneo_id::Body;
use omneo_id::upstream::Forwarding;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::host::{Client, host, serve_upstream, ways, with_timeout};
use super::support::{data, fed, frames, trailers};
use super::tenants::{BOTH, Protocol, raw, read_head, serve, upstream_to};

/// A request that accepts trailers, in the form of each protocol.
fn accepts_trailers(protocol: Protocol) -> http::request::Builder {
    let request = Request::put("/").header("te", "trailers");
    match protocol {
        Protocol::Http1 => request.header("connection", "te"),
        Protocol::Http2 => request,
    }
}

#[tokio::test]
async fn request_trailers_are_dropped_and_response_trailers_are_forwarded() {
    let (requests, mut received) = mpsc::channel(1);
    let origin = serve(move |request: Request<Incoming>| {
        let requests = requests.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap();
            let trailers_seen = body.trailers().cloned();
            let sent = (parts.headers, body.to_bytes(), trailers_seen);
            requests.send(sent).await.unwrap();
            let last = [("x-checksum", "abc"), ("x-status", "0")];
            let tenant_response = Response::builder().header("trailer", "x-checksum, x-status");
            tenant_response
                .body(frames([data("a response"), trailers(&last)]))
                .unwrap()
        }
    })
    .await;
    for (down, up) in ways() {
        let case = format!("{down:?} to {up:?}");
        let client = Client::connect(&host(&origin, up).await, down).await;
        let request = accepts_trailers(down).header("trailer", "x-admin");
        let body = frames([data("a "), data("body"), trailers(&[("x-admin", "1")])]);
        let response = with_timeout(&case, client.send(request, body))
            .await
            .unwrap();
        let body = with_timeout(&case, response.into_body().collect())
            .await
            .unwrap();
        let last: &HeaderMap = body.trailers().expect(&case);
        assert_eq!(last.len(), 2, "{case}");
        assert_eq!(last["x-checksum"], "abc", "{case}");
        assert_eq!(body.to_bytes(), "a response", "{case}");

        let (headers, body, trailers) = received.recv().await.unwrap();
        assert_eq!(body, "a body", "{case}");
        assert_eq!(trailers, None, "{case}");
        assert!(!headers.contains_key("trailer"), "{case}");
        // HTTP/2 does not need `TE: trailers`.
        let has_te = headers.get("te").is_some_and(|te| te == "trailers");
        assert_eq!(has_te, up == Protocol::Http1, "{case}");
    }
}

#[tokio::test]
async fn expect_continue_is_answered_here_and_not_forwarded() {
    let origin = serve(|request: Request<Incoming>| async move {
        let expected = request.headers().contains_key("expect");
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let response = Response::builder().header("x-expected", expected.to_string());
        response.body(Body::from(body)).unwrap()
    })
    .await;
    for up in BOTH {
        let case = format!("to {up:?}");
        let host = host(&origin, up).await;
        let mut stream = TcpStream::connect(&host["http://".len()..]).await.unwrap();
        let head = |path: &str| {
            format!(
                "PUT {path} HTTP/1.1\r\nhost: h\r\n\
                 expect: 100-continue\r\ncontent-length: 5\r\n\r\n"
            )
        };
        stream.write_all(head("/x").as_bytes()).await.unwrap();
        let interim = with_timeout(&case, read_head(&mut stream)).await.unwrap();
        assert_eq!(interim, "HTTP/1.1 100 Continue\r\n\r\n", "{case}");
        stream.write_all(b"hello").await.unwrap();
        let response = with_timeout(&case, read_head(&mut stream)).await.unwrap();
        assert!(
            response.starts_with("HTTP/1.1 200 OK\r\n"),
            "{case}: {response}"
        );
        assert!(
            response.contains("x-expected: false\r\n"),
            "{case}: {response}"
        );

        // A request is rejected before its body is requested by a 100.
        let mut stream = TcpStream::connect(&host["http://".len()..]).await.unwrap();
        stream.write_all(head("/x/..").as_bytes()).await.unwrap();
        let response = with_timeout(&case, read_head(&mut stream)).await.unwrap();
        assert!(response.starts_with("HTTP/1.1 404 "), "{case}: {response}");
    }
}

#[tokio::test]
async fn an_ignored_upgrade_does_not_change_the_connection() {
    for upgrade in [
        "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n",
        "connection: Upgrade\r\nupgrade: TLS/1.3\r\n",
        "",
    ] {
        for up in BOTH {
            let case = format!("{upgrade} to {up:?}");
            let (requests, mut received) = mpsc::unbounded_channel();
            let origin = serve(move |request: Request<Incoming>| {
                let requests = requests.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    requests.send((parts.headers, body)).unwrap();
                    Response::builder().status(204).body(Body::empty()).unwrap()
                }
            })
            .await;
            let host = host(&origin, up).await;
            let mut stream = TcpStream::connect(&host["http://".len()..]).await.unwrap();
            let request =
                format!("PUT /x HTTP/1.1\r\nhost: h\r\n{upgrade}content-length: 5\r\n\r\nhello");
            for _ in 0..2 {
                stream.write_all(request.as_bytes()).await.unwrap();
                let response = with_timeout(&case, read_head(&mut stream)).await.unwrap();
                assert!(response.starts_with("HTTP/1.1 204 "), "{case}: {response}");
                let (headers, body) = received.try_recv().unwrap();
                assert_eq!(body, "hello", "{case}");
                for name in ["upgrade", "http2-settings"] {
                    assert!(!headers.contains_key(name), "{case} {name}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_rejected_websocket_does_not_change_the_connection() {
    for up in BOTH {
        let case = format!("{up:?}");
        let (requests, mut received) = mpsc::unbounded_channel();
        let origin = serve(move |request: Request<Incoming>| {
            requests.send(request.headers().clone()).unwrap();
            async { Response::builder().status(204).body(Body::empty()).unwrap() }
        })
        .await;
        let host = host(&origin, up).await;
        let mut stream = TcpStream::connect(&host["http://".len()..]).await.unwrap();
        let send = |headers| format!("HEAD /x HTTP/1.1\r\nhost: h\r\n{headers}\r\n");
        let websocket = send("connection: Upgrade\r\nupgrade: websocket\r\n");
        stream.write_all(websocket.as_bytes()).await.unwrap();
        let response = with_timeout(&case, read_head(&mut stream)).await.unwrap();
        assert!(response.starts_with("HTTP/1.1 501 "), "{case}: {response}");
        assert!(received.try_recv().is_err(), "{case}");

        stream.write_all(send("").as_bytes()).await.unwrap();
        let response = with_timeout(&case, read_head(&mut stream)).await.unwrap();
        assert!(response.starts_with("HTTP/1.1 204 "), "{case}: {response}");
        assert!(received.try_recv().is_ok(), "{case}");
    }
}

#[tokio::test]
async fn the_response_version_is_independent_of_the_tenants() {
    // Over HTTP/1.0 the end of the connection is the end of the body. On our side a truncated body
    // would look complete.
    let origin = raw("HTTP/1.0 200 OK\r\n\r\nhello", true).await;
    let host = host(&origin, Protocol::Http1).await;
    let mut stream = TcpStream::connect(&host["http://".len()..]).await.unwrap();
    for _ in 0..2 {
        let request = b"GET /x HTTP/1.1\r\nhost: h\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let response = with_timeout("head", read_head(&mut stream)).await.unwrap();
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
        assert!(
            response.contains("transfer-encoding: chunked\r\n"),
            "{response}"
        );
        let body = with_timeout("body", read_head(&mut stream)).await.unwrap();
        assert_eq!(body, "5\r\nhello\r\n0\r\n\r\n");
    }
}

#[tokio::test]
async fn a_malformed_first_chunk_is_a_bad_gateway() {
    let tenant_response = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n";
    let host = host(&raw(tenant_response, false).await, Protocol::Http1).await;
    for down in BOTH {
        let case = format!("{down:?}");
        let client = Client::connect(&host, down).await;
        let call = client.send(Request::get("/"), Body::empty());
        let response = with_timeout(&case, call).await.unwrap();
        assert_eq!(response.status(), 502, "{case}");
        let body = with_timeout(&case, response.into_body().collect())
            .await
            .unwrap();
        let message = r#"{"message":"The upstream service gave an unusable answer."}"#;
        assert_eq!(body.to_bytes(), message, "{case}");
    }
}

/// hyper's server discards the buffered part of a response whose body fails.
#[tokio::test]
async fn the_frames_before_a_malformed_chunk_arrive() {
    let tenant_response =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n";
    let host = host(&raw(tenant_response, false).await, Protocol::Http1).await;
    for down in BOTH {
        let case = format!("{down:?}");
        let client = Client::connect(&host, down).await;
        let call = client.send(Request::get("/"), Body::empty());
        let response = with_timeout(&case, call).await.unwrap();
        assert_eq!(response.status(), 200, "{case}");
        let mut body = response.into_body();
        let frame = with_timeout(&case, body.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "hello", "{case}");
        assert!(
            with_timeout(&case, body.frame()).await.unwrap().is_err(),
            "{case}"
        );
    }
}

#[tokio::test]
async fn an_early_response_arrives_before_the_end_of_the_upload() {
    let origin = serve(|request: Request<Incoming>| async move {
        let mut body = request.into_body();
        assert!(body.frame().await.unwrap().is_ok());
        let tenant_response = Response::builder().status(413);
        tenant_response
            .body(Body::from(Bytes::from_static(b"enough")))
            .unwrap()
    })
    .await;
    for (down, up) in ways() {
        let case = format!("{down:?} to {up:?}");
        let client = Client::connect(&host(&origin, up).await, down).await;
        let (feeder, body) = fed();
        feeder.send(data("begin")).await.unwrap();
        let call = client.send(Request::put("/"), body);
        let response = with_timeout(&case, call).await.unwrap();
        assert_eq!(response.status(), 413, "{case}");
        let body = with_timeout(&case, response.into_body().collect())
            .await
            .unwrap();
        assert_eq!(body.to_bytes(), "enough", "{case}");
        drop(feeder);
    }
}

#[tokio::test]
async fn a_response_without_a_body_keeps_its_content_headers() {
    let origin = serve(|request: Request<Incoming>| async move {
        let status = match *request.method() {
            Method::GET => 304,
            Method::DELETE => 204,
            _ => 200,
        };
        let tenant_response = Response::builder().status(status).header("etag", "\"a\"");
        let tenant_response = match status {
            204 => tenant_response,
            _ => tenant_response.header("content-length", "12"),
        };
        tenant_response.body(Body::empty()).unwrap()
    })
    .await;
    for (down, up) in ways() {
        let client = Client::connect(&host(&origin, up).await, down).await;
        // Over HTTP/1.1 hyper's server, both the tenant's and ours, omits it in a 304.
        let unchanged = (down, up) == (Protocol::Http2, Protocol::Http2);
        for (method, status, length) in [
            (Method::HEAD, 200, Some("12")),
            (Method::GET, 304, unchanged.then_some("12")),
            (Method::DELETE, 204, None),
        ] {
            let case = format!("{method}, {down:?} to {up:?}");
            let request = Request::builder().method(method);
            let call = client.send(request, Body::empty());
            let response = with_timeout(&case, call).await.unwrap();
            assert_eq!(response.status(), status, "{case}");
            let declared = response.headers().get("content-length");
            assert_eq!(
                declared.map(|value| value.to_str().unwrap()),
                length,
                "{case}"
            );
            assert!(!response.headers().contains_key("transfer-encoding"));
            assert_eq!(response.headers()["etag"], "\"a\"", "{case}");
            let body = with_timeout(&case, response.into_body().collect())
                .await
                .unwrap();
            assert_eq!(body.to_bytes(), "", "{case}");
        }
    }
}

/// A tenant that returns the values of the request header `name` in the response header `echo`.
async fn tenant_with_echo(name: &'static str, echo: &'static str) -> String {
    serve(move |request: Request<Incoming>| async move {
        let mut response = Response::new(Body::empty());
        for value in request.headers().get_all(name) {
            response.headers_mut().append(echo, value.clone());
        }
        response
    })
    .await
}

#[tokio::test]
async fn repeated_headers_are_not_joined_in_either_direction() {
    let origin = tenant_with_echo("accept-language", "link").await;
    for (down, up) in ways() {
        let case = format!("{down:?} to {up:?}");
        let client = Client::connect(&host(&origin, up).await, down).await;
        let request = Request::get("/")
            .header("accept-language", "de, en;q=0.5")
            .header("accept-language", "fr");
        let call = client.send(request, Body::empty());
        let response = with_timeout(&case, call).await.unwrap();
        let links: Vec<_> = response.headers().get_all("link").iter().collect();
        assert_eq!(links, ["de, en;q=0.5", "fr"], "{case}");
    }
}

#[tokio::test]
async fn via_has_the_version_of_the_client_request() {
    let origin = tenant_with_echo("via", "seen").await;
    for (down, up) in ways() {
        let case = format!("{down:?} to {up:?}");
        let upstream = upstream_to(&origin, up).with_forwarding(Forwarding::default().with_via());
        let client = Client::connect(&serve_upstream(upstream).await, down).await;
        let request = Request::get("/").header("via", "1.1 evil.test");
        let call = client.send(request, Body::empty());
        let response = with_timeout(&case, call).await.unwrap();
        let expected = match down {
            Protocol::Http1 => "1.1 omneo-id",
            Protocol::Http2 => "2.0 omneo-id",
        };
        let seen: Vec<_> = response.headers().get_all("seen").iter().collect();
        assert_eq!(seen, [expected], "{case}");
        assert!(!response.headers().contains_key("via"), "{case}");
    }
}
