//! Clients: valid requests, early disconnects and invalid requests.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use omneo_id::sandbox::Sandbox;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::dice::Dice;
use crate::tenant::{HTTP1_FAULTS, HTTP2_FAULTS, Tenant};

/// A request that takes longer counts as hanging.
const MAX_LATENCY: Duration = Duration::from_secs(60);
/// The number of unexplained failures that are printed.
const MAX_PRINTED: usize = 50;

/// The server under load, and the tokens of its clients.
pub(crate) struct Shop {
    pub(crate) address: SocketAddr,
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) ada: String,
    pub(crate) anonymous: String,
    pub(crate) invalid: Vec<String>,
    pub(crate) report: Report,
}

/// The counters of a run.
#[derive(Default)]
pub(crate) struct Report {
    requests: AtomicUsize,
    unexplained: AtomicUsize,
    by_fault: Mutex<BTreeMap<&'static str, usize>>,
    printed: AtomicUsize,
}

impl Report {
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn unexplained(&self) -> usize {
        self.unexplained.load(Ordering::Relaxed)
    }

    pub(crate) fn faults(&self) -> usize {
        self.by_fault.lock().unwrap().values().sum()
    }

    pub(crate) fn by_fault(&self) -> BTreeMap<&'static str, usize> {
        self.by_fault.lock().unwrap().clone()
    }

    fn fault(&self, name: &'static str) {
        *self.by_fault.lock().unwrap().entry(name).or_default() += 1;
    }

    fn unexplained_failure(&self, what: &str) {
        self.unexplained.fetch_add(1, Ordering::Relaxed);
        if self.printed.fetch_add(1, Ordering::Relaxed) < MAX_PRINTED {
            println!("unexplained: {what}");
        }
    }
}

/// A request with its expected outcome.
struct Call {
    request: Request<Body>,
    id: u64,
    fault: &'static str,
    expected: Expected,
}

