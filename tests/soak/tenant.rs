//! Tenants: one that breaks every rule of HTTP/1.1 when a request tells it to, one that does so
//! over HTTP/2, and one that is as it should be.
//!
//! A request says in its query what shall go wrong with it, so that what goes wrong with any other
//! is nobody's fault but ours; and which one it is, which every good answer repeats.

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

/// What can go wrong over HTTP/1.1, by name, and how often: once in so many requests.
pub(crate) const STRANGE: &[(&str, u64)] = &[
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
    ("bye", 100),
    ("old", 100),
    ("close_later", 100),
    ("extra_bytes", 100),
    ("stall", 4_000),
    ("stall_in_body", 4_000),
    ("slow", 200),
    ("500", 100),
    ("503", 100),
    ("404", 100),
];

/// And over HTTP/2.
pub(crate) const HASTY: &[(&str, u64)] = &[
    ("reset", 50),
    ("reset_in_body", 50),
    ("early", 50),
    ("stall", 4_000),
    ("stall_in_body", 4_000),
    ("500", 50),
    ("503", 50),
    ("404", 50),
];

#[derive(Default)]
pub(crate) struct Tenant {
    is_down: AtomicBool,
    outages: AtomicUsize,
    /// Requests that were sent into a connection which had been closed already: nobody could know.
    crossed: Mutex<HashSet<u64>>,
    /// Requests that have arrived over HTTP/2.
    arrived: Mutex<HashSet<u64>>,
    /// Writes that are under way or done, until they are asked for.
    written: Mutex<HashMap<u64, usize>>,
    doubled: AtomicUsize,
    going_down: watch::Sender<usize>,
}

impl Tenant {
    /// Differs from an earlier one if there was an outage since, or is one.
    pub(crate) fn state(&self) -> (usize, bool) {
        let down = self.is_down.load(Ordering::SeqCst);
        (self.outages.load(Ordering::SeqCst), down)
    }

    /// Whether this request met a connection that was over.
    pub(crate) fn has_crossed(&self, id: u64) -> bool {
        self.crossed.lock().unwrap().remove(&id)
    }

