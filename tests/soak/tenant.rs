//! Tenants: a faulty one over HTTP/1.1, a faulty one over HTTP/2, and the sandbox.
//!
//! The query of a request names the fault that its tenant shall inject, so a failure of any other
//! request is a fault of the crate. It also has the number of the request, which every successful
//! response repeats.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use omneo_id::sandbox::Sandbox;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::dice::Dice;

/// The faults over HTTP/1.1, each with its frequency: once in this many requests.
pub(crate) const HTTP1_FAULTS: &[(&str, u64)] = &[
    ("close", 100),
    ("reset", 100),
    ("half_head", 100),
    ("garbage", 100),
    ("two_answers", 100),
    ("short_body", 100),
    ("broken_chunk", 100),
    ("reset_in_body", 100),
    ("two_lengths", 100),
    ("large_head", 300),
    ("interim", 100),
    ("early", 100),
    ("announced_close", 100),
    ("http10", 100),
    ("close_later", 100),
    ("extra_bytes", 100),
    ("stall", 4_000),
    ("stall_in_body", 4_000),
    ("slow", 200),
    ("500", 100),
    ("503", 100),
    ("404", 100),
];

/// The faults over HTTP/2, with their frequency.
pub(crate) const HTTP2_FAULTS: &[(&str, u64)] = &[
    ("reset", 50),
    ("reset_in_body", 50),
    ("early", 50),
    ("stall", 4_000),
    ("stall_in_body", 4_000),
    ("500", 50),
    ("503", 50),
    ("404", 50),
];

/// The state that the tenants share with the clients.
#[derive(Default)]
pub(crate) struct Tenant {
    is_down: AtomicBool,
    outages: AtomicUsize,
    /// Requests that arrived on an HTTP/1.1 connection after the tenant had closed its side.
    crossed: Mutex<HashSet<u64>>,
    /// Requests that arrived over HTTP/2.
    arrived: Mutex<HashSet<u64>>,
    /// How often each write was executed, until its client forgets it.
    written: Mutex<HashMap<u64, usize>>,
    duplicate_writes: AtomicUsize,
    stops: watch::Sender<usize>,
}

impl Tenant {
    /// The number of outages so far, and whether one is in progress.
    pub(crate) fn state(&self) -> (usize, bool) {
        let down = self.is_down.load(Ordering::SeqCst);
        (self.outages.load(Ordering::SeqCst), down)
    }

    /// Whether this request arrived on a connection that the tenant had closed.
    pub(crate) fn has_crossed(&self, id: u64) -> bool {
        self.crossed.lock().unwrap().remove(&id)
    }

