//! Mixed load on the whole of Omneo ID with injected faults of its tenants and clients:
//! `cargo run --release --example soak -- --minutes 30`. See the README beside this file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod dice;
mod load;
mod tenant;

use std::collections::HashMap;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::response::Response;
use clap::Parser;
use load::{Report, Shop};
use mimalloc::MiMalloc;
use omneo_id::client::HttpClient;
use omneo_id::sandbox::{Sandbox, TestTokens};
use omneo_id::{Keyring, OmneoId, Rejection, SigningKey};
use tenant::Tenant;
use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};
use tokio::time::sleep;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[derive(Parser)]
#[command(about = "Mixed load with injected faults; counts the failures that they do not explain")]
struct Options {
    /// The duration of the load.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// The number of concurrent clients.
    #[arg(long, default_value_t = 48)]
    clients: usize,
    /// The seed of the random numbers. Default is a random seed.
    #[arg(long)]
    seed: Option<u64>,
}

/// Long enough for a machine under other load.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let options = Options::parse();
    Runtime::new().unwrap().block_on(run(options))
}

async fn run(options: Options) -> ExitCode {
    let seed = options.seed.unwrap_or_else(dice::random_seed);
    let secret = "a secret that is longer than thirty-two bytes";
    let ring = Keyring::new(SigningKey::hs256(secret).unwrap());
    let tenant = Arc::new(Tenant::default());
    let sandbox = Sandbox::new();
    let http1 = tenant::http1(&tenant).await;
    let http2 = tenant::http2(&tenant).await;
    let healthy = tenant::sandbox(sandbox.clone()).await;
    let facade = |origin: &str, is_http2: bool| {
        let client = HttpClient::builder().pool_idle_timeout(IDLE);
        let client = match is_http2 {
            true => client.http2_only(),
            false => client,
        };
        OmneoId::builder()
            .upstream(origin)
            .unwrap()
            .api_token(Sandbox::API_TOKEN)
            .keyring(ring.clone())
            .head_timeout(HEAD_TIMEOUT)
            .body_idle_timeout(BODY_TIMEOUT)
            .build_with_client(client.build().unwrap())
            .unwrap()
    };
    let app = Router::new()
        .nest_service("/http1", facade(&http1, false))
        .nest_service("/http2", facade(&http2, true))
        .nest_service("/healthy-http1", facade(&healthy, false))
        .nest_service("/healthy-http2", facade(&healthy, true));
    let app = app.layer(axum::middleware::map_response(with_cause));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let tokens = TestTokens::new(&ring).unwrap();
    let shop = Arc::new(Shop {
        address,
        tenant: Arc::clone(&tenant),
        ada: tokens.valid(Sandbox::ADA_ID),
        anonymous: tokens.anonymous(),
        invalid: vec![
            tokens.expired(Sandbox::ADA_ID),
            tokens.foreign(Sandbox::ADA_ID),
            tokens.malformed(),
        ],
        report: Report::default(),
    });
    let outages = tokio::spawn(tenant::outages(Arc::clone(&tenant), seed));
    // The baseline without load.
    sleep(Duration::from_millis(200)).await;
    let (tasks, sockets) = (tasks(), sockets());
    println!(
        "seed {seed}, {} clients, {} minutes",
        options.clients, options.minutes
    );

    let began = Instant::now();
    let end = began + Duration::from_secs_f64(options.minutes * 60.0);
    let clients: Vec<_> = (0..options.clients)
        .map(|number| {
            tokio::spawn(load::run_client(
                Arc::clone(&shop),
                seed ^ (number as u64 + 1) << 20,
                end,
            ))
        })
        .collect();
    // Caches and pools are full after the warm-up.
    let warm_up = Duration::from_secs_f64((options.minutes * 60.0 / 4.0).min(60.0));
    sleep(warm_up).await;
    let at_start = resident();
    let mut next = Instant::now();
    while Instant::now() < end {
        if next <= Instant::now() {
            let report = &shop.report;
            println!(
                "{:>5} s  {:>9} requests  {:>8} faults  {} unexplained  {} MiB",
                began.elapsed().as_secs(),
                report.requests(),
                report.faults(),
                report.unexplained(),
                resident() >> 20,
            );
            next += Duration::from_secs(60);
        }
        sleep(Duration::from_millis(200)).await;
    }
    for client in clients {
        client.await.unwrap();
    }
    outages.abort();
    let at_end = resident();
    // Idle connections are closed after their timeout.
    let deadline = Instant::now() + Duration::from_secs(60);
    while (self::tasks() > tasks || self::sockets() > sockets) && Instant::now() < deadline {
        sleep(Duration::from_millis(200)).await;
    }
    let duplicates = profiles_by_email(&sandbox)
        .into_values()
        .filter(|count| *count > 1)
        .count();
    let report = &shop.report;
    for (name, count) in report.by_fault() {
        println!("{count:>9}  {name}");
    }
    println!("requests              {}", report.requests());
    println!("faults injected       {}", report.faults());
    println!("unexplained failures  {}", report.unexplained());
    println!("writes executed twice {}", tenant.duplicate_writes());
    println!("duplicate profiles    {duplicates}");
    println!("resident, warmed up   {} MiB", at_start >> 20);
    println!("resident, at the end  {} MiB", at_end >> 20);
    println!(
        "tasks                 {} before, {} after",
        tasks,
        self::tasks()
    );
    println!(
        "sockets               {} before, {} after",
        sockets,
        self::sockets()
    );
    let has_passed = report.unexplained() == 0
        && report.faults() > 0
        && tenant.duplicate_writes() == 0
        && duplicates == 0
        && self::tasks() <= tasks
        && self::sockets() <= sockets
        && at_end <= at_start + (64 << 20);
    println!("{}", if has_passed { "passed" } else { "FAILED" });
    match has_passed {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Adds the cause of a rejection to the response, for the report. A real server does not.
async fn with_cause(mut response: Response) -> Response {
    if let Some(rejection) = response.extensions().get::<Rejection>() {
        let mut cause = format!("{:?}", rejection.kind());
        let mut source = rejection.source();
        while let Some(error) = source {
            cause = format!("{cause}: {error}");
            source = error.source();
        }
        if let Ok(cause) = cause.parse() {
            response.headers_mut().insert("x-cause", cause);
        }
    }
    response
}

/// The number of profiles with each address.
fn profiles_by_email(sandbox: &Sandbox) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for profile in sandbox.profiles() {
        if let Some(email) = profile["email"].as_str() {
            *counts.entry(email.to_lowercase()).or_default() += 1;
        }
    }
    counts
}

/// The number of tasks of the runtime.
fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// The number of open sockets of the process.
fn sockets() -> usize {
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter(|target| target.to_string_lossy().starts_with("socket:"))
        .count()
}

/// The resident memory in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}
