//! The language of comments and pages: plain technical English, in lines that fit a screen.

use std::fs;
use std::path::Path;

use super::sources::{files, root};

/// Subjects that hide which part of a program is meant, and a negation that hides a verb.
const WORDS: [&str; 5] = ["nobody", "somebody", "anybody", "everybody", "whoever"];
const NEGATION: &str = "is no ";
const MAX_COLUMNS: usize = 100;

/// One line that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    line: usize,
    rule: &'static str,
}

/// The text of a comment, or nothing where a line of code has none.
fn comment(line: &str) -> &str {
    match line.find("//") {
        // `https://` in a string is not a comment.
        Some(at) if !line[..at].ends_with(':') => &line[at..],
        _ => "",
    }
}

fn has_forbidden_word(text: &str) -> bool {
    let text = text.to_lowercase();
    text.contains(NEGATION)
        || text
            .split(|c: char| !c.is_alphanumeric())
            .any(|word| WORDS.contains(&word))
}

/// What a line of a Rust file breaks, and what a line of a page breaks.
pub(super) fn check(text: &str, is_rust: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut is_fenced = false;
    for (line, number) in text.lines().zip(1..) {
        let prose = if is_rust { comment(line) } else { line };
        let content = prose.trim_start_matches(['/', '!', ' ']);
        if content.starts_with("```") {
            is_fenced = !is_fenced;
        }
        let is_code = is_fenced || content.starts_with("```");
        if !prose.is_empty() && !is_code && has_forbidden_word(prose) {
            findings.push(Finding {
                line: number,
                rule: "word",
            });
        }
        let may_be_long = is_code || content.starts_with('|') || line.contains("://");
        if line.chars().count() > MAX_COLUMNS && !may_be_long {
            findings.push(Finding {
                line: number,
                rule: "length",
            });
        }
        // A fence of a doc comment ends with the comment at the latest.
        if is_rust && prose.is_empty() {
            is_fenced = false;
        }
    }
    findings
}

#[test]
fn comments_and_pages_are_plain_and_their_lines_short() {
    let mut broken = Vec::new();
    let mut judge = |file: &Path, is_rust: bool| {
        let text = fs::read_to_string(file).unwrap();
        for finding in check(&text, is_rust) {
            let file = file.strip_prefix(root()).unwrap().display();
            broken.push(format!("{file}:{} {}", finding.line, finding.rule));
        }
    };
    for folder in ["src", "examples", "tests", "benches"] {
        for file in files(folder, "rs") {
            judge(&file, true);
        }
    }
    for folder in ["src/docs", "benches", "tests", "examples"] {
        for extension in ["md", "html"] {
            let pages = files_if_any(folder, extension);
            pages.iter().for_each(|file| judge(file, false));
        }
    }
    for page in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        judge(&root().join(page), false);
    }
    assert!(
        broken.is_empty(),
        "{} lines:\n{}",
        broken.len(),
        broken.join("\n")
    );
}

fn files_if_any(folder: &str, extension: &str) -> Vec<std::path::PathBuf> {
    let has = |kind: &str| kind == extension;
    match (folder, extension) {
        (_, "md") if folder != "examples" => files(folder, extension),
        ("examples", _) if has("html") => files(folder, extension),
        _ => Vec::new(),
    }
}

#[test]
fn planted_lines_are_seen() {
    let word = |line| Finding { line, rule: "word" };
    let length = |line| Finding {
        line,
        rule: "length",
    };
    assert_eq!(
        check("/// Nobody reads it.\nlet nobody = 1;", true),
        [word(1)]
    );
    assert_eq!(check("let x = 1; // there is no use", true), [word(1)]);
    assert_eq!(
        check("It is no name.\n\n```\nnobody\n```\n", false),
        [word(1)]
    );
    let long = "a ".repeat(60);
    assert_eq!(check(&format!("//{long}"), true), [length(1)]);
    assert_eq!(check(&format!("let x = {long};"), true), [length(1)]);
    for allowed in [
        format!("| {long} |"),
        format!("```\n{long}\n```"),
        format!("See https://example.com/{long}"),
    ] {
        assert_eq!(check(&allowed, false), [], "{allowed}");
    }
}
