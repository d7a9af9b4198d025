//! The body types of the server keep the declared length, in both directions.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use omneo_id::sandbox::TestTokens;
use omneo_id::{Body, Keyring, SigningKey};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::{Service, service_fn};

use crate::framing::{Framing, drained, tenant};
use crate::process::{MOUNT, SECRET, Server};
use crate::script::Script;
use crate::server::connection_activity::ConnectionActivity;
use crate::server::tracked_service::TrackedService;

fn bearer() -> String {
    let ring = Keyring::new(SigningKey::hs256(SECRET).unwrap());
    format!("Bearer {}", TestTokens::new(&ring).unwrap().valid("ada-1"))
}

async fn send(server: &Server, is_http2: bool, request: Request<Body>) -> u16 {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let io = TokioIo::new(stream);
    let response = if is_http2 {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    };
    let status = response.status().as_u16();
    response.into_body().collect().await.unwrap();
    status
}

#[tokio::test]
async fn a_request_body_keeps_its_framing_towards_the_tenant() {
    let (origin, mut received) = tenant().await;
    let flags = [
        "--upstream",
        &origin,
        "--api-token",
        "7|x",
        "--signing-key",
        SECRET,
    ];
    let server = Server::start(&flags, &[]);
    for is_http2 in [false, true] {
        for (body, framing, length) in [
            (
                Body::from(Bytes::from_static(br#"{"email_promo":false}"#)),
                Framing::Length(21),
                21,
            ),
            (
                Body::from(Bytes::from(vec![b' '; 600_000])),
                Framing::Length(600_000),
                600_000,
            ),
            (Body::new(Script::streamed(&[2, 5])), Framing::Chunked, 7),
            (Body::empty(), Framing::Length(0), 0),
        ] {
            let path = format!("{MOUNT}/profiles/me/attributes/comms");
            let uri = match is_http2 {
                true => format!("http://{}{path}", server.address),
                false => path,
            };
            let mut request = Request::put(uri)
                .header("authorization", bearer())
                .header("content-type", "application/json");
            if !is_http2 {
                request = request.header("host", server.address.to_string());
            }
            let status = send(&server, is_http2, request.body(body).unwrap()).await;
            assert_eq!(status, 200, "{is_http2} {framing:?}");
            let expected = (Method::PUT.to_string(), framing, length);
            assert_eq!(drained(&mut received), [expected], "{is_http2}");
        }
    }
    server.terminate();
}

#[tokio::test]
async fn a_response_of_known_length_declares_it() {
    let (origin, _received) = tenant().await;
    let flags = [
        "--upstream",
        &origin,
        "--api-token",
        "7|x",
        "--signing-key",
        SECRET,
    ];
    let server = Server::start(&flags, &[]);
    for (method, body) in [("GET", "{}"), ("HEAD", "")] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = format!(
            "{method} {MOUNT}/profiles/me HTTP/1.1\r\nhost: h\r\nauthorization: {}\r\n\
             connection: close\r\n\r\n",
            bearer()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, rest) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.to_ascii_lowercase()
                .contains("\r\ncontent-length: 2\r\n"),
            "{text}"
        );
        assert_eq!(rest, body, "{text}");
    }
    server.terminate();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_tracked_body_reports_its_size_and_end_truthfully(script in Script::any(b' ')) {
        let inner = script.clone();
        let service = service_fn(move |_: Request<Full<Bytes>>| {
            ready(Ok::<_, Infallible>(Response::new(inner.clone())))
        });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut service = TrackedService::new(service, Arc::<ConnectionActivity>::default());
        let response = runtime.block_on(service.call(Request::new(Full::default())));
        script.check("the response body", response.unwrap().into_body());
    }
}
