//! Visitors: good ones, careless ones and bad ones.

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
use crate::tenant::{HASTY, STRANGE, Tenant};

/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);
const SHOWN: usize = 50;

pub(crate) struct Shop {
    pub(crate) address: SocketAddr,
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) ada: String,
    pub(crate) anonymous: String,
    pub(crate) bad: Vec<String>,
    pub(crate) report: Report,
}

#[derive(Default)]
pub(crate) struct Report {
    requests: AtomicUsize,
    unexplained: AtomicUsize,
    by_fault: Mutex<BTreeMap<&'static str, usize>>,
    shown: AtomicUsize,
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
        if self.shown.fetch_add(1, Ordering::Relaxed) < SHOWN {
            println!("unexplained: {what}");
        }
    }
}

/// One request, and what may come of it.
struct Call {
    request: Request<Body>,
    id: u64,
    fault: &'static str,
    expected: Expected,
}

enum Expected {
    /// One of these, whole, and for 200 the answer to this very request.
    Own(&'static [u16]),
    /// One of these, whole.
    Status(&'static [u16]),
    /// 200 and a body that breaks off, or 502 or 504.
    Broken,
    /// Anything: its client leaves.
    Left(Duration),
}

fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Comes, asks for a while, goes and comes again.
pub(crate) async fn visit(shop: Arc<Shop>, seed: u64, end: Instant) {
    let mut dice = Dice::new(seed);
    while Instant::now() < end {
        let Ok(mut visitor) = Visitor::connect(shop.address, dice.one_in(2)).await else {
            shop.report.unexplained_failure("cannot connect");
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        for _ in 0..=dice.below(60) {
            let call = call(&shop, &mut dice);
            if !ask(&shop, &mut visitor, call, &mut dice).await {
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
        1 => refused(shop, dice),
        2 => read(shop, dice),
        3..=5 => faulty(shop, dice, "/hasty", HASTY),
        _ => faulty(shop, dice, "/strange", STRANGE),
    }
}

/// Requests that one of the two bad tenants answers.
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
        "short_body" | "broken_chunk" | "reset_in_body" | "stall_in_body" => Expected::Broken,
        "stall" => Expected::Status(&[504]),
        "500" => Expected::Status(&[502]),
        "503" => Expected::Status(&[503]),
        "404" => Expected::Status(&[404]),
        _ => Expected::Own(&[200]),
    };
    let mut name = fault;
    if fault.is_empty() && dice.one_in(30) {
        name = "the client leaves";
        expected = Expected::Left(Duration::from_micros(dice.below(5_000)));
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
    // Few enough that the same person signs up twice at once.
    let who = dice.below(500);
    let promo = dice.one_in(2);
    let body = format!(
        "{{\"email\":\"visitor{who}@example.com\",\"attributes\":{{\"comms\":{{\"email_promo\":{promo}}}}}}}"
    );
    let mount = if dice.one_in(2) {
        "/proper"
    } else {
        "/proper2"
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
        "/proper"
    } else {
        "/proper2"
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

/// What never reaches a tenant.
fn refused(shop: &Shop, dice: &mut Dice) -> Call {
    let bad = &shop.bad[dice.below(shop.bad.len() as u64) as usize];
    let (fault, request, status): (_, _, &'static [u16]) = match dice.below(5) {
        0 => (
            "a bad token",
            request("GET", "/proper/profiles/me", bad, Body::empty()),
            &[401],
        ),
        1 => (
            "a token of nobody's making",
            {
                let token = format!("eyJhbGciOiJIUzI1NiJ9.{:x}.{:x}", dice.next(), dice.next());
                request("GET", "/proper/profiles/me", &token, Body::empty())
            },
            &[401],
        ),
        2 => (
            "a path of two minds",
            request(
                "GET",
                "/proper/profiles/me/%2e%2e/x",
                &shop.ada,
                Body::empty(),
            ),
            &[400, 404],
        ),
        3 => (
            "another's profile",
            request(
                "GET",
                &format!("/proper/profiles/{}", Sandbox::ADA_ID),
                &shop.ada,
                Body::empty(),
            ),
            &[404],
        ),
        _ => (
            "a sign-up of nonsense",
            request(
                "POST",
                "/proper/profiles",
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

/// False if the connection is of no more use.
async fn ask(shop: &Shop, visitor: &mut Visitor, call: Call, dice: &mut Dice) -> bool {
    let report = &shop.report;
    let Call {
        request,
        id,
        fault,
        expected,
    } = call;
    let target = format!("{} {}", request.method(), request.uri());
    let is_strange = request.uri().path().starts_with("/strange");
    let is_hasty = request.uri().path().starts_with("/hasty");
    let is_write = request.method() == "PUT";
    let is_upload = request.method() != "GET";
    // A server may end a connection whose last answer was given before its request was read.
    if !visitor.is_ready().await {
        return false;
    }
    report.requests.fetch_add(1, Ordering::Relaxed);
    if !fault.is_empty() {
        report.fault(fault);
    }
    let before = shop.tenant.state();
    if let Expected::Left(after) = expected {
        let _ = timeout(after, async {
            let answer = visitor.send(request).await;
            let mut body = answer.ok()?.into_body();
            while dice.one_in(2) {
                body.frame().await?.ok()?;
            }
            Some(())
        })
        .await;
        shop.tenant.forget(id);
        return visitor.is_http2();
    }
    let answer = timeout(PATIENCE, async {
        let answer = visitor
            .send(request)
            .await
            .map_err(|error| format!("no answer: {error:?}"))?;
        let (parts, body) = answer.into_parts();
        let cause = parts.headers.get("x-cause");
        let cause = cause.and_then(|cause| cause.to_str().ok());
        let cause = cause.map(str::to_owned);
        let body = body.collect().await.map(|body| body.to_bytes());
        Ok::<_, String>((parts.status.as_u16(), body, cause))
    })
    .await;
    let has_arrived = shop.tenant.has_arrived(id);
    shop.tenant.forget(id);
    let is_down = is_strange && (before.1 || shop.tenant.state() != before);
    let is_good = matches!(answer, Ok(Ok((200, Ok(_), _))));
    let problem = match (answer, &expected) {
        (Err(_), _) => Some("it hangs".to_owned()),
        // The end may overtake the head.
        (Ok(Err(_)), Expected::Broken) => return false,
        (Ok(Err(problem)), _) => Some(problem),
        (Ok(Ok((status, Ok(body), cause))), Expected::Own(allowed)) => {
            let own = format!("{{\"data\":{{\"id\":{id},");
            if !allowed.contains(&status) {
                Some(format!("{status} {} {cause:?}", text(&body)))
            } else if !body.starts_with(own.as_bytes()) || !body.ends_with(b"\"}}") {
                // An outage does not explain the answer to another request.
                report.unexplained_failure(&format!("{target}: of another: {}", text(&body)));
                return false;
            } else {
                None
            }
        }
        (Ok(Ok((status, Ok(body), cause))), Expected::Status(allowed)) => {
            (!allowed.contains(&status)).then(|| format!("{status} {} {cause:?}", text(&body)))
        }
        (Ok(Ok((200, Err(_), _))), Expected::Broken) => return visitor.is_http2(),
        (Ok(Ok((502 | 504, Ok(_), _))), Expected::Broken) => None,
        (Ok(Ok((status, Ok(_), _))), _) => Some(format!("{status}, and whole")),
        (Ok(Ok((status, Err(error), _))), _) => Some(format!("{status}, broken off: {error:?}")),
    };
    let Some(problem) = problem else {
        // An answer that did not wait for its upload may be followed by the end of an HTTP/1.1
        // connection, which nobody announces.
        return visitor.is_http2() || !is_upload || is_good && fault != "early";
    };
    if is_down {
        report.fault("the tenant is away");
        return false;
    }
    // Its side of a connection that has ended is read out first.
    for _ in 0..100 {
        if shop.tenant.has_crossed(id) {
            report.fault("sent into a closed connection");
            return false;
        }
        if !is_strange {
            break;
        }
        sleep(Duration::from_millis(30)).await;
    }
    let is_given_back = problem.contains("not a result of an error");
    if is_hasty && !has_arrived && (is_write || !is_given_back) {
        // Its client cannot know, and a write may not be done twice.
        report.fault("sent into a connection that ended");
    } else {
        report.unexplained_failure(&format!("{target}: {problem}"));
    }
    false
}

fn text(body: &Bytes) -> String {
    String::from_utf8_lossy(&body[..body.len().min(120)]).into_owned()
}

/// A connection. Dropped, it is gone at once.
struct Visitor {
    address: SocketAddr,
    sender: Sender,
    connection: JoinHandle<()>,
}

enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

impl Visitor {
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

impl Drop for Visitor {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
