//! Several listeners: TCP, Unix sockets, and sockets of a service manager.
#![cfg(unix)]

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::process::{Server, binary, command, run};
use crate::raw_client::{PATIENCE, REQUEST, read_response, status};
use crate::temporary::Directory;

/// A server with these addresses, besides that of the tests.
fn start(addresses: &[&str], flags: &[&str]) -> Server {
    let listen = addresses.iter().flat_map(|address| ["--listen", address]);
    Server::start(
        &listen.chain(flags.iter().copied()).collect::<Vec<_>>(),
        &[],
    )
}

fn unix(path: &Path) -> String {
    format!("unix:{}", path.display())
}

/// A port that was free a moment ago.
fn free_port() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

async fn request_over_unix(path: &Path) {
    let mut stream = UnixStream::connect(path).await.unwrap();
    for _ in 0..2 {
        stream.write_all(REQUEST).await.unwrap();
        let (head, _) = read_response(&mut stream).await;
        assert_eq!(status(head.as_bytes()), "200");
    }
}

async fn request_over_tcp(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    let (head, _) = read_response(&mut stream).await;
    assert_eq!(status(head.as_bytes()), "200");
}

fn is_socket(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
}

#[tokio::test]
async fn all_listeners_are_served() {
    let directory = Directory::new();
    let (first, second) = (directory.join("a.sock"), directory.join("b.sock"));
    let address = free_port();
    let server = start(&[&address.to_string(), &unix(&first), &unix(&second)], &[]);
    for _ in 0..3 {
        request_over_tcp(address).await;
        request_over_unix(&first).await;
        request_over_unix(&second).await;
    }
    let stdout = server.terminate().stdout;
    for address in [address.to_string(), unix(&first), unix(&second)] {
        assert!(stdout.contains(&address), "{stdout}");
    }
    // The files are removed at the end.
    assert!(!first.exists() && !second.exists());
}

