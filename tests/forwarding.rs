//! What forwarding costs: memory while bodies of 1 GiB pass, allocations for each request. A binary
//! of its own, as it counts every allocation; each test has a thread and a runtime to itself.

#![allow(clippy::panic, clippy::unwrap_used)]
#![cfg(feature = "client")]

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use allocation_counter::measure;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use omneo_id::client::HttpClient;
use omneo_id::tenant::AllowForward;
use omneo_id::upstream::RequestBody;
use omneo_id::{ApiToken, Tenant, Upstream};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

const GIB: u64 = 1 << 30;

/// Of client, host and tenant together, all three being here. What they hold are the buffers and
/// windows of hyper and h2 on four ends of two connections.
const HELD: u64 = 8 << 20;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Protocol {
    Http1,
    Http2,
}

use Protocol::{Http1, Http2};

fn alone<F: Future>(future: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(future)
}

/// So many zeros, of a length that is known or not.
struct Zeros {
    left: u64,
    sized: bool,
}

impl http_body::Body for Zeros {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        static CHUNK: [u8; 64 * 1024] = [0; 64 * 1024];
        if self.left == 0 {
            return Poll::Ready(None);
        }
        ready!(tokio::task::coop::poll_proceed(cx)).made_progress();
        self.left -= CHUNK.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&CHUNK)))))
    }

    fn size_hint(&self) -> SizeHint {
        if self.sized {
            SizeHint::with_exact(self.left)
        } else {
            SizeHint::default()
        }
    }
}

async fn length(mut body: Incoming) -> u64 {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.unwrap().data_ref().map_or(0, Bytes::len) as u64;
    }
    length
}

/// Serves on loopback, over either protocol.
async fn serve<S, F, B>(service: S) -> String
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<omneo_id::error::BoxError>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service.clone();
            let service = hyper::service::service_fn(move |request| {
                let answer = service(request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

/// A tenant: says how much it was sent, or sends as much as it is asked for.
async fn tenant(up: Protocol) -> Upstream<HttpClient> {
    let address = serve(|request: Request<Incoming>| async move {
        let asked = request.headers().get("x-request-id");
        let asked = asked.map_or(0, |asked| asked.to_str().unwrap().parse().unwrap());
        let received = length(request.into_body()).await;
        let answer = Response::builder().header("x-received", received);
        let body = Zeros {
            left: asked,
            sized: asked == 0,
        };
        answer.body(body).unwrap()
    })
    .await;
    let client = match up {
        Http1 => HttpClient::builder(),
        Http2 => HttpClient::builder().with_http2_only(),
    };
    let token = ApiToken::new("7|4fzKq0pLw8sN1vXyT2uR").unwrap();
    let tenant = Tenant::new(&format!("http://{address}"), token).unwrap();
    Upstream::new(client.build().unwrap(), tenant)
}

/// Sends so much, by way of a host, and asks for as much in return.
async fn exchange(down: Protocol, up: Protocol, sent: u64, asked: u64) {
    let upstream = tenant(up).await;
    let host = serve(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(AllowForward::new());
        let answer = upstream.clone().oneshot(request);
        async move { answer.await.unwrap() }
    })
    .await;
    let request = Request::put(match down {
        Http1 => "/x".to_owned(),
        Http2 => format!("http://{host}/x"),
    });
    let body = Zeros {
        left: sent,
        sized: false,
    };
    let request = request.header("x-request-id", asked).body(body).unwrap();
    let stream = TokioIo::new(TcpStream::connect(&host).await.unwrap());
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
    assert_eq!(length(response.into_body()).await, asked);
}

fn is_never_held(size: u64, down: Protocol, up: Protocol) {
    let cost = measure(|| alone(exchange(down, up, size, size)));
    assert!(cost.bytes_max < HELD, "{down:?} to {up:?}: {cost:?}");
}

#[test]
fn a_gib_each_way_over_http1_is_never_held() {
    is_never_held(GIB, Http1, Http1);
}

#[test]
fn a_gib_each_way_over_http2_is_never_held() {
    is_never_held(GIB, Http2, Http2);
}

#[test]
fn an_eighth_of_a_gib_each_way_between_the_two_is_never_held() {
    is_never_held(GIB / 8, Http1, Http2);
    is_never_held(GIB / 8, Http2, Http1);
}

// --- allocations
// ----------------------------------------------------------------------------------

/// What a browser sends with a request for somebody's balances.
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

/// What nginx and a PHP tenant answer.
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

/// Between the client's request and the head of the answer, over a client that costs nothing.
fn allocations<B>(method: &str, body: impl Fn() -> B) -> u64
where
    B: http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let token = ApiToken::new("7|4fzKq0pLw8sN1vXyT2uR").unwrap();
    let tenant = Tenant::new("https://api.acme.test", token).unwrap();
    let answers = std::cell::RefCell::new(vec![response(), response()]);
    let client = tower::service_fn(|_: Request<RequestBody>| {
        let answer = answers.borrow_mut().pop().unwrap();
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    let mut upstream = Upstream::new(client, tenant);
    let mut call = |request: Request<B>| {
        let mut call = std::pin::pin!(tower::Service::call(&mut upstream, request));
        let cx = &mut Context::from_waker(std::task::Waker::noop());
        call.as_mut().poll(cx)
    };
    // What is shared from then on is made for the first request.
    let _ = call(request(method, body()));
    let request = request(method, body());
    let mut answer = Poll::Pending;
    let cost = measure(|| answer = call(request));
    assert!(matches!(answer, Poll::Ready(Ok(answer)) if answer.status() == 200));
    cost.count_total
}

/// The target, the names of removed headers (one buffer up, one down), the watch over the answer's
/// body, and a box for that body, which hyper's need not have.
const EMPTY: u64 = 5;

#[test]
fn a_request_costs_few_allocations() {
    let get = allocations("GET", http_body_util::Empty::new);
    assert!(get <= EMPTY, "{get}");
    // How far it has come; a length to declare.
    let full = || http_body_util::Full::new(Bytes::from_static(b"{}"));
    let put = allocations("PUT", full);
    assert!(put <= EMPTY + 3, "{put}");
    // A box for a body that is not hyper's instead.
    let zeros = || Zeros {
        left: 1 << 16,
        sized: false,
    };
    let stream = allocations("PUT", zeros);
    assert!(stream <= EMPTY + 2, "{stream}");
}

/// Besides `EMPTY`: what the layers leave in the request's extensions and in the answer's headers.
/// The span, which nobody listens to, and what the facade adds to the report cost nothing.
const FACADE: u64 = EMPTY + 5;

#[test]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
fn the_whole_service_costs_few_more() {
    use omneo_id::keys::{Keyring, SigningKey};
    use omneo_id::{OmneoId, Subject, TokenIssuer};

    let key = || SigningKey::hs256("at least 32 bytes that nobody can guess").unwrap();
    let issuer = TokenIssuer::new(Keyring::new(key()));
    let ada = Subject::Profile("3f0c2f6e".parse().unwrap());
    let token = issuer.issue(&ada).unwrap();
    let answers = std::sync::Mutex::new(vec![response(), response()]);
    let answers = std::sync::Arc::new(answers);
    let client = tower::service_fn(move |_: Request<RequestBody>| {
        let answer = answers.lock().unwrap().pop().unwrap();
        std::future::ready(Ok::<_, Infallible>(answer))
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
    let mut answer = Poll::Pending;
    let cost = measure(|| answer = call(request));
    assert!(matches!(answer, Poll::Ready(Ok(answer)) if answer.status() == 200));
    assert!(cost.count_total <= FACADE, "{}", cost.count_total);
}
