//! The banner: the text that is printed at the start.

use crate::process::Server;

const README: &str = include_str!("../../README.md");

#[test]
fn the_readme_shows_the_printed_lines() {
    let server = Server::start(&[], &[]);
    let address = server.address.to_string();
    let printed = server
        .terminate()
        .stdout
        .replace(&address, "127.0.0.1:8080");
    let lines = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| line.contains("curl -s "))
            .map(str::to_owned)
            .collect()
    };
    assert!(lines(&printed).len() >= 10, "{printed}");
    assert_eq!(lines(README), lines(&printed));
}

#[test]
fn secrets_are_not_printed() {
    let secrets = [
        "--api-token",
        "the-api-token",
        "--signing-key",
        crate::process::SECRET,
    ];
    for (tenant, has_lines) in [
        (&["--upstream", "http://127.0.0.1:9"][..], false),
        (&["--sandbox"], true),
    ] {
        let flags = [&secrets, tenant].concat();
        let ended = Server::start(&flags, &[("OMNEO_ID_LOG", "debug")]).terminate();
        for text in ["curl", "$OMNEO_ID_API_TOKEN"] {
            let stdout = &ended.stdout;
            assert_eq!(stdout.contains(text), has_lines, "{stdout}");
        }
        for text in [ended.stdout, ended.stderr] {
            assert!(!text.contains("the-api-token"), "{text}");
            assert!(!text.contains(crate::process::SECRET), "{text}");
        }
    }
}
