//! What wrk and h2load cannot do for the comparison beside this file.
//!
//! `send` is an open loop: requests fall due at random (Poisson), however slow the answers to
//! earlier ones are, and how long one takes is counted from when it was due. What waits for a
//! connection, or for this program, waits on that account. `tenant` answers after a while without
//! using the processor.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{fs, iter, thread};

use bytes::Bytes;
use clap::{Args, Parser};
use http::header::{AUTHORIZATION, HOST};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use humantime::parse_duration;
use hyper::client::conn::http1 as client;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use omneo_id::error::BoxError;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::sleep;

#[derive(Parser)]
enum Role {
    Send(Client),
    Tenant(Tenant),
}

/// Sends requests when they are due. Says when it is warm, and what came of it.
#[derive(Args)]
struct Client {
    target: SocketAddr,
    path: String,
    /// Whose `authorization` is sent.
    #[arg(long)]
    token: String,
    /// Requests a second, on average.
    #[arg(long, default_value_t = 5000.0)]
    rate: f64,
    /// For how long, once warm.
    #[arg(long, value_parser = parse_duration, default_value = "5s")]
    time: Duration,
    /// Requests at first that do not count.
    #[arg(long, value_parser = parse_duration, default_value = "1s")]
    warm: Duration,
    /// Those that are idle take turns. A request that finds none waits.
    #[arg(long, default_value_t = 64)]
    connections: usize,
}

/// Answers each request after a while.
#[derive(Args)]
struct Tenant {
    listen: SocketAddr,
    #[arg(long, value_parser = parse_duration)]
    delay: Duration,
}

fn main() -> Result<(), BoxError> {
    let role = Role::parse();
    // Sleep as long as asked for, not 50 µs longer. Threads inherit it.
    fs::write("/proc/self/timerslack_ns", "1")?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    match role {
        Role::Send(options) => runtime.block_on(options.run()),
        Role::Tenant(options) => runtime.block_on(options.run()),
    }
}

type Asked = Request<Empty<Bytes>>;

struct Pool {
    /// Those that have been idle for longest first.
    idle: Mutex<VecDeque<client::SendRequest<Empty<Bytes>>>>,
    places: Semaphore,
}

impl Client {
    async fn run(self) -> Result<(), BoxError> {
        let mut idle = VecDeque::new();
        for number in 1..=self.connections {
            // A queue that overflows would keep us waiting for seconds.
            if number % 128 == 0 {
                sleep(Duration::from_millis(10)).await;
            }
            let stream = TcpStream::connect(self.target).await?;
            let (sender, connection) = client::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            idle.push_back(sender);
        }
        let pool = Arc::new(Pool {
            idle: Mutex::new(idle),
            places: Semaphore::new(self.connections),
        });
        let request = Request::get(&self.path)
            .header(HOST, self.target.to_string())
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .body(Empty::new())?;
        // The runtime's timers count milliseconds; a thread's sleep is finer.
        let (due, mut falling_due) = mpsc::unbounded_channel();
        let (rate, time, warm) = (self.rate, self.time, Instant::now() + self.warm);
        thread::spawn(move || {
            for at in schedule(rate).take_while(|at| *at < warm + time) {
                thread::sleep(at.saturating_duration_since(Instant::now()));
                let _ = due.send(at);
            }
        });
        let (mut requests, mut late, mut most) = (Vec::new(), Vec::new(), 0);
        while let Some(at) = falling_due.recv().await {
            if at >= warm && late.is_empty() {
                println!("warm");
            }
            late.extend((at >= warm).then(|| at.elapsed()));
            most = most.max(self.connections - pool.places.available_permits());
            let asked = tokio::spawn(ask(Arc::clone(&pool), request.clone(), at));
            requests.extend((at >= warm).then_some(asked));
        }
        let (mut took, sent) = (Vec::new(), requests.len());
        for request in requests {
            took.extend(request.await??);
        }
        took.sort_unstable();
        late.sort_unstable();
        println!(
            r#"{{"answers":{},"refused":{},"p50":{},"p99":{},"under_way":{most},"late_p99":{}}}"#,
            took.len(),
            sent - took.len(),
            micros(&took, 0.5),
            micros(&took, 0.99),
            micros(&late, 0.99),
        );
        Ok(())
    }
}

/// When requests are due: as far apart in each run.
fn schedule(rate: f64) -> impl Iterator<Item = Instant> {
    let (mut at, mut seed) = (Instant::now(), 0_u64);
    iter::from_fn(move || {
        // SplitMix64, <https://prng.di.unimi.it/splitmix64.c>.
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let uniform = (bits >> 11) as f64 / (1_u64 << 53) as f64;
        at += Duration::from_secs_f64(-(1.0 - uniform).ln() / rate);
        Some(at)
    })
}

/// How long the answer took; `None` if it is that there is too much to do.
async fn ask(pool: Arc<Pool>, request: Asked, due: Instant) -> Result<Option<Duration>, BoxError> {
    let _place = pool.places.acquire().await?;
    let mut connection = pool.idle.lock().unwrap().pop_front().unwrap();
    let response = connection.send_request(request).await?;
    let status = response.status();
    response.into_body().collect().await?;
    let took = match status {
        StatusCode::OK => Some(due.elapsed()),
        StatusCode::SERVICE_UNAVAILABLE => None,
        _ => return Err(status.to_string().into()),
    };
    connection.ready().await?;
    pool.idle.lock().unwrap().push_back(connection);
    Ok(took)
}

fn micros(sorted: &[Duration], share: f64) -> u128 {
    let at = (sorted.len() as f64 * share) as usize;
    sorted[at.min(sorted.len() - 1)].as_micros()
}

impl Tenant {
    async fn run(self) -> Result<(), BoxError> {
        let body = Bytes::from(format!(r#"{{"data":"{}"}}"#, "x".repeat(1024 - 11)));
        let listener = TcpListener::bind(self.listen).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            let (body, delay) = (body.clone(), self.delay);
            let service = service_fn(move |_| {
                let body = Full::new(body.clone());
                async move {
                    if !delay.is_zero() {
                        sleep(delay).await;
                    }
                    Ok::<_, Infallible>(Response::new(body))
                }
            });
            tokio::spawn(server::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    }
}
