//! A limit of file descriptors below the number of connections.
#![cfg(target_os = "linux")]

use std::num::NonZeroUsize;
use std::process::Command;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process::{MOUNT, Server, binary, command};
use crate::server::descriptors::Connections;
use crate::tenant::SlowTenant;

/// The server with these `ulimit` commands.
fn limited(limits: &str, flags: &[&str]) -> Command {
    let mut shell = Command::new("sh");
    let script = format!("{limits} && exec \"$0\" \"$@\"");
    shell.args(["-c", &script]).arg(binary("standalone"));
    for name in command(&[], &[]).get_envs() {
        if let (name, None) = name {
            shell.env_remove(name);
        }
    }
    shell.args(flags);
    shell
}

/// Opens the connections, then sends a request over all of them at once: all succeed.
async fn request_over(server: Server, connections: usize) -> Server {
    let token = server.mint("t", "{}").await;
    let server = Arc::new(server);
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(TcpStream::connect(server.address).await.unwrap());
    }
    let responses = open.into_iter().map(|mut stream| {
        let request = format!(
            "GET {MOUNT}/locations/1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
             authorization: Bearer {token}\r\n\r\n"
        );
        tokio::spawn(async move {
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        })
    });
    for responses in responses.collect::<Vec<_>>() {
        let answer = responses.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    Arc::into_inner(server).unwrap()
}

#[tokio::test]
async fn the_soft_limit_is_raised_to_the_hard_limit() {
    let tenant = SlowTenant::start().await;
    let origin = tenant.origin();
    let flags = ["--upstream", &origin, "--api-token", "t"];
    let server = Server::start_command(limited("ulimit -Sn 64", &flags));
    let ended = request_over(server, 150).await.terminate();
    assert_eq!(ended.code, Some(0));
    assert!(
        !ended.stderr.contains("max-connections"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn client_connections_are_limited_in_favour_of_tenant_calls() {
    let tenant = SlowTenant::start().await;
    let origin = tenant.origin();
    let flags = ["--upstream", &origin, "--api-token", "t"];
    let server = Server::start_command(limited("ulimit -n 160", &flags));
    let ended = request_over(server, 300).await.terminate();
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.contains("max-connections"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("cannot accept"), "{}", ended.stderr);
}

#[test]
fn connections_fit_into_the_descriptors() {
    let connections = |clients, tenant_calls, tenant_idle| Connections {
        clients,
        tenant_calls,
        tenant_idle,
    };
    let wanted = connections(4096, 1024, 256);
    for (descriptors, threads, expected) in [
        (usize::MAX, 2, wanted),
        (1 << 20, 2, wanted),
        (4096, 2, connections(2496, 1024, 256)),
        (1024, 2, connections(384, 384, 96)),
        (160, 2, connections(39, 39, 9)),
        (0, 2, connections(1, 1, 0)),
        (1024, 64, connections(200, 200, 1)),
    ] {
        let threads = NonZeroUsize::new(threads).unwrap();
        assert_eq!(wanted.fit(descriptors, threads), expected, "{descriptors}");
    }
    // Without calls over the network, clients get all descriptors.
    let threads = NonZeroUsize::MIN;
    assert_eq!(
        connections(4096, 0, 0).fit(1024, threads),
        connections(968, 0, 0)
    );
}
