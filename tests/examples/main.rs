//! Every example as a process: started as its header says, called with the lines that stand there,
//! and answering what they promise.
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

/// Starts an example, makes its header's calls, and ends it.
fn keeps_its_word(name: &str, flags: &[&str]) {
    let calls = header::calls(name);
    assert!(calls.len() >= 3, "{name}: {calls:#?}");
    let example = Example::start(name, flags);
    let answers = example.run(&calls);
    assert_eq!(answers.len(), calls.len(), "{name}: {answers:#?}");
    for (call, answer) in calls.iter().zip(answers) {
        for promised in &call.promised {
            assert!(
                answer.contains(promised),
                "{name}: {}\nhas no {promised:?}: {answer}",
                call.script
            );
        }
    }
    assert_eq!(example.terminate(), Some(0), "{name} ends in order");
}

#[test]
fn axum() {
    keeps_its_word("axum", &["127.0.0.1:0"]);
}

#[test]
fn client() {
    keeps_its_word("client", &["127.0.0.1:0"]);
}

#[test]
fn hyper() {
    keeps_its_word("hyper", &["127.0.0.1:0"]);
}

#[test]
fn layers() {
    keeps_its_word("layers", &["127.0.0.1:0"]);
}

#[test]
fn sandbox() {
    keeps_its_word("sandbox", &["--listen", "127.0.0.1:0"]);
}

#[test]
fn tonic() {
    keeps_its_word("tonic", &["127.0.0.1:0"]);
    keeps_its_word("tonic", &["127.0.0.1:0", "all"]);
}

/// Each is small enough to be read at once, and says how it is started.
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

/// Who copies one with a tenant behind it copies that, too: the sandbox would not miss it.
#[test]
fn whoever_serves_omneo_id_tells_the_tenant_of_its_clients() {
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
