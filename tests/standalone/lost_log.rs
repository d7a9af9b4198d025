//! A stderr or stdout that cannot be written.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::{BufRead, BufReader, PipeReader, Write, pipe};
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process::{Server, command, wait};

const COUNTED: [&str; 2] = ["--metrics-listen", "127.0.0.1:0"];
/// More requests than log lines fit into the buffer and a pipe, with paths of this length.
const REQUESTS: usize = 6000;
const LONG_PATH: usize = 240;

fn full_device() -> Stdio {
    File::options()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

fn pipe_without_reader() -> Stdio {
    pipe().unwrap().1.into()
}

/// A pipe that is full, or about to be, and whose reader does not read.
fn full_pipe() -> (PipeReader, Stdio) {
    const CHUNK: usize = 4096;
    let (reader, writer) = pipe().unwrap();
    let mut filler = writer.try_clone().unwrap();
    let filled = Arc::new(AtomicUsize::new(0));
    std::thread::spawn({
        let filled = Arc::clone(&filled);
        // Blocks once the pipe is full, and ends when the reader is dropped.
        move || {
            while filler.write_all(&[b'\n'; CHUNK]).is_ok() {
                filled.fetch_add(CHUNK, Ordering::SeqCst);
            }
        }
    });
    while filled.load(Ordering::SeqCst) < 15 * CHUNK {
        std::thread::sleep(Duration::from_millis(1));
    }
    (reader, writer.into())
}

fn start(flags: &[&str], stderr: Stdio) -> Server {
    let mut command = command(flags, &[]);
    command.stderr(stderr);
    Server::start_with_own_stderr(command)
}

/// The metric of lost lines.
async fn lost(server: &Server) -> u64 {
    let request = http::Request::get("/metrics").body(http_body_util::Full::default());
    let metrics = server.metrics.unwrap();
    let response = server.send_to(metrics, request.unwrap()).await;
    let text = std::str::from_utf8(response.body()).unwrap().to_owned();
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("omneo_id_log_lines_lost_total "));
    value.expect("the metric").parse().unwrap()
}

/// Requests over one connection, each with a line in the log.
async fn send_requests(address: SocketAddr, times: usize) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let path = "x".repeat(LONG_PATH);
    let request = format!("HEAD /{path} HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut answer = [0; 4096];
    for number in 0..times {
        stream.write_all(request.as_bytes()).await.unwrap();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut answer)).await;
        let read = read.unwrap_or_else(|_| panic!("no answer to request {number}"));
        let head = std::str::from_utf8(&answer[..read.unwrap()]).unwrap();
        assert!(head.starts_with("HTTP/1.1 404"), "{number}: {head}");
    }
}

#[tokio::test]
async fn a_failing_log_does_not_affect_requests() {
    for stderr in [full_device(), pipe_without_reader()] {
        let server = start(&COUNTED, stderr);
        for _ in 0..3 {
            // Both are logged at INFO.
            assert_eq!(server.get("/none").await.status(), 404);
            assert_eq!(server.get("/id/api/v1/profiles/me").await.status(), 401);
        }
        while lost(&server).await < 6 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(server.terminate().code, Some(0));
    }
}

#[tokio::test]
async fn a_blocked_log_affects_neither_requests_nor_the_shutdown() {
    let (_unread, stderr) = pipe().unwrap();
    let server = start(&[], stderr.into());
    send_requests(server.address, REQUESTS).await;
    assert_eq!(server.terminate().code, Some(0));
}

#[tokio::test]
async fn lost_lines_are_counted_and_reported_later() {
    let (reader, stderr) = pipe().unwrap();
    let server = start(&COUNTED, stderr.into());
    // A scrape probes the tenant, which logs the first result only.
    assert_eq!(server.get("/readyz").await.status(), 200);
    send_requests(server.address, REQUESTS).await;
    let lost = lost(&server).await;
    assert!(lost > 0, "all lines fit: the test needs more requests");
    let (report, reported) = tokio::sync::oneshot::channel();
    let read = std::thread::spawn(move || {
        let mut log = String::new();
        let mut report = Some(report);
        for line in BufReader::new(reader).lines().map(Result::unwrap) {
            log.push_str(&line);
            log.push('\n');
            if line.contains("lines_lost=") {
                report.take().map(|report| report.send(()));
            }
        }
        log
    });
    reported.await.unwrap();
    // The log works again.
    assert_eq!(server.get("/after").await.status(), 404);
    let ended = server.terminate();
    assert_eq!(ended.code, Some(0));
    let log = read.join().unwrap();
    let written = log.lines().filter(|line| line.contains("/xxxx")).count();
    // The scrape is not in the log.
    assert_eq!(written as u64 + lost, REQUESTS as u64);
    assert!(log.contains(&format!("lines_lost={lost}")), "{lost}");
    assert!(
        log.contains("url.path=\"/after\"")
            && log.trim_end().ends_with("all connections are closed")
    );
}

#[test]
fn the_exit_code_does_not_depend_on_the_log() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (flags, code) in [(["--token-ttl", "soon"], 2), (["--listen", &taken], 1)] {
        let (_unread, full) = full_pipe();
        for stderr in [full_device(), pipe_without_reader(), full] {
            let mut command = command(&flags, &[]);
            let mut child = command
                .stdout(Stdio::null())
                .stderr(stderr)
                .spawn()
                .unwrap();
            assert_eq!(wait(&mut child), Some(code), "{flags:?}");
        }
    }
}

#[tokio::test]
async fn a_blocked_stdout_does_not_affect_the_server() {
    let (_unread, full) = full_pipe();
    for stdout in [full_device(), pipe_without_reader(), full] {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut command = command(&["--listen", &address.to_string()], &[]);
        let mut child = command
            .stdout(stdout)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while TcpStream::connect(address).await.is_err() {
            assert!(child.try_wait().unwrap().is_none(), "it has ended");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        send_requests(address, 1).await;
        let pid = child.id().to_string();
        let mut kill = std::process::Command::new("kill");
        assert!(kill.args(["-s", "TERM", &pid]).status().unwrap().success());
        assert_eq!(wait(&mut child), Some(0));
    }
}
