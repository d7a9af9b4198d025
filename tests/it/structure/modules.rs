//! The modules of `src`, and the imports between them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::imports::{ModulePath, imports};
use super::sources::{read, root, rust_files};

/// An import of the second module by the first.
pub(super) type Arrow = (ModulePath, ModulePath);

/// A module of `src`, with its code.
pub(super) struct Module {
    pub(super) file: PathBuf,
    pub(super) path: ModulePath,
    is_folder: bool,
    /// The code without comment lines and unit tests.
    pub(super) code: String,
}

impl Module {
    pub(super) fn new(file: PathBuf, text: &str) -> Self {
        let below = file.strip_prefix(root().join("src")).unwrap();
        let mut path: ModulePath = below
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

    /// The top-level module that this module belongs to.
    pub(super) fn top(&self) -> &str {
        &self.path[0]
    }

    /// The absolute paths that the code names.
    pub(super) fn imports(&self) -> Vec<ModulePath> {
        imports(&self.segments(), &self.code)
    }

    fn segments(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// The items that a `mod.rs` re-exports, each with the module that defines it.
    fn re_exports(&self) -> BTreeMap<String, ModulePath> {
        let mut items = BTreeMap::new();
        if !self.is_folder {
            return items;
        }
        for rest in self.code.split("use ").skip(1) {
            let declaration = rest.split(';').next().unwrap_or_default();
            if declaration.starts_with("crate") || declaration.starts_with("super") {
                continue;
            }
            let declaration = format!("self::{declaration}");
            for mut path in imports(&self.segments(), &declaration) {
                if let Some(item) = path.pop() {
                    items.insert(item, path);
                }
            }
        }
        items
    }
}

/// The modules of `src`, without the crate root, the module of documents and files of unit tests.
pub(super) fn modules() -> Vec<Module> {
    rust_files("src")
        .into_iter()
        .filter(|file| {
            let name = file.file_stem().unwrap().to_str().unwrap();
            !["lib", "docs", "tests"].contains(&name) && !name.ends_with("_tests")
        })
        .map(|file| {
            let text = read(&file);
            Module::new(file, &text)
        })
        .collect()
}

/// The imports between modules, sorted. An item that a folder re-exports counts as an import of the
/// file that defines it.
pub(super) fn arrows(modules: &[Module]) -> Vec<Arrow> {
    let re_exports: BTreeMap<&[String], BTreeMap<String, ModulePath>> = modules
        .iter()
        .map(|module| (&module.path[..], module.re_exports()))
        .collect();
    let mut arrows = Vec::new();
    for module in modules {
        for path in module.imports() {
            let Some(target) = defining_module(&path, &re_exports) else {
                continue;
            };
            let is_re_export = module.is_folder && target.starts_with(&module.path);
            if target != module.path && !is_re_export {
                arrows.push((module.path.clone(), target));
            }
        }
    }
    arrows.sort();
    arrows.dedup();
    arrows
}

/// The module that defines the item at `path`; `None` if the path names no module.
fn defining_module(
    path: &[String],
    re_exports: &BTreeMap<&[String], BTreeMap<String, ModulePath>>,
) -> Option<ModulePath> {
    let mut length = (1..=path.len())
        .rev()
        .find(|&length| re_exports.contains_key(&path[..length]))?;
    let mut target = path[..length].to_vec();
    while let Some(item) = path.get(length)
        && let Some(defined) = re_exports.get(&target[..]).and_then(|all| all.get(item))
        && re_exports.contains_key(&defined[..])
        && *defined != target
    {
        target.clone_from(defined);
        length = path.len();
    }
    Some(target)
}

/// The modules of files that do not exist, for tests with a planted violation.
pub(super) fn planted(files: &[(&str, &str)]) -> Vec<Module> {
    files
        .iter()
        .map(|(name, code)| Module::new(root().join("src").join(name), code))
        .collect()
}

#[test]
fn a_re_exported_item_is_imported_from_its_own_file() {
    let modules = planted(&[
        ("client/mod.rs", "mod host;\npub use host::Host;"),
        ("client/pool.rs", "use super::Host;"),
        ("client/host.rs", ""),
    ]);
    let path = |text: &str| text.split('/').map(str::to_owned).collect::<ModulePath>();
    assert_eq!(
        arrows(&modules),
        [(path("client/pool"), path("client/host"))]
    );
}
