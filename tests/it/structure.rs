//! The house has a plan: imports go down, never up or sideways, and files stay small.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each top-level module of `src` with its level. A module may import from lower levels only; level 0
/// and level 1 modules may not import their equals, except where `WITHIN` says so.
const LEVELS: &[(&str, u8)] = &[
    ("error", 0),
    ("body", 0),
    ("clock", 0),
    ("identity", 0),
    ("path", 10),
    ("headers", 10),
    ("keys", 10),
    ("rejection", 15),
    ("report", 15),
    ("tenant", 15),
    ("client_info", 15),
    ("future", 15),
    ("read", 16),
    ("request_body", 17),
    ("client", 18),
    ("auth", 20),
    ("me", 20),
    ("upsert", 20),
    ("token", 20),
    ("upstream", 20),
    ("facade", 30),
    ("sandbox", 40),
    ("docs", 50),
];

/// Bodies carry boxed errors: the one arrow inside level 0.
const WITHIN: &[(&str, &str)] = &[("body", "error")];

fn sources() -> Vec<PathBuf> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    walk(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    assert!(
        files.len() > 20,
        "the sources are where they are looked for"
    );
    files
}

/// The top-level module a file belongs to: `src/auth/cache.rs` to `auth`, `src/future.rs` to `future`.
fn module_of(file: &Path) -> String {
    let below = file
        .strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
        .unwrap();
    let first = below
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_str()
        .unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The code of a file: without comments, and without the tests at its end.
fn code_of(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap();
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The modules of ours that some code names: `crate::x::…`, and `crate::{x::…, y}`.
fn imports(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let word = |text: &str| {
            let end = text
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(text.len());
            text[..end].to_owned()
        };
        match rest.strip_prefix('{') {
            None => names.push(word(rest)),
            Some(list) => {
                let mut depth = 0_usize;
                let mut item = true;
                for (at, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => item = true,
                        _ if item && c.is_alphanumeric() => {
                            names.push(word(&list[at..]));
                            item = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    names
}

fn is_allowed(from: &str, to: &str, levels: &BTreeMap<&str, u8>) -> bool {
    let level = |module: &str| {
        levels
            .get(module)
            .copied()
            .unwrap_or_else(|| panic!("{module}: which level?"))
    };
    from == to || WITHIN.contains(&(from, to)) || level(to) < level(from)
}

#[test]
fn imports_go_down_and_never_sideways() {
    let levels: BTreeMap<_, _> = LEVELS.iter().copied().collect();
    let mut arrows = 0;
    for file in sources() {
        let from = module_of(&file);
        if from == "lib" {
            continue;
        }
        for to in imports(&code_of(&file)) {
            // Paths such as `crate::Rejection` would hide which module is meant.
            assert!(
                levels.contains_key(to.as_str()),
                "{}: crate::{to} names no module",
                file.display()
            );
            assert!(
                is_allowed(&from, &to, &levels),
                "{}: {from} may not import {to}",
                file.display()
            );
            arrows += 1;
        }
    }
    assert!(arrows > 20, "there is something to check");
}

#[test]
fn the_check_sees_a_forbidden_arrow() {
    let levels: BTreeMap<_, _> = LEVELS.iter().copied().collect();
    let names = imports("use crate::{auth::{JwtAuth, x}, body};\nlet y = crate::sandbox::Z;");
    assert_eq!(names, ["auth", "body", "sandbox"]);
    assert!(!is_allowed("me", "auth", &levels), "sideways");
    assert!(!is_allowed("path", "rejection", &levels), "up");
    assert!(!is_allowed("facade", "sandbox", &levels), "up");
    assert!(is_allowed("me", "path", &levels), "down");
}

#[test]
fn rules_know_no_service() {
    for file in sources() {
        let module = module_of(&file);
        let level = LEVELS
            .iter()
            .find(|(name, _)| *name == module)
            .map_or(u8::MAX, |(_, level)| *level);
        let code = code_of(&file);
        if level <= 10 {
            for foreign in ["tower::", "tokio::", "async ", ".await"] {
                let body_timer = module == "body" && foreign == "tokio::";
                assert!(
                    body_timer || !code.contains(foreign),
                    "{}: {foreign}",
                    file.display()
                );
            }
        }
        if !file.to_str().unwrap().contains("src/client/") {
            assert!(
                !code.contains("hyper_util::"),
                "{}: hyper-util belongs to the client",
                file.display()
            );
        }
        if module != "clock" && module != "sandbox" {
            assert!(
                !code.contains("SystemTime::now"),
                "{}: time comes from the clock",
                file.display()
            );
        }
    }
}

#[test]
fn files_have_one_role_and_stay_small() {
    for file in sources() {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(
            lines <= 400,
            "{}: {lines} lines ask for a second file",
            file.display()
        );
    }
}

#[test]
fn every_module_of_the_crate_has_a_level() {
    for file in sources() {
        let module = module_of(&file);
        assert!(
            module == "lib" || LEVELS.iter().any(|(name, _)| *name == module),
            "{module}: which level?"
        );
    }
}
