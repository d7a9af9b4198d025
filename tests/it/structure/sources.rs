//! The files of the repository.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A path relative to the root, for messages.
pub(super) fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

/// The text of a file.
pub(super) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `src/docs/architecture.md`, whose tables the checks read.
pub(super) fn architecture() -> String {
    read(&root().join("src/docs/architecture.md"))
}

/// The rows of the table in a section of a page, without its header; each row as its cells.
pub(super) fn table(page: &str, section: &str) -> Vec<Vec<String>> {
    let (_, text) = page
        .split_once(&format!("# {section}\n"))
        .unwrap_or_else(|| panic!("no section {section:?}"));
    text.lines()
        .take_while(|line| !line.starts_with("# "))
        .filter(|line| line.starts_with("| "))
        .skip(2)
        .map(|line| {
            let cells = line.trim_matches('|').split(" | ");
            cells.map(|cell| cell.trim().to_owned()).collect()
        })
        .collect()
}

/// The code spans of a text.
pub(super) fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// All files below a folder of the repository, in a stable order.
pub(super) fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect_files(&root().join(folder), &mut found);
    assert!(!found.is_empty(), "{folder} has no files");
    found
}

/// The Rust files below a folder of the repository.
pub(super) fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut found = files(folder);
    found.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    assert!(!found.is_empty(), "{folder} has no Rust files");
    found
}

fn collect_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap();
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default();
        if path.is_file() {
            found.push(path);
        } else if name != "target" && name != "node_modules" {
            collect_files(&path, found);
        }
    }
}

#[test]
fn a_table_is_read_without_its_header() {
    let page = "# One\n\n| a | b |\n| --- | --- |\n| `x` | 1 |\n\n# Two\n| c |\n| --- |\n| 2 |\n";
    assert_eq!(table(page, "One"), [["`x`", "1"]]);
    assert_eq!(table(page, "Two"), [["2"]]);
    assert_eq!(code_spans("`x`, then `y`").collect::<Vec<_>>(), ["x", "y"]);
}
