use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

use crate::TIMEOUT;

/// The API token of the embedded sandbox, and one of its profiles.
const API_TOKEN: &str = "sandbox-api-token";
/// The profile that the tests sign in.
pub const PROFILE: &str = "6513270e-269e-4d37-b2a7-4de452e6b438";

/// A process of the standalone server, over its embedded sandbox. Killed when dropped.
pub struct Standalone {
    process: Child,
    address: SocketAddr,
}

impl Standalone {
    /// Starts on a free port with the same signing key each time, and waits until it listens.
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(binary());
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("OMNEO_") {
                command.env_remove(&name);
            }
        }
        let mut process = command
            .args(["--listen", "127.0.0.1:0", "--threads", "1", "--sandbox"])
            .args(["--log", "warn"])
            .args(["--signing-key", "8f41c02b9d7e4a36b5f0e1c97a28d364"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut banner = String::new();
        stdout.read_line(&mut banner).unwrap();
        // It would block on a full pipe.
        std::thread::spawn(move || stdout.read_to_end(&mut Vec::new()));
        let address = banner
            .split_once("http://")
            .and_then(|(_, url)| url.split('/').next());
        let address = address.unwrap_or_else(|| panic!("it does not listen: {banner:?}"));
        Self {
            address: address.parse().unwrap(),
            process,
        }
    }

    /// A new token of [`PROFILE`].
    pub fn sign_in(&self) -> String {
        let body = json!({ "id": PROFILE });
        let (status, answer) = self.send("POST", "/id/api/v1/auth/token", API_TOKEN, &body);
        assert_eq!(status, 200, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        answer["data"]["token"].as_str().unwrap().to_owned()
    }

    /// The status of `GET /profiles/me`.
    pub fn me(&self, token: &str) -> u16 {
        self.send("GET", "/id/api/v1/profiles/me", token, &Value::Null)
            .0
    }

    /// The status of `DELETE /auth/token`.
    pub fn sign_out(&self, token: &str) -> u16 {
        self.send("DELETE", "/id/api/v1/auth/token", token, &Value::Null)
            .0
    }

    /// The status of `POST /auth/revoke`.
    pub fn revoke(&self, body: &Value) -> u16 {
        self.send("POST", "/id/api/v1/auth/revoke", API_TOKEN, body)
            .0
    }

    /// Whether `/readyz` answers 200.
    pub fn is_ready(&self) -> bool {
        self.send("GET", "/readyz", "", &Value::Null).0 == 200
    }

    /// One request on a connection of its own.
    fn send(&self, method: &str, path: &str, token: &str, body: &Value) -> (u16, String) {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: id\r\nconnection: close\r\n\
             authorization: Bearer {token}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let status = response.get(9..12).and_then(|status| status.parse().ok());
        let (_, body) = response.split_once("\r\n\r\n").unwrap_or_default();
        (
            status.unwrap_or_else(|| panic!("{response:?}")),
            body.to_owned(),
        )
    }
}

impl Drop for Standalone {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The binary: that of the variable `STANDALONE`, or a debug build of this checkout.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(binary) = env::var_os("STANDALONE") {
            return binary.into();
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let target = root.join("target");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--example", "standalone"])
            .arg("--manifest-path")
            .arg(root.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&target)
            .status()
            .unwrap();
        assert!(built.success(), "the standalone server cannot be built");
        let name = format!("standalone{}", env::consts::EXE_SUFFIX);
        target.join("debug/examples").join(name)
    })
}

/// The bound of the docs: within 5 s, or 11 s if the connection was cut without a sign.
pub const BOUND: Duration = Duration::from_secs(11);
