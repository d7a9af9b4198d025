//! Requests and responses as bytes on the tenant's socket.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use omneo_id::Body;
use tokio::io::AsyncWriteExt;
use tower::ServiceExt;

use super::support::{TOKEN, data, frames, get, permitted, text, trailers};
use super::tenants::{
    BOTH, Protocol, connections, forward_get, raw, read_head, serve, upstream_to,
};

#[tokio::test]
async fn a_request_over_http1_has_one_host_and_one_credential() {
    let (heads, mut received) = tokio::sync::mpsc::channel(1);
    let origin = connections(move |mut stream| {
        let heads = heads.clone();
        async move {
            heads
                .send(read_head(&mut stream).await.unwrap())
                .await
                .unwrap();
            stream
                .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                .await
                .unwrap();
        }
    })
    .await;
    let request = permitted(Request::get("//locations?a=%5B"))
        .header("authorization", "Bearer of.the.client")
        .header("connection", "authorization, host")
        .header("host", "shop.test")
        .body(Body::empty())
        .unwrap();
    let upstream = upstream_to(&origin, Protocol::Http1);
    assert_eq!(upstream.oneshot(request).await.unwrap().status(), 204);

    let head = received.recv().await.unwrap();
    let mut lines: Vec<_> = head.trim_end().split("\r\n").collect();
    lines.sort_unstable();
    let host = format!("host: {}", origin.trim_start_matches("http://"));
    let authorization = format!("authorization: Bearer {TOKEN}");
    let expected = [
        "GET /api/v3/locations?a=%5B HTTP/1.1",
        "accept: application/json",
        &authorization,
        &host,
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_request_over_http2_has_one_authority() {
    let (requests, mut received) = tokio::sync::mpsc::channel(1);
    let origin = serve(move |request: Request<Incoming>| {
        let requests = requests.clone();
        async move {
            requests.send(request.map(drop)).await.unwrap();
            Response::new(Body::empty())
        }
    })
    .await;
    let upstream = upstream_to(&origin, Protocol::Http2);
    upstream.oneshot(get("/locations")).await.unwrap();
    let request = received.recv().await.unwrap();
    assert_eq!(request.version(), Version::HTTP_2);
    assert_eq!(
        request.uri().to_string(),
        format!("{origin}/api/v3/locations")
    );
    assert!(!request.headers().contains_key("host"));
    assert_eq!(request.headers().get_all("authorization").iter().count(), 1);
}

#[tokio::test]
async fn every_body_arrives_with_each_method_and_protocol() {
    /// Returns the body, and its framing.
    async fn echo(request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let framing = |name| {
            parts
                .headers
                .get(name)
                .map(|v| v.to_str().unwrap().to_owned())
        };
        let framing = format!(
            "{:?} {:?}",
            framing("content-length"),
            framing("transfer-encoding")
        );
        let body = body.collect().await.unwrap().to_bytes();
        let response = Response::builder().header("x-framing", framing);
        response.body(Full::new(body)).unwrap()
    }
    let origin = serve(echo).await;
    for protocol in BOTH {
        let upstream = upstream_to(&origin, protocol);
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let send = async |body: Body| {
                let request = permitted(Request::builder().method(method).uri("/x"));
                let response = upstream
                    .clone()
                    .oneshot(request.body(body).unwrap())
                    .await
                    .unwrap();
                let framing = response.headers()["x-framing"].to_str().unwrap().to_owned();
                (text(response).await, framing)
            };
            let case = format!("{protocol:?} {method}");
            let expected = match method {
                "POST" | "PUT" | "PATCH" => r#"Some("0") None"#,
                _ => "None None",
            };
            assert_eq!(
                send(Body::empty()).await,
                (String::new(), expected.to_owned()),
                "{case}"
            );

            let sized = send(Body::from(Bytes::from_static(b"sized"))).await;
            assert_eq!(
                sized,
                ("sized".to_owned(), r#"Some("5") None"#.to_owned()),
                "{case}"
            );

            let streamed = send(frames([data("un"), data("known")])).await;
            let expected = match protocol {
                Protocol::Http1 => r#"None Some("chunked")"#,
                Protocol::Http2 => "None None",
            };
            assert_eq!(
                streamed,
                ("unknown".to_owned(), expected.to_owned()),
                "{case}"
            );
        }
    }
}

#[tokio::test]
async fn request_trailers_are_not_forwarded() {
    let (trailers_of_requests, mut received) = tokio::sync::mpsc::channel(1);
    let origin = serve(move |request: Request<Incoming>| {
        let trailers_of_requests = trailers_of_requests.clone();
        async move {
            let body = request.into_body().collect().await.unwrap();
            trailers_of_requests
                .send(body.trailers().cloned())
                .await
                .unwrap();
            Response::new(Body::empty())
        }
    })
    .await;
    for protocol in BOTH {
        let body = frames([data("a"), trailers(&[("x-admin", "1")])]);
        let request = permitted(Request::put("/x")).header("trailer", "x-admin");
        let request = request.body(body).unwrap();
        upstream_to(&origin, protocol)
            .oneshot(request)
            .await
            .unwrap();
        assert_eq!(received.recv().await.unwrap(), None, "{protocol:?}");
    }
}

#[tokio::test]
async fn response_trailers_are_forwarded() {
    let expect = async |origin: &str, protocol| {
        let response = forward_get(origin, protocol).await;
        let body = response.into_body().collect().await.unwrap();
        let trailers: HeaderMap = body.trailers().unwrap().clone();
        assert_eq!(trailers["x-checksum"], "abc");
        assert_eq!(trailers.len(), 1);
        assert_eq!(body.to_bytes(), "body");
    };
    let last = [("x-checksum", "abc"), ("x-echo", TOKEN)];
    let origin =
        serve(move |_| async move { Response::new(frames([data("body"), trailers(&last)])) });
    expect(&origin.await, Protocol::Http2).await;

    let chunked = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-checksum\r\n\r\n\
         4\r\nbody\r\n0\r\nx-checksum: abc\r\nx-echo: {TOKEN}\r\n\r\n"
    );
    expect(&raw(chunked, false).await, Protocol::Http1).await;
}

#[tokio::test]
async fn a_response_without_a_body_keeps_its_content_length() {
    let not_modified = "HTTP/1.1 304 Not Modified\r\ncontent-length: 12\r\netag: \"a\"\r\n\r\n";
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n";
    let no_content = "HTTP/1.1 204 No Content\r\n\r\n";
    for (method, tenant_response, status, length) in [
        (Method::GET, not_modified, 304, Some("12")),
        (Method::HEAD, head, 200, Some("12")),
        (Method::DELETE, no_content, 204, None),
    ] {
        let origin = raw(tenant_response, false).await;
        let upstream = upstream_to(&origin, Protocol::Http1);
        // Twice over one connection, to detect bytes that are left on it.
        for _ in 0..2 {
            let request = permitted(Request::builder().method(&method).uri("/x"));
            let request = request.body(Body::empty()).unwrap();
            let response = upstream.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status().as_u16(), status);
            let declared = response.headers().get("content-length");
            assert_eq!(declared.map(|v| v.to_str().unwrap()), length, "{method}");
            assert_eq!(text(response).await, "");
        }
    }
}