#[tokio::test]
async fn all_listeners_share_one_limit_of_connections() {
    let directory = Directory::new();
    let path = directory.join("a.sock");
    let server = start(&[&unix(&path)], &["--max-connections", "2"]);
    let mut open = TcpStream::connect(server.address).await.unwrap();
    open.write_all(REQUEST).await.unwrap();
    read_response(&mut open).await;
    let mut other = UnixStream::connect(&path).await.unwrap();
    other.write_all(REQUEST).await.unwrap();
    read_response(&mut other).await;
    // Above the limit: accepted once one of the others has been closed.
    let mut waiting = UnixStream::connect(&path).await.unwrap();
    waiting.write_all(REQUEST).await.unwrap();
    let early = timeout(std::time::Duration::from_millis(300), waiting.read_u8()).await;
    assert!(early.is_err(), "a connection above the limit is served");
    drop(open);
    timeout(PATIENCE, waiting.read_u8()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_socket_file_of_a_dead_server_is_replaced() {
    let directory = Directory::new();
    let path = directory.join("a.sock");
    let server = start(&[&unix(&path)], &[]);
    server.signal("KILL");
    server.wait();
    assert!(is_socket(&path));
    let server = start(&[&unix(&path)], &[]);
    request_over_unix(&path).await;
    server.terminate();
    assert!(!path.exists());
}

#[tokio::test]
async fn a_socket_file_of_a_running_server_is_an_error() {
    let directory = Directory::new();
    let path = directory.join("a.sock");
    let _server = start(&[&unix(&path)], &[]);
    let output = run(&["--listen", &unix(&path)], &[]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    let expected = format!("error: cannot listen on {}: ", unix(&path));
    assert!(error.contains(&expected), "{error}");
    request_over_unix(&path).await;
}

#[test]
fn other_files_are_not_replaced() {
    let directory = Directory::new();
    let path = directory.join("a.sock");
    std::fs::write(&path, "precious").unwrap();
    let output = run(&["--listen", &unix(&path)], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    let missing = unix(&directory.join("missing/a.sock"));
    assert_eq!(run(&["--listen", &missing], &[]).status.code(), Some(1));
}

#[tokio::test]
async fn a_failed_start_removes_its_socket_file() {
    let directory = Directory::new();
    let path = directory.join("a.sock");
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = busy.local_addr().map(|address| (busy, address)).unwrap();
    let output = run(
        &["--listen", &unix(&path), "--listen", &busy.1.to_string()],
        &[],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(!path.exists());
}

#[tokio::test]
async fn the_file_of_the_next_server_is_not_removed() {
    let directory = Directory::new();
    let path = directory.join("a.sock");
    let server = start(&[&unix(&path)], &[]);
    // Another process has replaced the file.
    std::fs::remove_file(&path).unwrap();
    let next = start(&[&unix(&path)], &[]);
    server.terminate();
    request_over_unix(&path).await;
    next.terminate();
    assert!(!path.exists());
}

#[tokio::test]
async fn the_queues_of_all_listeners_are_served_at_the_shutdown() {
    let directory = Directory::new();
    let path = directory.join("a.sock");
    let server = start(&[&unix(&path)], &["--max-connections", "1"]);
    let mut first = TcpStream::connect(server.address).await.unwrap();
    first.write_all(REQUEST).await.unwrap();
    read_response(&mut first).await;
    // Above the limit: only the kernel accepts these connections.
    let (mut tcp, mut unix) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(REQUEST).await.unwrap();
        tcp.push(stream);
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream.write_all(REQUEST).await.unwrap();
        unix.push(stream);
    }
    server.signal("TERM");
    for (mut tcp, mut unix) in tcp.into_iter().zip(unix) {
        let mut answers = [String::new(), String::new()];
        tcp.read_to_string(&mut answers[0]).await.unwrap();
        unix.read_to_string(&mut answers[1]).await.unwrap();
        for answer in answers {
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
            assert!(answer.contains("connection: close"), "{answer:?}");
        }
    }
    assert_eq!(server.wait().code, Some(0));
}

/// A command that inherits a socket as descriptor 3, as from systemd.
fn with_socket(socket: OwnedFd, pid: &str) -> Command {
    let script = format!("exec 3<&0 0</dev/null; LISTEN_PID={pid} LISTEN_FDS=1 exec \"$0\" \"$@\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).arg(binary("standalone"));
    for name in command(&[], &[]).get_envs() {
        if let (name, None) = name {
            shell.env_remove(name);
        }
    }
    shell.stdin(Stdio::from(socket));
    shell
}

#[tokio::test]
async fn an_inherited_tcp_socket_is_served() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    // The service manager accepts connections before the server runs.
    let early = tokio::spawn(request_over_tcp(address));
    let server = Server::start_command(with_socket(socket.into(), "$$"));
    timeout(PATIENCE, early).await.unwrap().unwrap();
    request_over_tcp(address).await;
    // In addition to the flag.
    request_over_tcp(server.address).await;
    assert_eq!(server.terminate().code, Some(0));
}

#[tokio::test]
async fn an_inherited_socket_replaces_the_default_address() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut command = with_socket(socket.into(), "$$");
    command.stderr(Stdio::piped());
    let server = Server::start_as_is(command);
    assert_eq!(server.address, address);
    request_over_tcp(address).await;
    let stdout = server.terminate().stdout;
    assert!(!stdout.contains("127.0.0.1:8080"), "{stdout}");
}

#[tokio::test]
async fn an_inherited_unix_socket_is_served_and_its_file_stays() {
    let directory = Directory::new();
    let path = directory.join("a.sock");
    let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let server = Server::start_command(with_socket(socket.into(), "$$"));
    request_over_unix(&path).await;
    assert_eq!(server.terminate().code, Some(0));
    assert!(is_socket(&path));
}

#[tokio::test]
async fn a_socket_for_another_process_is_not_used() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let server = Server::start_command(with_socket(socket.into(), "1"));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    request_over_tcp(server.address).await;
    // Served by no process: the connection is reset at the end of the server.
    server.terminate();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty(), "{answer:?}");
}

#[test]
fn an_inherited_file_that_is_not_a_socket_is_an_error() {
    let file = std::fs::File::open("/dev/null").unwrap();
    let mut command = with_socket(file.into(), "$$");
    let output = command.stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("cannot use an inherited socket"), "{error}");
}
