//! The layout of the source: small files, headers, and a true map.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::modules::modules;
use super::sources::{architecture, code_spans, read, relative, root, rust_files, table};

/// The most lines of a file.
const MAX_LINES: usize = 400;

/// The trees whose folders have headers.
const TREES: [&str; 2] = ["src", "examples/standalone"];

fn is_small(text: &str) -> bool {
    text.lines().count() <= MAX_LINES
}

#[test]
fn files_have_one_role_and_stay_small() {
    for file in rust_files("src") {
        let name = relative(&file);
        assert!(
            is_small(&read(&file)),
            "{name}: over {MAX_LINES} lines, split it"
        );
    }
}

#[test]
fn a_planted_large_file_is_found() {
    assert!(is_small(&"\n".repeat(MAX_LINES)));
    assert!(!is_small(&"\n".repeat(MAX_LINES + 1)));
}

/// The file with the header of a folder: the crate root, `mod.rs`, or the file of the same name.
fn header_file(folder: &Path) -> Option<PathBuf> {
    let candidates = [
        folder.join("lib.rs"),
        folder.join("main.rs"),
        folder.join("mod.rs"),
        folder.with_extension("rs"),
    ];
    candidates.into_iter().find(|file| file.is_file())
}

fn has_header(text: &str) -> bool {
    text.starts_with("//!")
}

#[test]
fn every_folder_has_a_header() {
    for tree in TREES {
        let files = rust_files(tree);
        let folders: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
        for folder in folders {
            let name = relative(folder);
            // The crate's docs are the README.
            if name == "src" {
                continue;
            }
            let file = header_file(folder).unwrap_or_else(|| panic!("{name} has no mod.rs"));
            let file_name = relative(&file);
            assert!(has_header(&read(&file)), "{file_name} has no `//!` header");
        }
    }
}

#[test]
fn a_planted_folder_without_a_header_is_found() {
    assert!(!has_header("// Comment.\nmod a;"));
    assert!(!has_header("use crate::path;\n\n//! Late."));
    assert!(has_header("//! Paths.\n\nmod a;"));
    assert_eq!(header_file(&root().join("src/docs/no_such_folder")), None);
}

/// The lines of code in a `mod.rs` that are neither a declaration of a module nor a re-export.
fn logic(code: &str) -> Vec<&str> {
    const KEYWORDS: [&str; 9] = [
        "fn",
        "struct",
        "enum",
        "impl",
        "trait",
        "type",
        "const",
        "static",
        "macro_rules!",
    ];
    let lines = code.lines().filter(|line| {
        line.split_whitespace()
            .take(3)
            .any(|word| KEYWORDS.contains(&word))
    });
    lines.collect()
}

#[test]
fn a_mod_rs_is_a_table_of_contents() {
    for module in modules() {
        if module.file.ends_with("mod.rs") {
            let (file, logic) = (relative(&module.file), logic(&module.code));
            assert!(logic.is_empty(), "{file} has logic: {logic:#?}");
        }
    }
}

#[test]
fn a_planted_function_in_a_mod_rs_is_found() {
    assert_eq!(logic("mod a;\npub use a::{A, b};").len(), 0);
    assert_eq!(logic("mod a;\npub(crate) async fn f() {}").len(), 1);
    assert_eq!(logic("impl A {\n    const N: u8 = 1;\n}").len(), 2);
}

/// The files that the table "Where to change what" names.
fn named_files(page: &str) -> Vec<String> {
    let rows = table(page, "Where to change what");
    let cells = rows.iter().flat_map(|row| code_spans(&row[1]));
    cells.map(str::to_owned).collect()
}

#[test]
fn the_files_of_where_to_change_what_exist() {
    let files = named_files(&architecture());
    assert!(files.len() >= 10, "{files:?}");
    for file in files {
        assert!(root().join(&file).is_file(), "{file} does not exist");
    }
}

#[test]
fn every_change_names_one_file_or_two() {
    for row in table(&architecture(), "Where to change what") {
        let count = code_spans(&row[1]).count();
        assert!((1..=2).contains(&count), "{row:?}");
    }
}
