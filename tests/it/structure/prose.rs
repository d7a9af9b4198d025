//! The language of comments and pages: plain technical English, in lines of at most 100 columns.

use std::path::Path;

use super::sources::{files, read, relative, root};

/// Subjects that hide which part of a program is meant.
const WORDS: [&str; 5] = ["nobody", "somebody", "anybody", "everybody", "whoever"];

/// A negation that hides a verb, and idioms in place of a technical verb.
const PHRASES: [&str; 17] = [
    "is no",
    "are of no use",
    "is of no use",
    "break off",
    "breaks off",
    "broken off",
    "for ever",
    "give back",
    "given back",
    "gives back",
    "go away",
    "goes away",
    "in its hands",
    "in their hands",
    "let go",
    "lets go",
    "under way",
];

const MAX_COLUMNS: usize = 100;
/// A string literal of this length may exceed the columns.
const MIN_LITERAL: usize = 40;

/// The trees and files that are checked.
const TREES: [&str; 5] = ["src", "examples", "tests", "benches", ".ci"];
const PAGES: [&str; 3] = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"];

/// Files of others, and data.
const SKIPPED: [&str; 5] = [
    "tests/data",
    "tests/it/data",
    "tests/fuzz/corpus",
    "package-lock.json",
    "Cargo.lock",
];

/// Where the prose of a file is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Language {
    /// In `//` comments. The lines of code are short, too.
    Rust,
    /// In all lines.
    Page,
    /// In the comments that begin with this mark.
    Script(&'static str),
    /// In `#` comments and in docstrings.
    Python,
}

impl Language {
    /// The language of a file; `None` for data.
    fn of_file(path: &Path) -> Option<Self> {
        let Some(extension) = path.extension() else {
            let is_tool = path.parent()?.file_name()? == ".ci";
            return is_tool.then_some(Self::Script("#"));
        };
        match extension.to_str()? {
            "rs" => Some(Self::Rust),
            "md" | "html" => Some(Self::Page),
            "js" | "mjs" => Some(Self::Script("//")),
            "css" => Some(Self::Script("/*")),
            "lua" => Some(Self::Script("--")),
            "toml" | "cfg" | "conf" => Some(Self::Script("#")),
            "py" => Some(Self::Python),
            _ => None,
        }
    }
}

/// The rule that a line breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Word,
    Length,
}

/// The comment of a line, or the empty string. A mark inside a URL or at the start of a string does
/// not count.
fn comment<'a>(line: &'a str, mark: &str) -> &'a str {
    let mut marks = line.match_indices(mark);
    marks
        .find(|(at, _)| !line[..*at].ends_with([':', '"', '\'', '&', '(', '$']))
        .map_or("", |(at, _)| &line[at..])
}

/// Whether a line of code contains a long or raw string literal: data that cannot be wrapped.
fn has_long_literal(line: &str) -> bool {
    let mut literals = line.split('"').skip(1).step_by(2);
    line.contains("r#\"") || literals.any(|literal| literal.len() >= MIN_LITERAL)
}

/// Whether a line of Python code opens or closes a docstring.
fn toggles_docstring(line: &str) -> bool {
    line.matches("\"\"\"").count() % 2 == 1
}

fn has_forbidden_word(text: &str) -> bool {
    let text = text.to_lowercase();
    let words: Vec<&str> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let has_phrase = |phrase: &str| {
        let phrase: Vec<&str> = phrase.split(' ').collect();
        words.windows(phrase.len()).any(|window| *window == phrase)
    };
    words.iter().any(|word| WORDS.contains(word)) || PHRASES.into_iter().any(has_phrase)
}

/// The name of the function that a line of Rust declares, or the empty string.
fn function_name(line: &str) -> &str {
    let Some((before, after)) = line.split_once("fn ") else {
        return "";
    };
    let is_declaration = before
        .split_whitespace()
        .all(|word| ["async", "const", "pub", "pub(crate)", "pub(super)"].contains(&word));
    let end = after.find(['(', '<']).filter(|_| is_declaration);
    end.map_or("", |end| &after[..end])
}

