//! The structure of the source: imports go down, without a cycle; files stay small; comments are
//! plain.

mod cycles;
mod imports;
mod prose;
mod sources;

use std::collections::BTreeMap;
use std::fs;

use self::sources::{Module, arrows, files, modules, root};

/// Each top-level module of `src` with its level. A module imports from lower levels only.
const LEVELS: &[(&str, u8)] = &[
    ("macros", 0),
    ("error", 0),
    ("clock", 0),
    ("identity", 0),
    ("report", 0),
    ("body", 10),
    ("path", 10),
    ("headers", 10),
    ("keys", 10),
    ("rejection", 15),
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

fn is_allowed(from: &str, to: &str, levels: &BTreeMap<&str, u8>) -> bool {
    let level = |module: &str| {
        levels
            .get(module)
            .copied()
            .unwrap_or_else(|| panic!("{module} has no level"))
    };
    from == to || level(to) < level(from)
}

#[test]
fn imports_go_down_and_never_sideways() {
    let levels: BTreeMap<_, _> = LEVELS.iter().copied().collect();
    let mut count = 0;
    for module in modules() {
        for path in module.imports() {
            // Paths such as `crate::Rejection` would hide which module is meant.
            let top = path.first().map_or("lib", String::as_str);
            assert!(
                levels.contains_key(top),
                "{}: crate::{top} names no module",
                module.file.display()
            );
            assert!(
                is_allowed(module.top(), top, &levels),
                "{}: {} may not import {top}",
                module.file.display(),
                module.top()
            );
            count += 1;
        }
    }
    assert!(count > 100, "the imports are read");
}

#[test]
fn a_forbidden_import_is_seen() {
    let levels: BTreeMap<_, _> = LEVELS.iter().copied().collect();
    assert!(!is_allowed("me", "auth", &levels), "sideways");
    assert!(!is_allowed("path", "rejection", &levels), "up");
    assert!(!is_allowed("client", "upstream", &levels), "up");
    assert!(!is_allowed("facade", "sandbox", &levels), "up");
    assert!(is_allowed("me", "path", &levels), "down");
}

#[test]
fn files_and_folders_form_no_cycle() {
    let found = cycles::cycles(&arrows(&modules()));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn an_import_back_between_two_files_is_seen() {
    let module = |name: &str, code: &str| Module::new(root().join("src/client").join(name), code);
    let planted = [
        module("mod.rs", "mod pool;\nmod host;\npub use host::Host;"),
        module("pool.rs", "use super::Host;"),
        module("host.rs", "use super::pool::Pool;"),
    ];
    assert_eq!(cycles::cycles(&arrows(&planted)).len(), 1);
    assert_eq!(cycles::cycles(&arrows(&planted[..2])).len(), 0);
}

#[test]
fn rules_know_no_service() {
    for module in modules() {
        let level = LEVELS
            .iter()
            .find(|(name, _)| *name == module.top())
            .map_or(u8::MAX, |(_, level)| *level);
        let file = module.file.display();
        if level <= 10 {
            for foreign in ["tower::", "tokio::", "async ", ".await"] {
                let is_timer = module.top() == "body" && foreign == "tokio::";
                assert!(
                    is_timer || !module.code.contains(foreign),
                    "{file}: {foreign}"
                );
            }
        }
        assert!(
            module.top() == "client" || !module.code.contains("hyper_util::"),
            "{file}: hyper-util belongs to the client"
        );
        assert!(
            ["clock", "sandbox"].contains(&module.top())
                || !module.code.contains("SystemTime::now"),
            "{file}: time comes from the clock"
        );
    }
}

#[test]
fn files_have_one_role_and_stay_small() {
    for file in files("src", "rs") {
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
    for module in modules() {
        let top = module.top();
        assert!(
            LEVELS.iter().any(|(name, _)| *name == top),
            "{top} has no level"
        );
    }
}