    fn writes(&self, id: u64) {
        let mut written = self.written.lock().unwrap();
        // Nobody asks for those of clients that left.
        if written.len() > 10_000 {
            written.clear();
        }
        let times = written.entry(id).or_default();
        *times += 1;
        if *times > 1 {
            self.doubled.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Whether this request has come out at the other end of a connection of HTTP/2.
    pub(crate) fn has_arrived(&self, id: u64) -> bool {
        self.arrived.lock().unwrap().contains(&id)
    }

    /// The request is over, and with it what could be done twice.
    pub(crate) fn forget(&self, id: u64) {
        self.written.lock().unwrap().remove(&id);
        self.arrived.lock().unwrap().remove(&id);
    }

    pub(crate) fn doubled(&self) -> usize {
        self.doubled.load(Ordering::SeqCst)
    }
}

/// Takes the strange tenant away now and then, with all its connections.
pub(crate) async fn outages(tenant: Arc<Tenant>, seed: u64) {
    let mut dice = Dice::new(seed);
    loop {
        sleep(Duration::from_millis(5_000 + dice.below(10_000))).await;
        tenant.is_down.store(true, Ordering::SeqCst);
        tenant.outages.fetch_add(1, Ordering::SeqCst);
        tenant.going_down.send_modify(|count| *count += 1);
        // The one who listens says when it is back.
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

/// HTTP/1.1, by hand.
pub(crate) async fn strange(tenant: &Arc<Tenant>) -> String {
    let mut listener = bind("127.0.0.1:0".parse().unwrap()).await;
    let address = listener.local_addr().unwrap();
    let tenant = Arc::clone(tenant);
    tokio::spawn(async move {
        let mut going_down = tenant.going_down.subscribe();
        loop {
            let mut down = tenant.going_down.subscribe();
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = going_down.changed() => {
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

/// What a request line says.
struct Asked {
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

impl Asked {
    fn of(method: &str, query: &str) -> Self {
        Self {
            id: value(query, "id").parse().unwrap(),
            fault: value(query, "fault").to_owned(),
            size: value(query, "size").parse().unwrap_or_default(),
            is_write: method == "PUT",
            body: Framing::None,
        }
    }

    /// The first thing in every good body.
    fn text(&self) -> String {
        let mut text = format!("{{\"data\":{{\"id\":{},\"filler\":\"", self.id);
        text.extend(std::iter::repeat_n('x', self.size));
        text.push_str("\"}}");
        text
    }
}

async fn read_head(stream: &mut TcpStream, rest: &mut Vec<u8>) -> Option<Asked> {
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
    let mut asked = Asked::of(&method.to_ascii_uppercase(), query);
    if head.contains("\r\ntransfer-encoding: chunked") {
        asked.body = Framing::Chunked;
    } else if let Some((_, length)) = head.split_once("\r\ncontent-length: ") {
        let length = length.split("\r\n").next()?.parse().ok()?;
        asked.body = Framing::Length(length);
    }
    Some(asked)
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
        let asked = read_head(&mut stream, &mut rest).await?;
        let text = asked.text();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            text.len()
        );
        if asked.fault == "early" {
            stream.write_all(head.as_bytes()).await.ok()?;
            stream.write_all(text.as_bytes()).await.ok()?;
            read_body(&mut stream, &mut rest, &asked.body).await?;
            continue;
        }
        read_body(&mut stream, &mut rest, &asked.body).await?;
        if asked.is_write {
            tenant.writes(asked.id);
        }
        let whole = format!("{head}{text}");
        match &*asked.fault {
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
                    .write_all(b"\x16\x03\x01 what is this\r\n\r\n")
                    .await
                    .ok()?;
                return None;
            }
            "two_answers" => {
                let second = whole.replace(&format!(":{},", asked.id), ":0,");
                let both = format!("{whole}{second}");
                stream.write_all(both.as_bytes()).await.ok()?;
                linger(&mut stream, tenant, rest).await;
                return None;
            }
            "extra_bytes" => {
                stream.write_all(whole.as_bytes()).await.ok()?;
                sleep(Duration::from_millis(20)).await;
                stream.write_all(b"boo").await.ok()?;
                linger(&mut stream, tenant, rest).await;
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
            "bye" => {
                let bye =
                    whole.replacen("content-length", "connection: close\r\ncontent-length", 1);
                stream.write_all(bye.as_bytes()).await.ok()?;
                return None;
            }
            "old" => {
                let old = format!("HTTP/1.0 200 OK\r\n\r\n{text}");
                stream.write_all(old.as_bytes()).await.ok()?;
                return None;
            }
            "close_later" => {
                stream.write_all(whole.as_bytes()).await.ok()?;
                let mut more = [0; 1_024];
                // Unless it is used again until then.
                if let Ok(read) = timeout(Duration::from_millis(20), stream.read(&mut more)).await {
                    let read = read.ok().filter(|read| *read > 0)?;
                    rest.extend_from_slice(&more[..read]);
                    continue;
                }
                linger(&mut stream, tenant, rest).await;
                return None;
            }
            "stall" => {
                // For ever, but for its peer.
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

/// Says goodbye, and notes who had not heard of it yet.
async fn linger(stream: &mut TcpStream, tenant: &Tenant, mut rest: Vec<u8>) {
    let _ = stream.shutdown().await;
    let late = timeout(Duration::from_secs(2), read_head(stream, &mut rest));
    if let Ok(Some(asked)) = late.await {
        tenant.crossed.lock().unwrap().insert(asked.id);
    }
}

/// HTTP/2, which also ends its connections all the time, as one should.
pub(crate) async fn hasty(tenant: &Arc<Tenant>) -> String {
    let listener = bind("127.0.0.1:0".parse().unwrap()).await;
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let tenant = Arc::clone(tenant);
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let tenant = Arc::clone(&tenant);
            // Closed later: what its client still sends would be answered by a reset, which takes
            // away answers that are on their way.
            let Ok(stream) = stream.into_std() else {
                continue;
            };
            let held = stream.try_clone().unwrap();
            let stream = TcpStream::from_std(stream).unwrap();
            tokio::spawn(async move {
                let service = service_fn(move |request| hastily(Arc::clone(&tenant), request));
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

/// A body that breaks off, or stands still, after its first bytes.
struct Half(Option<Bytes>, bool);

impl http_body::Body for Half {
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

async fn hastily(
    tenant: Arc<Tenant>,
    request: Request<Incoming>,
) -> Result<Response<Body>, std::io::Error> {
    assert_eq!(request.version(), Version::HTTP_2);
    let query = request.uri().query().unwrap_or_default();
    let asked = Asked::of(request.method().as_str(), query);
    let text = Bytes::from(asked.text());
    {
        let mut arrived = tenant.arrived.lock().unwrap();
        if arrived.len() > 10_000 {
            arrived.clear();
        }
        arrived.insert(asked.id);
    }
    let answer = |status: u16, body: Body| {
        let response = Response::builder().status(status);
        let response = response.header("content-type", "application/json");
        Ok(response.body(body).unwrap())
    };
    if asked.fault == "early" {
        tokio::spawn(request.into_body().collect());
        return answer(200, text.into());
    }
    if request.into_body().collect().await.is_err() {
        return Err(std::io::Error::other("the request broke off"));
    }
    if asked.is_write {
        tenant.writes(asked.id);
    }
    match &*asked.fault {
        "reset" => Err(std::io::Error::other("broken")),
        "reset_in_body" => answer(200, Body::new(Half(Some(text.slice(..5)), false))),
        "stall_in_body" => answer(200, Body::new(Half(Some(text.slice(..5)), true))),
        "stall" => std::future::pending().await,
        status @ ("500" | "503" | "404") => answer(status.parse().unwrap(), text.into()),
        _ => answer(200, text.into()),
    }
}

/// The sandbox, over both protocols.
pub(crate) async fn proper(sandbox: Sandbox) -> String {
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