#[tokio::test]
async fn interim_responses_are_ignored() {
    let tenant_response = "HTTP/1.1 100 Continue\r\n\r\n\
                  HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n\
                  HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let origin = raw(tenant_response, false).await;
    let response = forward_get(&origin, Protocol::Http1).await;
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("link"));
    assert_eq!(text(response).await, "ok");
}

#[tokio::test]
async fn a_compressed_body_is_forwarded_unchanged() {
    let origin = raw(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x0b\x08\x00",
        false,
    )
    .await;
    let response = forward_get(&origin, Protocol::Http1).await;
    assert_eq!(response.headers()["content-encoding"], "gzip");
    assert_eq!(text(response).await, "\x1f\x0b\x08\x00");
}

#[tokio::test]
async fn a_connection_is_reused() {
    let opened = Arc::new(Mutex::new(0));
    let count = Arc::clone(&opened);
    let origin = connections(move |mut stream| {
        *count.lock().unwrap() += 1;
        async move {
            while read_head(&mut stream).await.is_some() {
                let tenant_response = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                stream.write_all(tenant_response).await.unwrap();
            }
        }
    })
    .await;
    let upstream = upstream_to(&origin, Protocol::Http1);
    for _ in 0..10 {
        let response = upstream.clone().oneshot(get("/x")).await.unwrap();
        assert_eq!(text(response).await, "ok");
    }
    assert_eq!(*opened.lock().unwrap(), 1);
}
