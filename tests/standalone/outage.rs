//! A tenant that is killed under load and restarts.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::process::{MOUNT, Server, binary, get_as};

const TOKEN: &str = "sandbox-api-token";
const ADA: &str = r#"{"id":"6513270e-269e-4d37-b2a7-4de452e6b438"}"#;

/// The sandbox as a process. Killed when dropped.
struct Tenant(Child);

impl Tenant {
    /// Starts the process, waits until it listens, and returns its address.
    fn start(listen: &str) -> (Self, String) {
        let mut child = Command::new(binary("sandbox"))
            .args(["--listen", listen])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let origin = line.split_once("http://").expect("no tenant").1;
        let origin = origin.split('/').next().unwrap().trim().to_owned();
        (Self(child), origin)
    }

    /// Sends SIGKILL.
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[derive(Default)]
struct Tally {
    succeeded: AtomicUsize,
    failed: AtomicUsize,
}

impl Tally {
    fn succeeded(&self) -> usize {
        self.succeeded.load(Ordering::SeqCst)
    }

    fn failed(&self) -> usize {
        self.failed.load(Ordering::SeqCst)
    }

    async fn until(&self, reached: impl Fn(&Self) -> bool) {
        while !reached(self) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn requests_fail_only_during_the_outage() {
    let (tenant, origin) = Tenant::start("127.0.0.1:0");
    let upstream = format!("http://{origin}");
    let flags = [
        "--upstream",
        &upstream,
        "--api-token",
        TOKEN,
        "--log",
        "error",
    ];
    let server = Arc::new(Server::start(&flags, &[]));
    let token = server.mint(TOKEN, ADA).await;
    let tally = Arc::new(Tally::default());
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let (server, token) = (Arc::clone(&server), token.clone());
            let (tally, stop) = (Arc::clone(&tally), Arc::clone(&stop));
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let request = get_as(&token, &format!("{MOUNT}/profiles/me"));
                    match server.send(request).await.status().as_u16() {
                        200 => tally.succeeded.fetch_add(1, Ordering::SeqCst),
                        502 => tally.failed.fetch_add(1, Ordering::SeqCst),
                        status => panic!("{status}"),
                    };
                }
            })
        })
        .collect();
    tally.until(|tally| tally.succeeded() > 200).await;
    assert_eq!(tally.failed(), 0, "before the outage");

    tenant.kill();
    let failed = tally.failed();
    tally.until(|tally| tally.failed() > failed + 200).await;

    let (tenant, _) = Tenant::start(&origin);
    // The tenant listens: the very next request succeeds.
    let health = server
        .send(get_as(&token, &format!("{MOUNT}/profiles/me")))
        .await;
    assert_eq!(health.status(), 200);
    // 64 successes later, each of the 16 clients has finished the request that it sent before.
    let succeeded = tally.succeeded();
    tally
        .until(|tally| tally.succeeded() > succeeded + 64)
        .await;
    let failed = tally.failed();
    let succeeded = tally.succeeded();
    tally
        .until(|tally| tally.succeeded() > succeeded + 200)
        .await;
    assert_eq!(tally.failed(), failed, "after the outage");
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    drop(tenant);
}