    fn record_write(&self, id: u64) {
        let mut written = self.written.lock().unwrap();
        // Clients that disconnect early do not forget their writes.
        if written.len() > 10_000 {
            written.clear();
        }
        let times = written.entry(id).or_default();
        *times += 1;
        if *times > 1 {
            self.duplicate_writes.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Whether this request has arrived over HTTP/2.
    pub(crate) fn has_arrived(&self, id: u64) -> bool {
        self.arrived.lock().unwrap().contains(&id)
    }

    /// Removes the records of a request that is complete.
    pub(crate) fn remove_write(&self, id: u64) {
        self.written.lock().unwrap().remove(&id);
        self.arrived.lock().unwrap().remove(&id);
    }

    pub(crate) fn duplicate_writes(&self) -> usize {
        self.duplicate_writes.load(Ordering::SeqCst)
    }
}

/// Starts an outage of the HTTP/1.1 tenant every 5 to 15 s: it closes its listener and connections.
pub(crate) async fn outages(tenant: Arc<Tenant>, seed: u64) {
    let mut dice = Dice::new(seed);
    loop {
        sleep(Duration::from_millis(5_000 + dice.below(10_000))).await;
        tenant.is_down.store(true, Ordering::SeqCst);
        tenant.outages.fetch_add(1, Ordering::SeqCst);
        tenant.stops.send_modify(|count| *count += 1);
        // The accept loop ends the outage.
        while tenant.is_down.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn bind(address: SocketAddr) -> TcpListener {
    loop {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        if let Ok(()) = socket.bind(address)
            && let Ok(listener) = socket.listen(1_024)
        {
            return listener;
        }
        sleep(Duration::from_millis(1)).await;
    }
}

/// Starts the faulty tenant over HTTP/1.1, which writes raw bytes. Returns its origin.
pub(crate) async fn http1(tenant: &Arc<Tenant>) -> String {
    let mut listener = bind("127.0.0.1:0".parse().unwrap()).await;
    let address = listener.local_addr().unwrap();
    let tenant = Arc::clone(tenant);
    tokio::spawn(async move {
        let mut stops = tenant.stops.subscribe();
        loop {
            let mut down = tenant.stops.subscribe();
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stops.changed() => {
                    drop(listener);
                    sleep(Duration::from_millis(300)).await;
                    listener = bind(address).await;
                    tenant.is_down.store(false, Ordering::SeqCst);
                    continue;
                }
            };
            let Ok((stream, _)) = accepted else { continue };
            let tenant = Arc::clone(&tenant);
            tokio::spawn(async move {
                tokio::select! {
                    _ = serve(stream, &tenant) => {}
                    _ = down.changed() => {}
                }
            });
        }
    });
    format!("http://{address}")
}

/// The query and the framing of a request.
struct Command {
    id: u64,
    fault: String,
    size: usize,
    is_write: bool,
    body: Framing,
}

enum Framing {
    None,
    Length(usize),
    Chunked,
}

fn value<'a>(query: &'a str, name: &str) -> &'a str {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(key, _)| *key == name);
    values.next().map_or("", |(_, value)| value)
}

impl Command {
    fn new(method: &str, query: &str) -> Self {
        Self {
            id: value(query, "id").parse().unwrap(),
            fault: value(query, "fault").to_owned(),
            size: value(query, "size").parse().unwrap_or_default(),
            is_write: method == "PUT",
            body: Framing::None,
        }
    }

