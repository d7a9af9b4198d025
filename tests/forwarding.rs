//! The memory of a forwarded body of 1 GiB, and the allocations of a forwarded request.
//!
//! A test binary of its own, because it counts every allocation; each test has a thread and a
//! runtime of its own.

#![allow(clippy::panic, clippy::unwrap_used)]
#![cfg(feature = "client")]

mod support;

use std::convert::Infallible;
use std::future::Future;
use std::task::{Context, Poll};

use allocation_counter::measure;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use omneo_id::client::HttpClient;
use omneo_id::tenant::AllowForward;
use omneo_id::upstream::RequestBody;
use omneo_id::{ApiToken, Tenant, Upstream};
use tokio::net::TcpStream;
use tower::ServiceExt;

use support::body::Zeros;
use support::tenants::Protocol::{self, Http1, Http2};
use support::tenants::serve;

const GIB: u64 = 1 << 30;

/// The most memory that client, host and tenant may allocate together: the buffers and windows of
/// hyper and h2 at the four ends of two connections.
const MAX_BUFFERED: u64 = 8 << 20;

/// Runs `future` on a runtime of this thread alone.
fn alone<F: Future>(future: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(future)
}

/// Reads the body, and returns its length.
async fn length(mut body: Incoming) -> u64 {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.unwrap().data_ref().map_or(0, Bytes::len) as u64;
    }
    length
}

/// A tenant that reports the length of the request body in `x-received`, and responds with as many
/// bytes as `x-request-id` says.
async fn tenant(up: Protocol) -> Upstream<HttpClient> {
    let origin = serve(|request: Request<Incoming>| async move {
        let size = request.headers().get("x-request-id");
        let size = size.map_or(0, |size| size.to_str().unwrap().parse().unwrap());
        let received = length(request.into_body()).await;
        let builder = Response::builder().header("x-received", received);
        let body = Zeros {
            left: size,
            is_sized: size == 0,
        };
        builder.body(body).unwrap()
    })
    .await;
    let client = match up {
        Http1 => HttpClient::builder(),
        Http2 => HttpClient::builder().http2_only(),
    };
    let token = ApiToken::new("7|4fzKq0pLw8sN1vXyT2uR").unwrap();
    let tenant = Tenant::new(&origin, token).unwrap();
    Upstream::new(client.build().unwrap(), tenant)
}

/// Sends `sent` bytes through a host, and receives `size` bytes.
async fn exchange(down: Protocol, up: Protocol, sent: u64, size: u64) {
    let upstream = tenant(up).await;
    let origin = serve(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(AllowForward::new());
        let call = upstream.clone().oneshot(request);
        async move { call.await.unwrap() }
    })
    .await;
    let request = Request::put(match down {
        Http1 => "/x".to_owned(),
        Http2 => format!("{origin}/x"),
    });
    let body = Zeros {
        left: sent,
        is_sized: false,
    };
    let request = request.header("x-request-id", size).body(body).unwrap();
    let stream = TokioIo::new(
        TcpStream::connect(origin.trim_start_matches("http://"))
            .await
            .unwrap(),
    );
    let response = match down {
        Http1 => {
            let (mut sender, connection) = http1::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await
        }
        Http2 => {
            let executor = TokioExecutor::new();
            let (mut sender, connection) = http2::handshake(executor, stream).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await
        }
    };
    let response = response.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-received"], sent.to_string());
    assert_eq!(length(response.into_body()).await, size);
}

fn assert_streams(size: u64, down: Protocol, up: Protocol) {
    let cost = measure(|| alone(exchange(down, up, size, size)));
    assert!(
        cost.bytes_max < MAX_BUFFERED,
        "{down:?} to {up:?}: {cost:?}"
    );
}

#[test]
fn a_gib_each_way_over_http1_is_never_buffered() {
    assert_streams(GIB, Http1, Http1);
}

#[test]
fn a_gib_each_way_over_http2_is_never_buffered() {
    assert_streams(GIB, Http2, Http2);
}

#[test]
fn an_eighth_of_a_gib_each_way_between_protocols_is_never_buffered() {
    assert_streams(GIB / 8, Http1, Http2);
    assert_streams(GIB / 8, Http2, Http1);
}

// --- allocations

/// A browser's request for the balances of a profile.
fn request<B>(method: &str, body: B) -> Request<B> {
    let request = Request::builder()
        .method(method)
        .uri("/profiles/3f0c2f6e/balances?page=2")
        .header("host", "shop.test")
        .header(
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101",
        )
        .header("accept", "application/json")
        .header("accept-language", "en-GB,en;q=0.5")
        .header("accept-encoding", "gzip, deflate, br")
        .header("authorization", "Bearer a.b.c")
        .header("origin", "https://shop.test")
        .header("referer", "https://shop.test/account")
        .header("cookie", "session=1")
        .header("connection", "keep-alive")
        .header("sec-fetch-mode", "cors")
        .extension(AllowForward::new());
    request.body(body).unwrap()
}

