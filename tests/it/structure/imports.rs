//! The imports of a source file, as absolute module paths.

/// The path of a module below the crate: `["upstream", "call"]` for `src/upstream/call/mod.rs`.
pub(super) type ModulePath = Vec<String>;

/// The paths in `code` that start with `crate`, `super` or `self`, as absolute paths of segments.
///
/// `module` is the absolute path of the file's module: `["upstream", "call", "exchange"]`.
/// `super` in an inline module is read as that of the file, except for a glob, which is skipped.
pub(super) fn imports(module: &[&str], code: &str) -> Vec<ModulePath> {
    let mut paths = Vec::new();
    let mut rest = code;
    while let Some((root, after)) = next_root(rest) {
        let base = match root {
            "crate" => &[],
            "self" => module,
            _ => &module[..module.len().saturating_sub(1)],
        };
        let base: ModulePath = base.iter().map(|&segment| segment.to_owned()).collect();
        let is_skipped = root == "super" && after.starts_with('*');
        rest = match is_skipped {
            true => after,
            false => tree(after, &base, &mut paths),
        };
    }
    paths
}

/// The next `crate`, `super` or `self` that starts a path, and the code behind its `::`.
fn next_root(code: &str) -> Option<(&'static str, &str)> {
    let roots = ["crate", "super", "self"].into_iter();
    let found = roots.filter_map(|root| {
        let mark = format!("{root}::");
        let mut places = code.match_indices(&mark).map(|(at, _)| at);
        let at = places.find(|at| starts_path(&code[..*at]))?;
        Some((at, root, at + mark.len()))
    });
    let (_, root, end) = found.min_by_key(|(at, ..)| *at)?;
    Some((root, &code[end..]))
}

/// Whether a path may start behind this code: not inside a word or a path, and not in a visibility.
fn starts_path(before: &str) -> bool {
    let is_inside = before.ends_with(|c: char| c.is_alphanumeric() || "_:$".contains(c));
    !is_inside && !before.ends_with("pub(in ")
}

/// Reads one tree of a `use` declaration, or the path of an expression, and returns the code behind
/// it.
fn tree<'a>(mut code: &'a str, base: &[String], paths: &mut Vec<ModulePath>) -> &'a str {
    let mut path = base.to_vec();
    loop {
        code = code.trim_start();
        if let Some(group) = code.strip_prefix('{') {
            return items(group, &path, paths);
        }
        let end = code
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(code.len());
        let (word, rest) = code.split_at(end);
        match word {
            "" => break,
            "super" => {
                path.pop();
            }
            "self" => {}
            _ => path.push(word.to_owned()),
        }
        match rest.strip_prefix("::") {
            Some(rest) => code = rest,
            None => {
                code = rest;
                break;
            }
        }
    }
    paths.push(path);
    code
}

/// Reads the items of a `{…}` group up to its closing brace.
fn items<'a>(mut code: &'a str, base: &[String], paths: &mut Vec<ModulePath>) -> &'a str {
    loop {
        code = code.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        match code.strip_prefix('}') {
            Some(rest) => return rest,
            None if code.is_empty() => return code,
            None => {
                let before = code;
                code = tree(code, base, paths);
                // `*`, `as x` and the like: skip to the next item.
                let skip = code.find([',', '}']).unwrap_or(code.len());
                code = &code[skip..];
                if code.len() == before.len() {
                    return code;
                }
            }
        }
    }
}

#[test]
fn paths_are_read_from_declarations_and_expressions() {
    let code = "use crate::{auth::{JwtAuth, x::Y}, body};\nuse super::{self, a};\n\
                let z = super::super::p::q(); my_crate::r; self::s;\n\
                pub(in super::super) fn f() {}\nmod m { use super::*; }";
    let paths: Vec<String> = imports(&["top", "middle", "file"], code)
        .into_iter()
        .map(|path| path.join("::"))
        .collect();
    assert_eq!(
        paths,
        [
            "auth::JwtAuth",
            "auth::x::Y",
            "body",
            "top::middle",
            "top::middle::a",
            "top::p::q",
            "top::middle::file::s",
        ]
    );
}
