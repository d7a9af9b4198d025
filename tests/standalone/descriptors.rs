//! A limit of file descriptors below the number of connections.
#![cfg(target_os = "linux")]

use std::num::NonZeroUsize;
use std::process::Command;
use std::sync::Arc;

use omneo_id::sandbox::Sandbox;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::brands::{ConfigFile, SETTINGS, Tenant, mint};
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

/// Each tenant is an origin of its own.
#[tokio::test]
async fn idle_connections_to_many_tenants_leave_descriptors_for_clients() {
    let mut sections = Vec::new();
    for index in 0..150 {
        let tenant = Tenant::start("token").await;
        sections.push(tenant.section(&format!("t{index}"), ""));
    }
    let file = ConfigFile::new(SETTINGS, &sections);
    let path = file.path();
    let flags = ["--config", path.to_str().unwrap(), "--threads", "1"];
    let server = Server::start_command(limited("ulimit -n 160", &flags));
    for index in 0..150 {
        let host = format!("api.t{index}.shop.example");
        let (status, _) = mint(&server, &host, "token", Sandbox::ADA_ID).await;
        assert_eq!(status, 200, "{host}");
    }
    let mut clients = Vec::new();
    for _ in 0..40 {
        let mut client = TcpStream::connect(server.address).await.unwrap();
        let request = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
        client.write_all(request).await.unwrap();
        let mut head = [0; 12];
        client.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200");
        clients.push(client);
    }
    drop(clients);
    let ended = server.terminate();
    assert_eq!(ended.code, Some(0));
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
    for (descriptors, reserved, threads, expected) in [
        (usize::MAX, 0, 2, wanted),
        (1 << 20, 0, 2, wanted),
        (1 << 20, 20_000, 2, wanted),
        (4096, 0, 2, connections(2752, 1024, 256)),
        (4096, 1000, 2, connections(1752, 1024, 256)),
        (1024, 0, 2, connections(384, 384, 192)),
        (1024, 400, 2, connections(224, 224, 112)),
        (160, 0, 2, connections(39, 39, 18)),
        (0, 0, 2, connections(1, 1, 0)),
        (1024, 2000, 2, connections(1, 1, 0)),
        (1024, 0, 64, connections(200, 200, 64)),
        (2048, 0, 3, connections(859, 859, 256)),
    ] {
        let threads = NonZeroUsize::new(threads).unwrap();
        let fitting = wanted.fit(descriptors, reserved, threads);
        assert_eq!(fitting, expected, "{descriptors} {reserved} {threads}");
    }
    // Without calls over the network, clients get all descriptors that are not reserved.
    let threads = NonZeroUsize::MIN;
    for (reserved, clients) in [(0, 968), (100, 868)] {
        assert_eq!(
            connections(4096, 0, 0).fit(1024, reserved, threads),
            connections(clients, 0, 0)
        );
    }
}

/// For any limit above the descriptors of the process itself, all connections fit into it.
#[test]
fn the_descriptors_of_all_connections_are_within_the_limit() {
    let wanted = Connections {
        clients: 4096,
        tenant_calls: 1024,
        tenant_idle: 256,
    };
    for threads in [1, 2, 3, 7, 64] {
        for descriptors in (48 + threads * 8 + 2..9000).step_by(13) {
            for reserved in [0, 2, 2 * 236, 2 * 1000] {
                let per_thread = NonZeroUsize::new(threads).unwrap();
                let fitting = wanted.fit(descriptors, reserved, per_thread);
                // Each thread has an equal part of the idle connections, rounded up.
                let idle = fitting.tenant_idle.next_multiple_of(threads);
                let used = fitting.clients + fitting.tenant_calls + idle;
                let own = 48 + threads * 8;
                let limit = descriptors.max(own + reserved + 2);
                assert!(own + reserved + used <= limit, "{descriptors}: {fitting:?}");
            }
        }
    }
}
