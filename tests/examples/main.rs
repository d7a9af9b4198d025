//! Every example as a process: started with the command in its header, called with the lines of the
//! header, and checked for the responses that the header names.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod example;
mod grpc;
mod header;

use example::Example;

/// Starts an example, makes the calls of its header, and terminates it.
fn matches_its_header(name: &str, flags: &[&str]) {
    let calls = header::calls(name);
    assert!(calls.len() >= 3, "{name}: {calls:#?}");
    let example = Example::start(name, flags);
    let responses = example.run(&calls);
    assert_eq!(responses.len(), calls.len(), "{name}: {responses:#?}");
    for (call, response) in calls.iter().zip(responses) {
        for promised in &call.promised {
            assert!(
                response.contains(promised),
                "{name}: {}\nhas no {promised:?}: {response}",
                call.script
            );
        }
    }
    assert_eq!(example.terminate(), Some(0), "{name} ends in order");
}

#[test]
fn axum() {
    matches_its_header("axum", &["127.0.0.1:0"]);
}

#[test]
fn client() {
    matches_its_header("client", &["127.0.0.1:0"]);
}

#[test]
fn hyper() {
    matches_its_header("hyper", &["127.0.0.1:0"]);
}

#[test]
fn layers() {
    matches_its_header("layers", &["127.0.0.1:0"]);
}

#[test]
fn sandbox() {
    matches_its_header("sandbox", &["--listen", "127.0.0.1:0"]);
}

#[test]
fn tonic() {
    matches_its_header("tonic", &["127.0.0.1:0"]);
    matches_its_header("tonic", &["127.0.0.1:0", "all"]);
}

/// Each example is short, and has its command in the header.
#[test]
fn an_app_is_under_sixty_lines_and_its_command_is_in_the_header() {
    for name in header::EXAMPLES {
        let text = header::text(name);
        let command = format!("//! cargo run --example {name}\n");
        assert!(text.contains(&command), "{name}: {command}");
        let Some((_, app)) = text.split_once("\nfn app(") else {
            assert_eq!(*name, "sandbox", "{name} has an app()");
            continue;
        };
        let lines = app.split("\n}\n").next().unwrap().lines().count();
        assert!(lines < 60, "{name}: {lines} lines");
    }
}

/// Applications copy the examples. The sandbox does not need `ClientInfo`, a real tenant does.
#[test]
fn every_example_with_a_server_inserts_client_info() {
    let mut served = 0;
    for name in header::EXAMPLES {
        let text = header::text(name);
        if text.contains("OmneoId::builder()") {
            let client = "ClientInfo::default().add_addr(peer.ip().to_canonical())";
            assert!(text.contains(client), "{name}");
            served += 1;
        }
    }
    assert_eq!(served, 3, "there is something to check");
}