enum Expected {
    /// A complete response with one of these statuses; a 200 must be the response to this request.
    Own(&'static [u16]),
    /// A complete response with one of these statuses.
    Status(&'static [u16]),
    /// 200 with an aborted body, or 502 or 504.
    Aborted,
    /// Any: the client disconnects after this time.
    Disconnected(Duration),
}

fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Connects, sends some requests, disconnects, and starts again.
pub(crate) async fn run_client(shop: Arc<Shop>, seed: u64, end: Instant) {
    let mut dice = Dice::new(seed);
    while Instant::now() < end {
        let Ok(mut client) = Client::connect(shop.address, dice.one_in(2)).await else {
            shop.report.unexplained_failure("connect failed");
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        for _ in 0..=dice.below(60) {
            let call = call(&shop, &mut dice);
            if !send(&shop, &mut client, call, &mut dice).await {
                break;
            }
            if dice.one_in(4) {
                sleep(Duration::from_millis(dice.below(30))).await;
            }
        }
    }
}

fn call(shop: &Shop, dice: &mut Dice) -> Call {
    match dice.below(10) {
        0 => sign_up(shop, dice),
        1 => rejected(shop, dice),
        2 => read(shop, dice),
        3..=5 => faulty(shop, dice, "/http2", HTTP2_FAULTS),
        _ => faulty(shop, dice, "/http1", HTTP1_FAULTS),
    }
}

/// A request to one of the two faulty tenants.
fn faulty(shop: &Shop, dice: &mut Dice, mount: &str, faults: &[(&'static str, u64)]) -> Call {
    let id = next_id();
    let drawn = faults.iter().find(|(_, odds)| dice.one_in(*odds));
    let fault = drawn.map_or("", |(name, _)| name);
    let size = if dice.one_in(20) {
        dice.below(300_000)
    } else {
        dice.below(2_000)
    };
    let uri = format!("{mount}/profiles/me/attributes?id={id}&fault={fault}&size={size}");
    let (method, body) = match dice.below(4) {
        0 => ("PUT", upload(dice)),
        _ => ("GET", Body::empty()),
    };
    let mut expected = match fault {
        "close" | "reset" | "half_head" | "garbage" | "two_lengths" | "large_head" => {
            Expected::Status(&[502])
        }
        "short_body" | "broken_chunk" | "reset_in_body" | "stall_in_body" => Expected::Aborted,
        "stall" => Expected::Status(&[504]),
        "500" => Expected::Status(&[502]),
        "503" => Expected::Status(&[503]),
        "404" => Expected::Status(&[404]),
        _ => Expected::Own(&[200]),
    };
    let mut name = fault;
    if fault.is_empty() && dice.one_in(30) {
        name = "the client disconnects";
        expected = Expected::Disconnected(Duration::from_micros(dice.below(5_000)));
    }
    Call {
        request: request(method, &uri, &shop.ada, body),
        id,
        fault: name,
        expected,
    }
}

fn upload(dice: &mut Dice) -> Body {
    let size = match dice.one_in(10) {
        true => dice.below(500_000),
        false => dice.below(500),
    };
    let filler = "y".repeat(size as usize);
    Body::from(format!("{{\"filler\":\"{filler}\"}}"))
}

fn sign_up(shop: &Shop, dice: &mut Dice) -> Call {
    // Few enough addresses that sign-ups of the same address run concurrently.
    let number = dice.below(500);
    let promo = dice.one_in(2);
    let comms = format!("{{\"comms\":{{\"email_promo\":{promo}}}}}");
    let email = format!("client{number}@example.com");
    let body = format!("{{\"email\":\"{email}\",\"attributes\":{comms}}}");
    let mount = if dice.one_in(2) {
        "/healthy-http1"
    } else {
        "/healthy-http2"
    };
    Call {
        request: request(
            "POST",
            &format!("{mount}/profiles"),
            &shop.anonymous,
            body.into(),
        ),
        id: next_id(),
        fault: "",
        expected: Expected::Status(&[200]),
    }
}

fn read(shop: &Shop, dice: &mut Dice) -> Call {
    let mount = if dice.one_in(2) {
        "/healthy-http1"
    } else {
        "/healthy-http2"
    };
    let path = match dice.below(3) {
        0 => "/profiles/me",
        1 => "/profiles/me/lists/wishlist",
        _ => "/locations?filter[is_published]=1&page[size]=2",
    };
    Call {
        request: request("GET", &format!("{mount}{path}"), &shop.ada, Body::empty()),
        id: next_id(),
        fault: "",
        expected: Expected::Status(&[200]),
    }
}

/// A request that the server rejects without a call of the tenant.
fn rejected(shop: &Shop, dice: &mut Dice) -> Call {
    let invalid = &shop.invalid[dice.below(shop.invalid.len() as u64) as usize];
    let (fault, request, status): (_, _, &'static [u16]) = match dice.below(5) {
        0 => (
            "an invalid token",
            request("GET", "/healthy-http1/profiles/me", invalid, Body::empty()),
            &[401],
        ),
        1 => (
            "a random token",
            {
                let token = format!("eyJhbGciOiJIUzI1NiJ9.{:x}.{:x}", dice.next(), dice.next());
                request("GET", "/healthy-http1/profiles/me", &token, Body::empty())
            },
            &[401],
        ),
        2 => (
            "an ambiguous path",
            request(
                "GET",
                "/healthy-http1/profiles/me/%2e%2e/x",
                &shop.ada,
                Body::empty(),
            ),
            &[400, 404],
        ),
        3 => (
            "another profile",
            request(
                "GET",
                &format!("/healthy-http1/profiles/{}", Sandbox::ADA_ID),
                &shop.ada,
                Body::empty(),
            ),
            &[404],
        ),
        _ => (
            "a malformed sign-up",
            request(
                "POST",
                "/healthy-http1/profiles",
                &shop.anonymous,
                "{\"email\":[".into(),
            ),
            &[400, 422],
        ),
    };
    Call {
        request,
        id: next_id(),
        fault,
        expected: Expected::Status(status),
    }
}

fn request(method: &str, uri: &str, token: &str, body: Body) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(uri)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(body)
        .unwrap()
}

/// Sends a request, and checks the outcome. Returns whether the connection can be reused.
async fn send(shop: &Shop, client: &mut Client, call: Call, dice: &mut Dice) -> bool {
    let report = &shop.report;
    let Call {
        request,
        id,
        fault,
        expected,
    } = call;
    let target = format!("{} {}", request.method(), request.uri());
    let is_http1 = request.uri().path().starts_with("/http1");
    let is_http2 = request.uri().path().starts_with("/http2");
    let is_write = request.method() == "PUT";
    let is_upload = request.method() != "GET";
    // The server may close a connection when it responded before it had read the whole request.
    if !client.is_ready().await {
        return false;
    }
    report.requests.fetch_add(1, Ordering::Relaxed);
    if !fault.is_empty() {
        report.fault(fault);
    }
    let before = shop.tenant.state();
    if let Expected::Disconnected(after) = expected {
        let _ = timeout(after, async {
            let response = client.send(request).await;
            let mut body = response.ok()?.into_body();
            while dice.one_in(2) {
                body.frame().await?.ok()?;
            }
            Some(())
        })
        .await;
        shop.tenant.remove_write(id);
        return client.is_http2();
    }
    let response = timeout(MAX_LATENCY, async {
        let response = client
            .send(request)
            .await
            .map_err(|error| format!("no response: {error:?}"))?;
        let (parts, body) = response.into_parts();
        let cause = parts.headers.get("x-cause");
        let cause = cause.and_then(|cause| cause.to_str().ok());
        let cause = cause.map(str::to_owned);
        let body = body.collect().await.map(|body| body.to_bytes());
        Ok::<_, String>((parts.status.as_u16(), body, cause))
    })
    .await;
    let has_arrived = shop.tenant.has_arrived(id);
    shop.tenant.remove_write(id);
    let had_outage = is_http1 && (before.1 || shop.tenant.state() != before);
    let is_ok = matches!(response, Ok(Ok((200, Ok(_), _))));
    let problem = match (response, &expected) {
        (Err(_), _) => Some("no complete response in time".to_owned()),
        // The end of the connection may overtake the head of the response.
        (Ok(Err(_)), Expected::Aborted) => return false,
        (Ok(Err(problem)), _) => Some(problem),
        (Ok(Ok((status, Ok(body), cause))), Expected::Own(allowed)) => {
            let own = format!("{{\"data\":{{\"id\":{id},");
            if !allowed.contains(&status) {
                Some(format!("{status} {} {cause:?}", text(&body)))
            } else if !body.starts_with(own.as_bytes()) || !body.ends_with(b"\"}}") {
                // An outage does not explain the response to another request.
                report.unexplained_failure(&format!(
                    "{target}: another request's response: {}",
                    text(&body)
                ));
                return false;
            } else {
                None
            }
        }
        (Ok(Ok((status, Ok(body), cause))), Expected::Status(allowed)) => {
            (!allowed.contains(&status)).then(|| format!("{status} {} {cause:?}", text(&body)))
        }
        (Ok(Ok((200, Err(_), _))), Expected::Aborted) => return client.is_http2(),
        (Ok(Ok((502 | 504, Ok(_), _))), Expected::Aborted) => None,
        (Ok(Ok((status, Ok(_), _))), _) => Some(format!("{status} with a complete body")),
        (Ok(Ok((status, Err(error), _))), _) => {
            Some(format!("{status} with an aborted body: {error:?}"))
        }
    };
    let Some(problem) = problem else {
        // After a response that preceded the end of the upload, the server may close an HTTP/1.1
        // connection without notice.
        return client.is_http2() || !is_upload || is_ok && fault != "early";
    };
    if had_outage {
        report.fault("an outage of the tenant");
        return false;
    }
    // The tenant reads the rest of a closed connection before it records the request.
    for _ in 0..100 {
        if shop.tenant.has_crossed(id) {
            report.fault("sent on a closed connection");
            return false;
        }
        if !is_http1 {
            break;
        }
        sleep(Duration::from_millis(30)).await;
    }
    let was_refused = problem.contains("not a result of an error");
    if is_http2 && !has_arrived && (is_write || !was_refused) {
        // The client cannot know whether the tenant has read it, and does not retry a write.
        report.fault("sent across the end of an HTTP/2 connection");
    } else {
        report.unexplained_failure(&format!("{target}: {problem}"));
    }
    false
}

fn text(body: &Bytes) -> String {
    String::from_utf8_lossy(&body[..body.len().min(120)]).into_owned()
}

/// A client connection, which is closed when it is dropped.
struct Client {
    address: SocketAddr,
    sender: Sender,
    connection: JoinHandle<()>,
}

enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

impl Client {
    async fn connect(address: SocketAddr, http2: bool) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let io = TokioIo::new(stream);
        let (sender, connection) = if http2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io)
                .await
                .map_err(std::io::Error::other)?;
            let connection = tokio::spawn(async move { drop(connection.await) });
            (Sender::Http2(sender), connection)
        } else {
            let (sender, connection) = http1::handshake(io).await.map_err(std::io::Error::other)?;
            let connection = tokio::spawn(async move { drop(connection.await) });
            (Sender::Http1(sender), connection)
        };
        Ok(Self {
            address,
            sender,
            connection,
        })
    }

    async fn is_ready(&mut self) -> bool {
        match &mut self.sender {
            Sender::Http1(sender) => sender.ready().await.is_ok(),
            Sender::Http2(sender) => sender.ready().await.is_ok(),
        }
    }

    fn is_http2(&self) -> bool {
        matches!(self.sender, Sender::Http2(_))
    }

    async fn send(&mut self, mut request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        let address = self.address;
        match &mut self.sender {
            Sender::Http1(sender) => {
                let host = address.to_string().parse().unwrap();
                request.headers_mut().insert("host", host);
                sender.send_request(request).await
            }
            Sender::Http2(sender) => {
                let uri = format!("http://{address}{}", request.uri());
                *request.uri_mut() = uri.parse().unwrap();
                sender.send_request(request).await
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
