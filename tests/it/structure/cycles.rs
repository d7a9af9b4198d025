//! No cycle between the files and folders of a folder.

use std::collections::{BTreeMap, BTreeSet};

type Arrow = (Vec<String>, Vec<String>);

/// The arrows between the direct children of each folder: `upstream/call` to `upstream/request`.
fn by_folder(arrows: &[Arrow]) -> BTreeMap<Vec<String>, BTreeSet<(String, String)>> {
    let mut folders: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (from, to) in arrows {
        let shared = from.iter().zip(to).take_while(|(a, b)| a == b).count();
        // Where one contains the other, the folder's own `mod.rs` is meant.
        let child = |path: &[String]| {
            path.get(shared)
                .cloned()
                .unwrap_or_else(|| "mod".to_owned())
        };
        folders
            .entry(from[..shared].to_vec())
            .or_default()
            .insert((child(from), child(to)));
    }
    folders
}

/// Each cycle, as text: the folder and the children that reach each other.
pub(super) fn cycles(arrows: &[Arrow]) -> Vec<String> {
    let mut found = Vec::new();
    for (folder, edges) in by_folder(arrows) {
        let nodes: BTreeSet<&String> = edges.iter().flat_map(|(a, b)| [a, b]).collect();
        let reach = |start: &String| {
            let mut seen = BTreeSet::new();
            let mut open = vec![start.clone()];
            while let Some(node) = open.pop() {
                for (_, to) in edges.iter().filter(|(from, _)| *from == node) {
                    if seen.insert(to.clone()) {
                        open.push(to.clone());
                    }
                }
            }
            seen
        };
        let circular: Vec<&String> = nodes
            .into_iter()
            .filter(|node| reach(node).contains(*node))
            .collect();
        if !circular.is_empty() {
            found.push(format!("{}: {circular:?} {edges:?}", folder.join("/")));
        }
    }
    found
}

fn arrow(from: &str, to: &str) -> Arrow {
    let path = |text: &str| text.split('/').map(str::to_owned).collect();
    (path(from), path(to))
}

#[test]
fn a_cycle_of_two_files_is_seen() {
    let arrows = [
        arrow("client/pool", "client/host"),
        arrow("client/host", "client/pool"),
    ];
    assert_eq!(cycles(&arrows).len(), 1);
    assert_eq!(cycles(&arrows[..1]).len(), 0);
}

#[test]
fn a_cycle_of_two_folders_is_seen() {
    let arrows = [
        arrow("upstream/call/exchange", "upstream/request/clean"),
        arrow("upstream/request/target", "upstream/call/deadline"),
    ];
    assert_eq!(cycles(&arrows).len(), 1);
}

#[test]
fn an_import_of_what_a_parent_defines_is_seen_with_its_way_back() {
    let arrows = [arrow("me/rule", "me"), arrow("me", "me/rule")];
    assert_eq!(cycles(&arrows).len(), 1);
}
