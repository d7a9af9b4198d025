//! The source files of the crate, and of the other trees that people read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::imports::imports;

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder of the repository whose name ends like this, in a stable order.
pub(super) fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, extension: &str, files: &mut Vec<PathBuf>) {
        let mut entries: Vec<PathBuf> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                if path.file_name().is_none_or(|name| name != "target") {
                    walk(&path, extension, files);
                }
            } else if path.extension().is_some_and(|found| found == extension) {
                files.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), extension, &mut found);
    assert!(!found.is_empty(), "{folder} has files");
    found
}

/// A module of `src`: its path, and its code without comments and tests.
pub(super) struct Module {
    pub(super) file: PathBuf,
    /// `["upstream", "call"]` for `src/upstream/call/mod.rs`.
    pub(super) path: Vec<String>,
    pub(super) is_folder: bool,
    pub(super) code: String,
}

impl Module {
    pub(super) fn new(file: PathBuf, text: &str) -> Self {
        let below = file.strip_prefix(root().join("src")).unwrap();
        let mut path: Vec<String> = below
            .with_extension("")
            .iter()
            .map(|part| part.to_str().unwrap().to_owned())
            .collect();
        let is_folder = path.last().is_some_and(|last| last == "mod");
        if is_folder {
            path.pop();
        }
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let code: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        Self {
            file,
            path,
            is_folder,
            code: code.join("\n"),
        }
    }

    pub(super) fn top(&self) -> &str {
        &self.path[0]
    }

    pub(super) fn imports(&self) -> Vec<Vec<String>> {
        let module: Vec<&str> = self.path.iter().map(String::as_str).collect();
        imports(&module, &self.code)
    }

    /// The items that a `mod.rs` re-exports, each with the module that defines it.
    fn re_exports(&self) -> BTreeMap<String, Vec<String>> {
        let mut items = BTreeMap::new();
        if !self.is_folder {
            return items;
        }
        let module: Vec<&str> = self.path.iter().map(String::as_str).collect();
        for rest in self.code.split("use ").skip(1) {
            let declaration = rest.split(';').next().unwrap_or_default();
            if declaration.starts_with("crate") || declaration.starts_with("super") {
                continue;
            }
            let declaration = format!("self::{declaration}");
            for mut path in imports(&module, &declaration) {
                if let Some(item) = path.pop() {
                    items.insert(item, path);
                }
            }
        }
        items
    }
}

/// The modules of `src`, `lib.rs` and files of tests left out.
pub(super) fn modules() -> Vec<Module> {
    files("src", "rs")
        .into_iter()
        .filter(|file| {
            let name = file.file_stem().unwrap().to_str().unwrap();
            name != "lib" && name != "tests" && !name.ends_with("_tests")
        })
        .map(|file| {
            let text = fs::read_to_string(&file).unwrap();
            Module::new(file, &text)
        })
        .collect()
}

/// The imports between modules: from one path to another.
pub(super) fn arrows(modules: &[Module]) -> Vec<(Vec<String>, Vec<String>)> {
    let is_module = |path: &[String]| modules.iter().any(|module| module.path == path);
    let re_exports: BTreeMap<&[String], BTreeMap<String, Vec<String>>> = modules
        .iter()
        .map(|module| (&module.path[..], module.re_exports()))
        .collect();
    let mut arrows = Vec::new();
    for module in modules {
        for path in module.imports() {
            let Some(mut length) = (1..=path.len()).rev().find(|&n| is_module(&path[..n])) else {
                continue;
            };
            let mut target = path[..length].to_vec();
            // An item that a folder re-exports comes from the file that defines it.
            while let Some(item) = path.get(length)
                && let Some(defined) = re_exports.get(&target[..]).and_then(|all| all.get(item))
                && is_module(defined)
                && *defined != target
            {
                target.clone_from(defined);
                length = path.len();
            }
            let re_exported = module.is_folder && target.starts_with(&module.path);
            if target != module.path && !re_exported {
                arrows.push((module.path.clone(), target));
            }
        }
    }
    arrows.sort();
    arrows.dedup();
    arrows
}
