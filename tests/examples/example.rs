//! A compiled example, started and stopped.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use crate::header::{self, Call};

/// Separates the outputs of two calls. It occurs in no response.
const MARK: &str = "\u{1}";

/// A running example. Killed when dropped.
pub(crate) struct Example {
    child: Child,
    name: &'static str,
    pub(crate) address: SocketAddr,
    /// The lines `NAME=value` of its output.
    variables: Vec<(String, String)>,
    stdout: Option<JoinHandle<()>>,
}

impl Example {
    pub(crate) fn start(name: &str, flags: &[&str]) -> Self {
        let name = header::EXAMPLES.iter().find(|known| **known == name);
        let name = name.expect("an example that is listed");
        let mut child = Command::new(binary(name))
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = || {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            line
        };
        let greeting = line();
        let address = greeting
            .split_once("http://")
            .and_then(|(_, url)| url.trim().split('/').next()?.parse().ok());
        let address = address.unwrap_or_else(|| panic!("{name} does not serve: {greeting:?}"));
        // An example with a token prints it at its start.
        let variables = match header::text(name).contains("println!(\"TOKEN=") {
            true => vec![line()],
            false => Vec::new(),
        };
        let variables = variables.iter().filter_map(|line| {
            let (name, value) = line.trim().split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        });
        let variables = variables.collect();
        // Reads the remaining output, so that the pipe never fills.
        let stdout = std::thread::spawn(move || {
            let _ = stdout.read_to_end(&mut Vec::new());
        });
        Self {
            child,
            name,
            address,
            variables,
            stdout: Some(stdout),
        }
    }

    /// The output of each call. All calls run in one shell, so variables persist.
    pub(crate) fn run(&self, calls: &[Call]) -> Vec<String> {
        let mut script = String::new();
        for call in calls {
            script += &format!("{}printf '{MARK}'\n", call.script);
        }
        // The header names the default address.
        let address = self.address.to_string();
        for default in ["127.0.0.1:8080", "127.0.0.1:8090"] {
            script = script.replace(default, &address);
        }
        let output = Command::new("sh")
            .args(["-c", &script])
            .env_remove("http_proxy")
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{} (the calls need `curl`): {errors}",
            self.name
        );
        let text = String::from_utf8_lossy(&output.stdout);
        let mut responses: Vec<String> = text.split(MARK).map(str::to_owned).collect();
        assert_eq!(responses.pop().as_deref(), Some(""), "{}", self.name);
        responses
    }

    /// Sends SIGTERM, and returns the exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", "TERM", &pid]).status();
        assert!(status.unwrap().success());
        let code = self.child.wait().unwrap().code();
        self.stdout.take().unwrap().join().unwrap();
        code
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `target/{profile}/examples/{name}`, beside `target/{profile}/deps/` with this test.
fn binary(name: &str) -> PathBuf {
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