/// The response of a PHP tenant behind nginx.
fn response() -> Response<omneo_id::Body> {
    let response = Response::builder()
        .header("server", "nginx")
        .header("date", "Mon, 23 Nov 2026 03:00:00 GMT")
        .header("content-type", "application/json")
        .header("content-length", "2")
        .header("cache-control", "no-cache, private")
        .header("x-powered-by", "PHP/8.3")
        .header("x-ratelimit-limit", "60")
        .header("access-control-allow-origin", "*")
        .header("set-cookie", "laravel_session=1")
        .header("vary", "accept-encoding");
    response.body(Bytes::from_static(b"{}").into()).unwrap()
}

/// The allocations between the request and the head of the response, over a client that allocates
/// nothing.
fn allocations<B>(method: &str, body: impl Fn() -> B) -> u64
where
    B: http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let token = ApiToken::new("7|4fzKq0pLw8sN1vXyT2uR").unwrap();
    let tenant = Tenant::new("https://api.acme.test", token).unwrap();
    let responses = std::cell::RefCell::new(vec![response(), response()]);
    let client = tower::service_fn(|_: Request<RequestBody>| {
        let response = responses.borrow_mut().pop().unwrap();
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let mut upstream = Upstream::new(client, tenant);
    let mut call = |request: Request<B>| {
        let mut call = std::pin::pin!(tower::Service::call(&mut upstream, request));
        let cx = &mut Context::from_waker(std::task::Waker::noop());
        call.as_mut().poll(cx)
    };
    // The first request initialises shared state.
    let _ = call(request(method, body()));
    let request = request(method, body());
    let mut outcome = Poll::Pending;
    let cost = measure(|| outcome = call(request));
    assert!(matches!(outcome, Poll::Ready(Ok(response)) if response.status() == 200));
    cost.count_total
}

/// A request without a body: the target, the names of removed headers (one buffer for the request
/// and one for the response), the observer of the response body, and the box of that body. hyper's
/// own body type needs no box.
const EMPTY: u64 = 5;

#[test]
fn a_forwarded_request_makes_few_allocations() {
    let get = allocations("GET", http_body_util::Empty::new);
    assert!(get <= EMPTY, "{get}");
    // The state of the upload, and the value of `Content-Length`.
    let full = || http_body_util::Full::new(Bytes::from_static(b"{}"));
    let put = allocations("PUT", full);
    assert!(put <= EMPTY + 3, "{put}");
    // A box for a body of another type, and no `Content-Length`.
    let zeros = || Zeros {
        left: 1 << 16,
        is_sized: false,
    };
    let stream = allocations("PUT", zeros);
    assert!(stream <= EMPTY + 2, "{stream}");
}

/// In addition to [`EMPTY`]: the extensions that the layers insert, and the response headers that
/// they add. A disabled span and the report of the facade allocate nothing.
const FACADE: u64 = EMPTY + 5;

#[test]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
fn the_facade_makes_few_more_allocations() {
    use omneo_id::{Keyring, OmneoId, SigningKey, Subject, TokenIssuer};

    let key = || SigningKey::hs256("at least 32 bytes of secret for HS256").unwrap();
    let issuer = TokenIssuer::new(Keyring::new(key()));
    let ada = Subject::Profile("3f0c2f6e".parse().unwrap());
    let token = issuer.issue(&ada).unwrap();
    let responses = std::sync::Mutex::new(vec![response(), response()]);
    let responses = std::sync::Arc::new(responses);
    let client = tower::service_fn(move |_: Request<RequestBody>| {
        let response = responses.lock().unwrap().pop().unwrap();
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let mut id = OmneoId::builder()
        .upstream("https://api.acme.test")
        .unwrap()
        .api_token("7|4fzKq0pLw8sN1vXyT2uR")
        .signing_key(key())
        .build_with_client(client)
        .unwrap();
    let request = || {
        let mut request = request("GET", http_body_util::Empty::<Bytes>::new());
        *request.uri_mut() = "/profiles/me/balances?page=2".parse().unwrap();
        let bearer = format!("Bearer {}", token.token()).parse().unwrap();
        request.headers_mut().insert("authorization", bearer);
        request
    };
    let mut call = |request| {
        let mut call = std::pin::pin!(tower::Service::call(&mut id, request));
        let cx = &mut Context::from_waker(std::task::Waker::noop());
        call.as_mut().poll(cx)
    };
    let _ = call(request());
    let request = request();
    let mut outcome = Poll::Pending;
    let cost = measure(|| outcome = call(request));
    assert!(matches!(outcome, Poll::Ready(Ok(response)) if response.status() == 200));
    assert!(cost.count_total <= FACADE, "{}", cost.count_total);
}