/// The lines that break a rule, by number.
fn check(text: &str, language: Language) -> Vec<(usize, Rule)> {
    let mut found = Vec::new();
    let (mut is_fenced, mut is_docstring) = (false, false);
    for (line, number) in text.lines().zip(1..) {
        let is_docstring_line = is_docstring || line.trim_start().starts_with("\"\"\"");
        let prose = match language {
            Language::Page => line,
            Language::Rust => comment(line, "//"),
            Language::Script(mark) => comment(line, mark),
            Language::Python if is_docstring_line => line,
            Language::Python => comment(line, "#"),
        };
        is_docstring ^= toggles_docstring(line);
        // A fence of a doc comment ends with the comment at the latest.
        is_fenced &= !prose.is_empty() || language == Language::Page;
        let content = prose.trim_start_matches(['/', '!', ' ']);
        let is_fence = content.starts_with("```");
        is_fenced ^= is_fence;
        let is_code = is_fenced || is_fence;
        let name = match language {
            Language::Rust => function_name(line),
            _ => "",
        };
        if !is_code && (has_forbidden_word(prose) || has_forbidden_word(name)) {
            found.push((number, Rule::Word));
        }
        let is_checked = language == Language::Rust || !prose.is_empty();
        let is_data = prose.is_empty() && has_long_literal(line);
        let may_be_long = is_code || is_data || content.starts_with('|') || line.contains("://");
        if is_checked && !may_be_long && line.chars().count() > MAX_COLUMNS {
            found.push((number, Rule::Length));
        }
    }
    found
}

#[test]
fn comments_and_pages_are_plain_and_their_lines_short() {
    let pages = PAGES.iter().map(|page| root().join(page));
    let all = TREES.iter().flat_map(|tree| files(tree)).chain(pages);
    let mut found = Vec::new();
    for path in all {
        let name = relative(&path);
        let is_skipped = SKIPPED.iter().any(|skipped| name.contains(skipped));
        let Some(language) = Language::of_file(&path).filter(|_| !is_skipped) else {
            continue;
        };
        for (line, rule) in check(&read(&path), language) {
            let rule = match rule {
                Rule::Word => "word",
                Rule::Length => "length",
            };
            found.push(format!("{name}:{line} {rule}"));
        }
    }
    assert!(
        found.is_empty(),
        "{} lines:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn a_planted_word_is_found() {
    for (text, language) in [
        ("/// Nobody reads it.\nlet nobody = 1;", Language::Rust),
        ("# there is no use\nnobody = 1", Language::Python),
        ("\"\"\"Whoever.\"\"\"\nwhoever = 1", Language::Python),
        ("// Everybody.\nconst everybody = 1", Language::Script("//")),
        ("/* somebody */\n.somebody {}", Language::Script("/*")),
        (
            "-- It is no table.\nlocal nobody = 1",
            Language::Script("--"),
        ),
        ("It is no name.\n\n```\nnobody\n```\n", Language::Page),
        ("// An idle connection: it goes away.", Language::Rust),
        ("The body was Broken  off.", Language::Page),
        ("pub(super) async fn nobody_reads(", Language::Rust),
        ("fn requests_under_way<T>(", Language::Rust),
    ] {
        assert_eq!(check(text, language), [(1, Rule::Word)], "{text}");
    }
    for text in [
        "// It is not a table; this no is allowed.",
        "let x = \"fn nobody(\";",
    ] {
        assert_eq!(check(text, Language::Rust), [], "{text}");
    }
    let trailing = format!("let url = {}; {}", "\"https://x\"", "// anybody");
    assert_eq!(check(&trailing, Language::Rust), [(1, Rule::Word)]);
    let docstring = "def f():\n    \"\"\"One.\n\n    Nobody.\n    \"\"\"\n    nobody()";
    assert_eq!(check(docstring, Language::Python), [(4, Rule::Word)]);
}

#[test]
fn a_planted_long_line_is_found() {
    let long = "a ".repeat(60);
    for (text, language) in [
        (format!("//{long}"), Language::Rust),
        (format!("let x = {long};"), Language::Rust),
        (format!("# {long}"), Language::Python),
        (long.clone(), Language::Page),
    ] {
        assert_eq!(check(&text, language), [(1, Rule::Length)], "{text}");
    }
    for text in [
        format!("| {long} |"),
        format!("```\n{long}\n```"),
        format!("See https://example.com/{long}"),
    ] {
        assert_eq!(check(&text, Language::Page), [], "{text}");
    }
    let data = format!("let x = \"{long}\";");
    assert_eq!(check(&data, Language::Rust), [], "{data}");
}
