use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, fs, process};

use redis::{Client, Connection, FromRedisValue, cmd};

use crate::TIMEOUT;

/// A running `redis-server` on a free loopback port, with its data in a folder of its own.
pub struct Server {
    process: Option<Child>,
    folder: PathBuf,
    port: u16,
    arguments: Vec<String>,
    /// The URL of the administrator.
    url: String,
}

impl Server {
    /// A server without a password.
    pub fn start() -> Self {
        Self::with_arguments(&[], "")
    }

    /// A server whose default user has a password.
    pub fn with_password(password: &str) -> Self {
        let credentials = format!(":{password}@");
        Self::with_arguments(&["--requirepass", password], &credentials)
    }

    fn with_arguments(arguments: &[&str], credentials: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("omneo-id-redis-{}-{number}", process::id());
        let folder = env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let port = free_port();
        let mut server = Self {
            process: None,
            folder,
            port,
            arguments: arguments.iter().map(|&argument| argument.into()).collect(),
            url: format!("redis://{credentials}127.0.0.1:{port}"),
        };
        server.restart();
        server
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the data.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A URL without credentials.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Kills the server (`SIGKILL`).
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Starts the server again with the data that it has persisted.
    pub fn restart(&mut self) {
        self.kill();
        let spawned = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
            .args([
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
                "--save",
                "",
            ])
            .arg("--dir")
            .arg(&self.folder)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        let process = match spawned {
            Ok(process) => process,
            Err(error) if error.kind() == ErrorKind::NotFound => panic!(
                "these tests need a Redis server, and there is no `redis-server` in PATH; \
                 on Debian: apt-get install redis-server"
            ),
            Err(error) => panic!("redis-server cannot be started: {error}"),
        };
        self.process = Some(process);
        let end = Instant::now() + TIMEOUT;
        while self.try_connect().is_none() {
            let exited = self.process.as_mut().unwrap().try_wait().unwrap();
            assert!(exited.is_none(), "redis-server has exited: {exited:?}");
            assert!(Instant::now() < end, "redis-server does not answer");
            sleep(Duration::from_millis(10));
        }
    }

    /// The answer to a command of the administrator.
    pub fn ask<T: FromRedisValue>(&self, command: &[&str]) -> T {
        let mut connection = self.try_connect().expect("redis-server does not answer");
        let (name, arguments) = command.split_first().unwrap();
        cmd(name).arg(arguments).query(&mut connection).unwrap()
    }

    fn try_connect(&self) -> Option<Connection> {
        let client = Client::open(&*self.url).unwrap();
        let mut connection = client.get_connection().ok()?;
        // While it loads its data, it answers with an error.
        let pong: String = cmd("PING").query(&mut connection).ok()?;
        (pong == "PONG").then_some(connection)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
