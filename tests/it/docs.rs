//! The pages of the docs are correct: the tests that they name exist, and their limits are those of
//! the code.

use std::fs;
use std::path::{Path, PathBuf};

use omneo_id::client::HttpClient;
use omneo_id::upsert::CommsPolicy;
use omneo_id::{ApiToken, Keyring, RejectionKind, SigningKey, Tenant, TokenVerifier, Upstream};

const SECURITY: &str = include_str!("../../src/docs/security.md");
const OPERATIONS: &str = include_str!("../../src/docs/operations.md");
const README: &str = include_str!("../../README.md");

/// The code spans of a text.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The files that may contain `a::b::test`: `a/b.rs` in one of these folders.
fn places(modules: &str) -> impl Iterator<Item = PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = format!("{}.rs", modules.replace("::", "/"));
    ["tests/it", "tests", "src"]
        .map(|folder| root.join(folder).join(&file))
        .into_iter()
}

/// Whether a text has a test of this name: a function directly below a `#[test]` attribute.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let declares = |line: &str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ")
            .and_then(|rest| rest.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with('('))
    };
    let is_test = |line: &&str| *line == "#[test]" || line.starts_with("#[tokio::test");
    let attributes = |at: usize| {
        lines[..at]
            .iter()
            .rev()
            .take_while(|line| line.starts_with("#["))
    };
    lines
        .iter()
        .enumerate()
        .any(|(at, line)| declares(line) && attributes(at).any(&is_test))
}

#[test]
fn every_guarantee_names_tests_that_exist() {
    let table = SECURITY.split("# Guarantees").nth(1).unwrap();
    let table = table.split("\n# ").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| "));
    let mut tests = 0;
    for row in rows.skip(2) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let [guarantee, names] = cells[..] else {
            panic!("{row}");
        };
        assert!(names.contains("::"), "nothing holds us to: {guarantee}");
        for name in spans(names) {
            let (modules, function) = name.rsplit_once("::").unwrap();
            let found = places(modules)
                .filter_map(|file| fs::read_to_string(file).ok())
                .any(|text| has_test(&text, function));
            assert!(found, "{name} is no test");
            tests += 1;
        }
    }
    assert!(tests > 30, "there is something to check");
}

#[test]
fn a_name_without_a_test_is_found() {
    let text =
        "#[test]\nfn one() {}\n\nfn two() {}\n\n#[tokio::test]\n#[other]\nasync fn three() {}";
    assert!(has_test(text, "one"));
    assert!(!has_test(text, "two"));
    assert!(has_test(text, "three"));
    assert!(!has_test(text, "on"));
    assert!(!has_test(text, "four"));
}

#[test]
fn every_rejection_code_is_in_the_docs_for_operators() {
    let table = OPERATIONS
        .split("# Status codes and their causes")
        .nth(1)
        .unwrap();
    for kind in RejectionKind::ALL {
        let status = kind.status().as_u16().to_string();
        let row = table
            .lines()
            .find(|line| spans(line).any(|span| span == kind.code()));
        let row = row.unwrap_or_else(|| panic!("{} is not explained", kind.code()));
        let statuses = row.split('|').nth(1).unwrap();
        assert!(statuses.contains(&status), "{}: {status}", kind.code());
    }
}

/// The guarantee at the end of that page.
#[test]
fn no_rejection_has_the_status_500() {
    for kind in RejectionKind::ALL {
        assert_ne!(kind.status().as_u16(), 500, "{kind:?}");
    }
}

#[test]
fn the_readme_names_every_feature_and_no_other() {
    let manifest = include_str!("../../Cargo.toml");
    let features = manifest.split("[features]").nth(1).unwrap();
    let features = features.split("\n[").next().unwrap();
    let names = features
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name)
        .filter(|name| *name != "default");
    let table = README.split("## Features").nth(1).unwrap();
    let table = table.split("\n## ").next().unwrap();
    let mut rows: Vec<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    rows.sort_unstable();
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    assert_eq!(rows, names);
}

#[test]
fn the_limits_in_the_pages_are_those_of_the_code() {
    assert!(OPERATIONS.contains("| ID token | 8 KiB, 401 |"));
    assert_eq!(TokenVerifier::MAX_TOKEN_LEN, 8 * 1024);
    let ring = Keyring::new(SigningKey::hs256([7; 32]).unwrap());
    let verifier = format!("{:?}", TokenVerifier::new(ring));
    let sign_ups = format!("{:?}", CommsPolicy::new());
    let tenant = Tenant::new("http://127.0.0.1", ApiToken::new("t").unwrap());
    let upstream = format!("{:?}", Upstream::new((), tenant.unwrap()));
    let client = format!("{:?}", HttpClient::builder());
    for (promise, default, shown) in [
        ("leeway (5 s)", "leeway: 5,", &verifier),
        (
            "| cached verified tokens | 1024 |",
            "cache_capacity: 1024,",
            &verifier,
        ),
        (
            "| body of a sign-up | 64 KiB,",
            "body_limit: 65536,",
            &sign_ups,
        ),
        (
            "| calls of the tenant in flight | 1024;",
            "max: 1024,",
            &upstream,
        ),
        (
            "| head of the tenant's response | 30 s ",
            "head_timeout: 30s,",
            &upstream,
        ),
        (
            "| a body is idle, in either direction | 60 s |",
            "body_idle_timeout: 60s,",
            &upstream,
        ),
        (
            "| connect to the tenant, TLS included | 5 s |",
            "connect_timeout: 5s,",
            &client,
        ),
        ("and tenant | 64, for 20 s |", "max_idle: 64,", &client),
        (
            "| age of a connection to the tenant | 10 minutes;",
            "max_age: 600s,",
            &client,
        ),
        ("and tenant | 64, for 20 s |", "idle_timeout: 20s,", &client),
    ] {
        assert!(OPERATIONS.contains(promise), "{promise}");
        assert!(shown.contains(default), "{promise} {shown}");
    }
}

/// The docs of each module have an example that runs.
#[test]
fn every_module_has_an_example_on_its_page() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = fs::read_to_string(src.join("lib.rs")).unwrap();
    let modules = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        // Pages without code, and a module with a type that users only name.
        .filter(|name| !["docs", "future"].contains(name));
    let mut pages = 0;
    for name in modules {
        let page = fs::read_to_string(src.join(name).join("mod.rs"))
            .or_else(|_| fs::read_to_string(src.join(format!("{name}.rs"))))
            .unwrap();
        let shown = page
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .any(|line| line.starts_with("//! ```"));
        assert!(shown, "{name}");
        pages += 1;
    }
    assert!(pages > 10, "there is something to check");
}
