//! No cycle between the files and sub-folders of a folder.

use std::collections::{BTreeMap, BTreeSet};

use super::imports::ModulePath;
use super::modules::{Arrow, arrows, modules, planted};

/// An import between two direct children of a folder.
type Edge = (String, String);

/// Each cycle as text: the folder, the children that reach themselves, and the imports.
fn cycles(arrows: &[Arrow]) -> Vec<String> {
    let mut found = Vec::new();
    for (folder, edges) in edges_by_folder(arrows) {
        let nodes: BTreeSet<&String> = edges.iter().flat_map(|(from, to)| [from, to]).collect();
        let circular: Vec<&String> = nodes
            .into_iter()
            .filter(|node| reachable(node, &edges).contains(*node))
            .collect();
        if !circular.is_empty() {
            found.push(format!("{}: {circular:?} {edges:?}", folder.join("/")));
        }
    }
    found
}

/// The imports between the direct children of each folder: an import of `upstream/request/clean` by
/// `upstream/call/exchange` is an edge from `call` to `request` in the folder `upstream`.
fn edges_by_folder(arrows: &[Arrow]) -> BTreeMap<ModulePath, BTreeSet<Edge>> {
    let mut folders: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (from, to) in arrows {
        let shared = from.iter().zip(to).take_while(|(a, b)| a == b).count();
        folders
            .entry(from[..shared].to_vec())
            .or_default()
            .insert((child(from, shared), child(to, shared)));
    }
    folders
}

/// The segment below the first `depth` ones. A path without one is the `mod.rs` of the folder.
fn child(path: &[String], depth: usize) -> String {
    path.get(depth).map_or("mod", String::as_str).to_owned()
}

/// The nodes at the ends of all paths that begin at `start`.
fn reachable(start: &str, edges: &BTreeSet<Edge>) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![start.to_owned()];
    while let Some(node) = open.pop() {
        for (_, to) in edges.iter().filter(|(from, _)| *from == node) {
            if reached.insert(to.clone()) {
                open.push(to.clone());
            }
        }
    }
    reached
}

#[test]
fn files_and_folders_form_no_cycle() {
    let found = cycles(&arrows(&modules()));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_planted_cycle_of_two_files_is_found() {
    let files = [
        ("client/mod.rs", "mod pool;\nmod host;\npub use host::Host;"),
        ("client/pool.rs", "use super::Host;"),
        ("client/host.rs", "use super::pool::Pool;"),
    ];
    assert_eq!(cycles(&arrows(&planted(&files))).len(), 1);
    assert_eq!(cycles(&arrows(&planted(&files[..2]))).len(), 0);
}

#[test]
fn a_planted_cycle_of_three_files_is_found() {
    let files = [
        ("client/pool.rs", "use super::host::Host;"),
        ("client/host.rs", "use crate::client::stats::Stats;"),
        ("client/stats.rs", "fn new() -> super::pool::Pool {}"),
    ];
    assert_eq!(cycles(&arrows(&planted(&files))).len(), 1);
    assert_eq!(cycles(&arrows(&planted(&files[..2]))).len(), 0);
}

#[test]
fn a_planted_upward_import_between_sub_folders_is_found() {
    let files = [
        (
            "upstream/call/exchange.rs",
            "use crate::upstream::request::clean::clean;",
        ),
        ("upstream/call/deadline.rs", ""),
        ("upstream/request/clean.rs", ""),
        (
            "upstream/request/target.rs",
            "use super::super::call::deadline::Deadline;",
        ),
    ];
    assert_eq!(cycles(&arrows(&planted(&files))).len(), 1);
    assert_eq!(cycles(&arrows(&planted(&files[..3]))).len(), 0);
}

#[test]
fn a_planted_cycle_of_a_file_and_its_folder_is_found() {
    let path = |text: &str| text.split('/').map(str::to_owned).collect::<ModulePath>();
    let arrows = [(path("me/rule"), path("me")), (path("me"), path("me/rule"))];
    assert_eq!(cycles(&arrows).len(), 1);
    assert_eq!(cycles(&arrows[..1]).len(), 0);
}