    /// The body of a successful response, which repeats the number of the request.
    fn text(&self) -> String {
        let mut text = format!("{{\"data\":{{\"id\":{},\"filler\":\"", self.id);
        text.extend(std::iter::repeat_n('x', self.size));
        text.push_str("\"}}");
        text
    }
}

async fn read_head(stream: &mut TcpStream, rest: &mut Vec<u8>) -> Option<Command> {
    let end = loop {
        if let Some(at) = rest.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(rest).await.ok()? == 0 {
            return None;
        }
    };
    let head: Vec<u8> = rest.drain(..end).collect();
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let mut words = head.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let mut command = Command::new(&method.to_ascii_uppercase(), query);
    if head.contains("\r\ntransfer-encoding: chunked") {
        command.body = Framing::Chunked;
    } else if let Some((_, length)) = head.split_once("\r\ncontent-length: ") {
        let length = length.split("\r\n").next()?.parse().ok()?;
        command.body = Framing::Length(length);
    }
    Some(command)
}

async fn read_body(stream: &mut TcpStream, rest: &mut Vec<u8>, framing: &Framing) -> Option<()> {
    loop {
        let end = match framing {
            Framing::None => Some(0),
            Framing::Length(length) => (rest.len() >= *length).then_some(*length),
            Framing::Chunked => rest
                .windows(5)
                .position(|bytes| bytes == b"0\r\n\r\n")
                .map(|at| at + 5),
        };
        if let Some(end) = end {
            rest.drain(..end);
            return Some(());
        }
        if stream.read_buf(rest).await.ok()? == 0 {
            return None;
        }
    }
}

async fn serve(mut stream: TcpStream, tenant: &Tenant) -> Option<()> {
    let mut rest = Vec::new();
    loop {
        let command = read_head(&mut stream, &mut rest).await?;
        let text = command.text();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            text.len()
        );
        if command.fault == "early" {
            stream.write_all(head.as_bytes()).await.ok()?;
            stream.write_all(text.as_bytes()).await.ok()?;
            read_body(&mut stream, &mut rest, &command.body).await?;
            continue;
        }
        read_body(&mut stream, &mut rest, &command.body).await?;
        // The client retries an idempotent request when a reused connection closes before the first
        // byte of the response (RFC 9110, section 9.2.2), so these writes may be executed twice.
        let may_repeat = matches!(&*command.fault, "close" | "reset");
        if command.is_write && !may_repeat {
            tenant.record_write(command.id);
        }
        let whole = format!("{head}{text}");
        match &*command.fault {
            "close" => return None,
            "reset" => {
                let _ = stream.set_zero_linger();
                return None;
            }
            "half_head" => {
                stream.write_all(&head.as_bytes()[..20]).await.ok()?;
                return None;
            }
            "garbage" => {
                stream
                    .write_all(b"\x16\x03\x01 not HTTP\r\n\r\n")
                    .await
                    .ok()?;
                return None;
            }
            "two_answers" => {
                let second = whole.replace(&format!(":{},", command.id), ":0,");
                let both = format!("{whole}{second}");
                stream.write_all(both.as_bytes()).await.ok()?;
                stay_open(&mut stream, tenant, rest).await;
                return None;
            }
            "extra_bytes" => {
                stream.write_all(whole.as_bytes()).await.ok()?;
                sleep(Duration::from_millis(20)).await;
                stream.write_all(b"boo").await.ok()?;
                stay_open(&mut stream, tenant, rest).await;
                return None;
            }
            "short_body" => {
                let short = &whole.as_bytes()[..whole.len() - 1];
                stream.write_all(short).await.ok()?;
                return None;
            }
            "broken_chunk" => {
                let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                let broken = format!("{head}{:x}\r\n{text}\r\nzz\r\n", text.len());
                stream.write_all(broken.as_bytes()).await.ok()?;
                return None;
            }
            "reset_in_body" => {
                let half = &whole.as_bytes()[..head.len() + 5];
                stream.write_all(half).await.ok()?;
                sleep(Duration::from_millis(1)).await;
                let _ = stream.set_zero_linger();
                return None;
            }
            "two_lengths" => {
                let two =
                    whole.replacen("content-length", "content-length: 1\r\ncontent-length", 1);
                stream.write_all(two.as_bytes()).await.ok()?;
                return None;
            }
            "large_head" => {
                let large = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(2 << 20));
                let _ = stream.write_all(large.as_bytes()).await;
                return None;
            }
            "interim" => {
                let interim = "HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n".repeat(20);
                stream.write_all(interim.as_bytes()).await.ok()?;
                stream.write_all(whole.as_bytes()).await.ok()?;
            }
            "announced_close" => {
                let closing =
                    whole.replacen("content-length", "connection: close\r\ncontent-length", 1);
                stream.write_all(closing.as_bytes()).await.ok()?;
                return None;
            }
            "http10" => {
                let http10 = format!("HTTP/1.0 200 OK\r\n\r\n{text}");
                stream.write_all(http10.as_bytes()).await.ok()?;
                return None;
            }
            "close_later" => {
                stream.write_all(whole.as_bytes()).await.ok()?;
                let mut more = [0; 1_024];
                // The client may reuse the connection before it is closed.
                if let Ok(read) = timeout(Duration::from_millis(20), stream.read(&mut more)).await {
                    let read = read.ok().filter(|read| *read > 0)?;
                    rest.extend_from_slice(&more[..read]);
                    continue;
                }
                stay_open(&mut stream, tenant, rest).await;
                return None;
            }
            "stall" => {
                // Until the client closes the connection.
                let _ = stream.read(&mut [0]).await;
                return None;
            }
            "stall_in_body" => {
                let half = &whole.as_bytes()[..head.len() + 5];
                stream.write_all(half).await.ok()?;
                let _ = stream.read(&mut [0]).await;
                return None;
            }
            "slow" => {
                for byte in whole.as_bytes().chunks(whole.len() / 10 + 1) {
                    stream.write_all(byte).await.ok()?;
                    sleep(Duration::from_millis(5)).await;
                }
            }
            status @ ("500" | "503" | "404") => {
                let other = whole.replacen("200 OK", &format!("{status} Other"), 1);
                stream.write_all(other.as_bytes()).await.ok()?;
            }
            _ => stream.write_all(whole.as_bytes()).await.ok()?,
        }
    }
}

