//! Runs the compiled example as a process.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

pub(crate) const MOUNT: &str = "/id/api/v1";
pub(crate) const SECRET: &str = "8f41c02b9d7e4a36b5f0e1c97a28d364";

/// A command without the variables of the test environment.
pub(crate) fn command(flags: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary("standalone"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("OMNEO_") || text == "RUST_LOG" {
            command.env_remove(&name);
        }
    }
    command
        .args(flags)
        .envs(variables.iter().copied())
        .stdin(Stdio::null());
    command
}

/// `target/{profile}/examples/{name}`, beside `target/{profile}/deps/` with this test.
pub(crate) fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().unwrap().parent().unwrap();
    let binary = profile
        .join("examples")
        .join(name)
        .with_extension(std::env::consts::EXE_EXTENSION);
    assert!(
        binary.exists(),
        "{} is missing: `cargo build --examples`, or `cargo test` without `--test`",
        binary.display()
    );
    binary
}

/// Runs a command line that exits without serving.
pub(crate) fn run(flags: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut child = command(flags, variables)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait(&mut child);
    child.wait_with_output().unwrap()
}

/// Waits for the exit code, for at most 60 s.
pub(crate) fn wait(child: &mut Child) -> Option<i32> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if started.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("the process did not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A running server. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// The address of `/metrics`, if it is served.
    pub(crate) metrics: Option<SocketAddr>,
    /// The first line of the banner, with the address.
    pub(crate) banner: String,
    log: Arc<Mutex<String>>,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

/// The exit code and the output of a server.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Server {
    /// Starts on a free port and waits until it listens.
    pub(crate) fn start(flags: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::start_command(command(flags, variables))
    }

    /// As `start`, with this command.
    pub(crate) fn start_command(mut command: Command) -> Self {
        command.stderr(Stdio::piped());
        Self::start_with_own_stderr(command)
    }

    /// As `start`, with the stderr that this command has. The log is collected if that is a pipe.
    pub(crate) fn start_with_own_stderr(mut command: Command) -> Self {
        command.args(["--listen", "127.0.0.1:0"]);
        Self::start_as_is(command)
    }

    /// As `start_with_own_stderr`, without a flag for the address.
    pub(crate) fn start_as_is(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        // The command holds copies of the server's pipe ends.
        drop(command);
        let log = Arc::<Mutex<String>>::default();
        let stderr = child.stderr.take().map(|stderr| {
            let log = Arc::clone(&log);
            std::thread::spawn(move || {
                let mut stderr = BufReader::new(stderr);
                let mut line = String::new();
                while stderr.read_line(&mut line).unwrap() > 0 {
                    log.lock().unwrap().push_str(&line);
                    line.clear();
                }
                std::mem::take(&mut *log.lock().unwrap())
            })
        });
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut banner = String::new();
        stdout.read_line(&mut banner).unwrap();
        let address = banner
            .split_once("://")
            .and_then(|(_, url)| url.split(['/', '\n']).next()?.parse().ok());
        let Some(address) = address else {
            let _ = child.wait();
            let stderr = stderr.map(|stderr| stderr.join().unwrap());
            panic!("no server: {banner:?} {stderr:?}");
        };
        // The lines with the tenant and the address of the metrics.
        let mut head = String::new();
        for _ in 0..2 {
            stdout.read_line(&mut head).unwrap();
        }
        let metrics = head
            .split_once("Metrics: http://")
            .and_then(|(_, url)| url.split('/').next()?.parse().ok());
        let stdout = std::thread::spawn(move || {
            stdout.read_to_string(&mut head).unwrap();
            head
        });
        Self {
            child,
            address,
            metrics,
            banner,
            log,
            stdout: Some(stdout),
            stderr,
        }
    }

    /// The number of occurrences of a text in the log so far.
    pub(crate) fn logged(&self, text: &str) -> usize {
        self.log.lock().unwrap().matches(text).count()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.unwrap().success());
    }

    /// Whether the process has not exited.
    pub(crate) fn is_running(&self) -> bool {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", "0", &pid]).status();
        // A process that has exited stays until `wait`.
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        status.unwrap().success() && state.is_ok_and(|state| !state.contains(") Z "))
    }

    /// The RSS in bytes, without the pages of the program's file: those of code stay resident once
    /// they are used.
    pub(crate) fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon:"));
        let kib = line.unwrap().split_whitespace().nth(1).unwrap();
        kib.parse::<usize>().unwrap() << 10
    }

    /// Waits until the process exits.
    pub(crate) fn wait(mut self) -> Ended {
        let code = wait(&mut self.child);
        let stderr = self.stderr.take().map(|stderr| stderr.join().unwrap());
        let stderr = stderr.unwrap_or_default();
        assert_eq!(
            crate::forbidden::find(&stderr),
            None,
            "a forbidden text is in the log"
        );
        Ended {
            code,
            stdout: self.stdout.take().unwrap().join().unwrap(),
            stderr,
        }
    }

    pub(crate) fn terminate(self) -> Ended {
        self.signal("TERM");
        self.wait()
    }

    /// One request on a connection of its own.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Response<Bytes> {
        self.send_to(self.address, request).await
    }

    /// As `send`, to another address.
    pub(crate) async fn send_to(
        &self,
        address: SocketAddr,
        request: Request<Full<Bytes>>,
    ) -> Response<Bytes> {
        send_to(address, request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Response<Bytes> {
        self.send(Request::get(path).body(Full::default()).unwrap())
            .await
    }

    /// Mints a token with this API token and request body.
    pub(crate) async fn mint(&self, api_token: &str, body: &str) -> String {
        let request = Request::post(format!("{MOUNT}/auth/token"))
            .header("authorization", format!("Bearer {api_token}"))
            .header("content-type", "application/json")
            .body(Full::from(body.to_owned()))
            .unwrap();
        let response = self.send(request).await;
        let answer: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        match answer["data"]["token"].as_str() {
            Some(token) => token.to_owned(),
            None => panic!("no token: {} {answer}", response.status()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request on a connection of its own. The host is the address, unless the request has one.
pub(crate) async fn send_to(address: SocketAddr, request: Request<Full<Bytes>>) -> Response<Bytes> {
    let stream = TcpStream::connect(address).await.unwrap();
    let io = TokioIo::new(stream);
    let host = address.to_string();
    let response = if request.version() == Version::HTTP_2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
                .await
                .unwrap();
        tokio::spawn(connection);
        let (mut parts, body) = request.into_parts();
        let mut uri = parts.uri.into_parts();
        uri.scheme = Some(http::uri::Scheme::HTTP);
        uri.authority = Some(host.parse().unwrap());
        parts.uri = uri.try_into().unwrap();
        sender.send_request(Request::from_parts(parts, body)).await
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let mut request = request;
        let headers = request.headers_mut();
        headers
            .entry("host")
            .or_insert_with(|| host.parse().unwrap());
        sender.send_request(request).await
    };
    let (parts, body) = response.unwrap().into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

/// `GET` with a bearer token.
pub(crate) fn get_as(token: &str, path: &str) -> Request<Full<Bytes>> {
    Request::get(path)
        .header("authorization", format!("Bearer {token}"))
        .body(Full::default())
        .unwrap()
}
