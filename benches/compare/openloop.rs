//! The open-loop load generator and the slow tenant of the comparison beside this file.
//!
//! `send` is an open loop, which wrk and h2load do not offer. Requests are due at random times (a
//! Poisson process), independent of the latency of earlier responses. Latency counts from the time
//! at which a request was due, so it includes the wait for a connection and for this program.
//! `tenant` responds to each request after a delay, without using the processor.
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
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::sleep;

#[derive(Parser)]
enum Role {
    Send(Client),
    Tenant(Tenant),
}

/// Sends requests when they are due. Prints a line after the warm-up, and the result at the end.
#[derive(Args)]
struct Client {
    target: SocketAddr,
    path: String,
    /// The ID token that is sent.
    #[arg(long)]
    token: String,
    /// The average number of requests per second.
    #[arg(long, default_value_t = 5000.0)]
    rate: f64,
    /// The duration after the warm-up.
    #[arg(long, value_parser = parse_duration, default_value = "5s")]
    time: Duration,
    /// The duration of the warm-up, whose requests do not count.
    #[arg(long, value_parser = parse_duration, default_value = "1s")]
    warm: Duration,
    /// The number of connections, used in turn. A request waits if none is idle.
    #[arg(long, default_value_t = 64)]
    connections: usize,
}

/// Responds to each request after a delay.
#[derive(Args)]
struct Tenant {
    listen: SocketAddr,
    #[arg(long, value_parser = parse_duration)]
    delay: Duration,
}

fn main() -> Result<(), BoxError> {
    let role = Role::parse();
    // The default timer slack adds up to 50 µs to a sleep. Threads inherit the value.
    fs::write("/proc/self/timerslack_ns", "1")?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    match role {
        Role::Send(options) => runtime.block_on(options.run()),
        Role::Tenant(options) => runtime.block_on(options.run()),
    }
}

type EmptyRequest = Request<Empty<Bytes>>;

struct Pool {
    /// The connection that was idle for longest is the first.
    idle: Mutex<VecDeque<client::SendRequest<Empty<Bytes>>>>,
    /// One permit for each idle connection.
    permits: Semaphore,
}

impl Client {
    async fn run(self) -> Result<(), BoxError> {
        let mut idle = VecDeque::new();
        for number in 1..=self.connections {
            // An overflow of the server's accept queue would delay a connection for seconds.
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
            permits: Semaphore::new(self.connections),
        });
        let request = Request::get(&self.path)
            .header(HOST, self.target.to_string())
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .body(Empty::new())?;
        // A thread, because the timers of tokio have a resolution of 1 ms.
        let (start_sender, mut start_times) = mpsc::unbounded_channel();
        let (rate, time, warm) = (self.rate, self.time, Instant::now() + self.warm);
        thread::spawn(move || {
            for at in schedule(rate).take_while(|at| *at < warm + time) {
                thread::sleep(at.saturating_duration_since(Instant::now()));
                let _ = start_sender.send(at);
            }
        });
        let (mut requests, mut delays, mut max_in_flight) = (Vec::new(), Vec::new(), 0);
        while let Some(at) = start_times.recv().await {
            if at >= warm && delays.is_empty() {
                println!("warm");
            }
            delays.extend((at >= warm).then(|| at.elapsed()));
            max_in_flight = max_in_flight.max(self.connections - pool.permits.available_permits());
            let sent = tokio::spawn(send(Arc::clone(&pool), request.clone(), at));
            requests.extend((at >= warm).then_some(sent));
        }
        let (mut latencies, sent) = (Vec::new(), requests.len());
        for request in requests {
            latencies.extend(request.await??);
        }
        latencies.sort_unstable();
        delays.sort_unstable();
        let result = json!({
            "answers": latencies.len(),
            "refused": sent - latencies.len(),
            "p50": micros(&latencies, 0.5),
            "p99": micros(&latencies, 0.99),
            "in_flight": max_in_flight,
            "late_p99": micros(&delays, 0.99),
        });
        println!("{result}");
        Ok(())
    }
}

/// The times at which requests are due: a Poisson process, the same in each run.
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

/// The latency of a 200 response since `start_sender`; `None` for a 503.
async fn send(
    pool: Arc<Pool>,
    request: EmptyRequest,
    start_sender: Instant,
) -> Result<Option<Duration>, BoxError> {
    let _permit = pool.permits.acquire().await?;
    let mut connection = pool.idle.lock().unwrap().pop_front().unwrap();
    let response = connection.send_request(request).await?;
    let status = response.status();
    response.into_body().collect().await?;
    let latency = match status {
        StatusCode::OK => Some(start_sender.elapsed()),
        StatusCode::SERVICE_UNAVAILABLE => None,
        _ => return Err(status.to_string().into()),
    };
    connection.ready().await?;
    pool.idle.lock().unwrap().push_back(connection);
    Ok(latency)
}

/// A quantile in microseconds.
fn micros(sorted: &[Duration], share: f64) -> u64 {
    let at = (sorted.len() as f64 * share) as usize;
    sorted[at.min(sorted.len() - 1)].as_micros() as u64
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