/// Closes the sending side, and records a request that still arrives within two seconds.
async fn stay_open(stream: &mut TcpStream, tenant: &Tenant, mut rest: Vec<u8>) {
    let _ = stream.shutdown().await;
    let late = timeout(Duration::from_secs(2), read_head(stream, &mut rest));
    if let Ok(Some(command)) = late.await {
        tenant.crossed.lock().unwrap().insert(command.id);
    }
}

/// Starts the faulty tenant over HTTP/2, which shuts each connection down gracefully after a
/// second. Returns its origin.
pub(crate) async fn http2(tenant: &Arc<Tenant>) -> String {
    let listener = bind("127.0.0.1:0".parse().unwrap()).await;
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let tenant = Arc::clone(tenant);
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let tenant = Arc::clone(&tenant);
            // A duplicate delays the close of the socket. A frame that arrives after the close
            // would cause a TCP reset, which discards responses in flight.
            let Ok(stream) = stream.into_std() else {
                continue;
            };
            let held = stream.try_clone().unwrap();
            let stream = TcpStream::from_std(stream).unwrap();
            tokio::spawn(async move {
                let service =
                    service_fn(move |request| serve_request(Arc::clone(&tenant), request));
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let mut connection =
                    Box::pin(server.serve_connection(TokioIo::new(stream), service));
                tokio::select! {
                    _ = &mut connection => return,
                    () = sleep(Duration::from_secs(1)) => connection.as_mut().graceful_shutdown(),
                }
                let _ = connection.await;
                sleep(Duration::from_secs(1)).await;
                drop(held);
            });
        }
    });
    origin
}

/// A body that fails after its first frame, or stays pending if the second field is set.
struct PartialBody(Option<Bytes>, bool);

impl http_body::Body for PartialBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        match (self.0.take(), self.1) {
            (Some(bytes), _) => std::task::Poll::Ready(Some(Ok(http_body::Frame::data(bytes)))),
            (None, true) => std::task::Poll::Pending,
            (None, false) => std::task::Poll::Ready(Some(Err(std::io::Error::other("broken")))),
        }
    }
}

/// Responds to a request over HTTP/2 with the fault of its query.
async fn serve_request(
    tenant: Arc<Tenant>,
    request: Request<Incoming>,
) -> Result<Response<Body>, std::io::Error> {
    assert_eq!(request.version(), Version::HTTP_2);
    let query = request.uri().query().unwrap_or_default();
    let command = Command::new(request.method().as_str(), query);
    let text = Bytes::from(command.text());
    {
        let mut arrived = tenant.arrived.lock().unwrap();
        if arrived.len() > 10_000 {
            arrived.clear();
        }
        arrived.insert(command.id);
    }
    let respond = |status: u16, body: Body| {
        let response = Response::builder().status(status);
        let response = response.header("content-type", "application/json");
        Ok(response.body(body).unwrap())
    };
    if command.fault == "early" {
        tokio::spawn(request.into_body().collect());
        return respond(200, text.into());
    }
    if request.into_body().collect().await.is_err() {
        return Err(std::io::Error::other("the request was aborted"));
    }
    if command.is_write {
        tenant.record_write(command.id);
    }
    match &*command.fault {
        "reset" => Err(std::io::Error::other("broken")),
        "reset_in_body" => respond(200, Body::new(PartialBody(Some(text.slice(..5)), false))),
        "stall_in_body" => respond(200, Body::new(PartialBody(Some(text.slice(..5)), true))),
        "stall" => std::future::pending().await,
        status @ ("500" | "503" | "404") => respond(status.parse().unwrap(), text.into()),
        _ => respond(200, text.into()),
    }
}

/// Serves the sandbox over both protocols. Returns its origin.
pub(crate) async fn sandbox(sandbox: Sandbox) -> String {
    let listener = bind("127.0.0.1:0".parse().unwrap()).await;
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let service = TowerToHyperService::new(sandbox.clone());
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
                Ok::<_, Infallible>(())
            });
        }
    });
    origin
}
