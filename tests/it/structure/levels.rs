//! The levels of the modules of `src`: imports go down only.

use std::collections::BTreeMap;

use super::modules::{Module, modules, planted};
use super::sources::{architecture, code_spans, relative, table};

/// The modules that may import `client`, besides itself.
const USERS_OF_THE_CLIENT: [&str; 3] = ["upstream", "facade", "tenants"];

/// The table of levels in `src/docs/architecture.md`.
struct Levels {
    /// The place of each module: modules of a lower place may be imported.
    places: BTreeMap<String, usize>,
    /// The modules of the levels 0 and 1.
    rules: Vec<String>,
}

impl Levels {
    /// Reads the rows of the table, the lowest first. `;` in a row separates groups; a later group
    /// may import an earlier one.
    fn parse(page: &str) -> Self {
        let (mut places, mut rules) = (BTreeMap::new(), Vec::new());
        let mut place = 0;
        for row in table(page, "Levels") {
            for group in row[1].split(';') {
                for module in code_spans(group) {
                    let earlier = places.insert(module.to_owned(), place);
                    assert_eq!(earlier, None, "{module} has two levels");
                    if ["0", "1"].contains(&&*row[0]) {
                        rules.push(module.to_owned());
                    }
                }
                place += 1;
            }
        }
        Self { places, rules }
    }

    fn place(&self, module: &str) -> usize {
        let place = self.places.get(module).copied();
        place.unwrap_or_else(|| panic!("{module} has no level in architecture.md"))
    }

    fn allows(&self, from: &str, to: &str) -> bool {
        let is_client_hidden = to == "client" && !USERS_OF_THE_CLIENT.contains(&from);
        from == to || self.place(to) < self.place(from) && !is_client_hidden
    }

    /// The imports of `module` that its level forbids, as text.
    fn violations(&self, module: &Module) -> Vec<String> {
        let mut found = Vec::new();
        for path in module.imports() {
            let to = path.first().map_or("lib", String::as_str);
            // `crate::Rejection` would hide which module is meant.
            let is_module = self.places.contains_key(to);
            if !is_module || !self.allows(module.top(), to) {
                let file = relative(&module.file);
                found.push(format!("{file}: {} may not import {to}", module.top()));
            }
        }
        found
    }
}

#[test]
fn imports_go_down_and_never_sideways() {
    let levels = Levels::parse(&architecture());
    let modules = modules();
    let found: Vec<String> = modules
        .iter()
        .flat_map(|module| levels.violations(module))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    let count: usize = modules.iter().map(|module| module.imports().len()).sum();
    assert!(count > 100, "only {count} imports were read");
}

#[test]
fn the_table_of_levels_names_the_modules_that_exist() {
    let levels = Levels::parse(&architecture());
    let mut existing: Vec<String> = modules()
        .iter()
        .map(|module| module.top().to_owned())
        .collect();
    existing.dedup();
    existing.sort();
    let named: Vec<String> = levels.places.into_keys().collect();
    assert_eq!(named, existing);
}

#[test]
fn a_planted_import_sideways_or_up_is_found() {
    let levels = Levels::parse(&architecture());
    for (file, code) in [
        ("me/rule.rs", "use crate::auth::JwtAuth;"),
        ("path/me.rs", "use crate::rejection::Rejection;"),
        ("client/pool.rs", "use crate::upstream::Upstream;"),
        ("token/mint.rs", "use crate::client::HttpClient;"),
        ("facade/service.rs", "use crate::sandbox::Sandbox;"),
        ("me/rule.rs", "use crate::Rejection;"),
    ] {
        let module = &planted(&[(file, code)])[0];
        assert_eq!(levels.violations(module).len(), 1, "{file}: {code}");
    }
    for (file, code) in [
        ("me/rule.rs", "use crate::path::me;"),
        ("me/rule.rs", "use super::content;"),
        ("upstream/cause.rs", "use crate::client::ClientError;"),
    ] {
        let module = &planted(&[(file, code)])[0];
        assert!(levels.violations(module).is_empty(), "{file}: {code}");
    }
}

/// The foreign crates and calls in `module` that only other modules may use.
fn foreign_uses(levels: &Levels, module: &Module) -> Vec<&'static str> {
    let top = module.top();
    let is_rule = levels.rules.iter().any(|rule| rule == top);
    let is_forbidden = |foreign: &&str| match *foreign {
        "hyper_util::" => top != "client",
        "SystemTime::now" => !["clock", "sandbox"].contains(&top),
        // The idle timeout of a body needs a timer.
        "tokio::" => is_rule && top != "body",
        _ => is_rule,
    };
    let foreign = [
        "tower::",
        "tokio::",
        "async ",
        ".await",
        "hyper_util::",
        "SystemTime::now",
    ];
    let used = foreign
        .into_iter()
        .filter(|foreign| module.code.contains(foreign));
    used.filter(is_forbidden).collect()
}

#[test]
fn only_their_modules_use_tower_hyper_util_and_the_system_time() {
    let levels = Levels::parse(&architecture());
    for module in modules() {
        let (file, found) = (relative(&module.file), foreign_uses(&levels, &module));
        assert!(found.is_empty(), "{file} may not use {found:?}");
    }
}

#[test]
fn a_planted_use_of_a_foreign_crate_is_found() {
    let levels = Levels::parse(&architecture());
    for (file, code, count) in [
        ("headers/via.rs", "use tower::Layer;", 1),
        ("path/me.rs", "async fn f() { g().await }", 2),
        (
            "upstream/call/exchange.rs",
            "use hyper_util::rt::TokioIo;",
            1,
        ),
        ("token/mint.rs", "let now = SystemTime::now();", 1),
        ("body/idle.rs", "use tokio::time::Sleep;", 0),
        ("client/pool.rs", "use hyper_util::rt::TokioIo;", 0),
        ("clock/mod.rs", "let now = SystemTime::now();", 0),
        ("me/service.rs", "use tower::Service;", 0),
    ] {
        let module = &planted(&[(file, code)])[0];
        assert_eq!(foreign_uses(&levels, module).len(), count, "{file}: {code}");
    }
}
