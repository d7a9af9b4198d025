//! A tenant that is killed in the middle of everything, and comes back.

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
    /// Starts, and waits until it listens. Returns where.
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

    /// As by `kill -9`.
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
    good: AtomicUsize,
    bad: AtomicUsize,
}

impl Tally {
    fn good(&self) -> usize {
        self.good.load(Ordering::SeqCst)
    }

    fn bad(&self) -> usize {
        self.bad.load(Ordering::SeqCst)
    }

    async fn until(&self, reached: impl Fn(&Self) -> bool) {
        while !reached(self) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn errors_follow_the_outage_and_nothing_else() {
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
    let visitors: Vec<_> = (0..16)
        .map(|_| {
            let (server, token) = (Arc::clone(&server), token.clone());
            let (tally, stop) = (Arc::clone(&tally), Arc::clone(&stop));
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let request = get_as(&token, &format!("{MOUNT}/profiles/me"));
                    match server.send(request).await.status().as_u16() {
                        200 => tally.good.fetch_add(1, Ordering::SeqCst),
                        502 => tally.bad.fetch_add(1, Ordering::SeqCst),
                        status => panic!("{status}"),
                    };
                }
            })
        })
        .collect();
    tally.until(|tally| tally.good() > 200).await;
    assert_eq!(tally.bad(), 0, "before it");

    tenant.kill();
    let bad = tally.bad();
    tally.until(|tally| tally.bad() > bad + 200).await;

    let (tenant, _) = Tenant::start(&origin);
    // It listens: whoever asks from now on is answered, beginning with the very first.
    let health = server
        .send(get_as(&token, &format!("{MOUNT}/profiles/me")))
        .await;
    assert_eq!(health.status(), 200);
    // Those who asked before it listened have their answer by the time each has had another.
    let good = tally.good();
    tally.until(|tally| tally.good() > good + 64).await;
    let bad = tally.bad();
    let good = tally.good();
    tally.until(|tally| tally.good() > good + 200).await;
    assert_eq!(tally.bad(), bad, "after it");
    stop.store(true, Ordering::SeqCst);
    for visitor in visitors {
        visitor.await.unwrap();
    }
    drop(tenant);
}
