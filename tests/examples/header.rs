//! Parses the calls in the header of an example: `# description: 200 "part of the response"`, and
//! the shell lines below it.

use std::fs;
use std::path::Path;

pub(crate) const EXAMPLES: &[&str] = &["axum", "client", "hyper", "layers", "sandbox", "tonic"];

/// Lines of shell, and the expected parts of their output.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) script: String,
    pub(crate) promised: Vec<String>,
}

pub(crate) fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/{name}.rs"));
    fs::read_to_string(path).unwrap()
}

pub(crate) fn calls(name: &str) -> Vec<Call> {
    let text = text(name);
    let header = text.lines().map_while(|line| line.strip_prefix("//!"));
    let block = header
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .skip_while(|line| *line != "```sh")
        .skip(1)
        .take_while(|line| *line != "```");
    let mut calls: Vec<Call> = Vec::new();
    for line in block.filter(|line| !line.is_empty() && !line.starts_with("cargo run ")) {
        match (line.strip_prefix("# "), calls.last_mut()) {
            (Some(comment), _) => calls.push(Call {
                script: String::new(),
                promised: promises(comment),
            }),
            (None, Some(call)) => call.script += &format!("{line}\n"),
            (None, None) => panic!("{name}: nothing is said about {line}"),
        }
    }
    for call in &calls {
        // A line with an expected response is a call; other lines set a variable.
        let sets = call.script.lines().all(|line| line.contains("=$(curl "));
        let what = &call.script;
        assert!(sets || !call.promised.is_empty(), "{name}: {what}");
        assert!(call.script.contains("curl "), "{name}: {what}");
    }
    calls
}

/// The status after the last colon, and the quoted text behind it.
fn promises(comment: &str) -> Vec<String> {
    let status_at = comment.match_indices(": ").find_map(|(at, _)| {
        let status = comment.get(at + 2..at + 5)?;
        status
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then_some(at + 2)
    });
    let Some(at) = status_at else {
        return Vec::new();
    };
    let mut promised = vec![format!("-> {}", &comment[at..at + 3])];
    let rest = comment[at + 3..].trim();
    if !rest.is_empty() {
        let quoted = serde_json::from_str::<String>(rest);
        promised.push(quoted.unwrap_or_else(|error| panic!("{rest}: {error}")));
    }
    promised
}

#[test]
fn an_expectation_is_a_status_and_quoted_text() {
    assert_eq!(promises("Ada's token"), [""; 0]);
    assert_eq!(promises("Nobody: 401"), ["-> 401"]);
    assert_eq!(promises(r#"A: b: 200 "x \"y\"""#), ["-> 200", r#"x "y""#]);
}
