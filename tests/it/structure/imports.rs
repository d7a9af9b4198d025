//! The imports of a source file, as absolute module paths.

/// The paths that start with `crate`, `super` or `self` in some code, as absolute paths of
/// segments.
///
/// `module` is the absolute path of the file's module: `["upstream", "call", "exchange"]`.
pub(super) fn imports(module: &[&str], code: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    let mut rest = code;
    while let Some((root, after)) = next_root(rest) {
        let base = match root {
            "crate" => Vec::new(),
            "self" => owned(module),
            _ => owned(parent(module)),
        };
        rest = tree(after, &base, &mut paths);
    }
    paths
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(|&segment| segment.to_owned()).collect()
}

fn parent<'a, 'b>(module: &'a [&'b str]) -> &'a [&'b str] {
    &module[..module.len().saturating_sub(1)]
}

/// The next `crate::`, `super::` or `self::` and what follows it.
fn next_root(code: &str) -> Option<(&str, &str)> {
    let found = ["crate", "super", "self"].into_iter().filter_map(|root| {
        let mark = format!("{root}::");
        let mut from = 0;
        while let Some(at) = code[from..].find(&mark).map(|at| at + from) {
            let is_word = !code[..at].ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c));
            if is_word {
                return Some((at, root, mark.len()));
            }
            from = at + mark.len();
        }
        None
    });
    let (at, root, length) = found.min_by_key(|(at, ..)| *at)?;
    Some((root, &code[at + length..]))
}

/// Reads one tree of a `use` declaration, or the path of an expression, and returns what follows.
fn tree<'a>(mut code: &'a str, base: &[String], paths: &mut Vec<Vec<String>>) -> &'a str {
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
fn items<'a>(mut code: &'a str, base: &[String], paths: &mut Vec<Vec<String>>) -> &'a str {
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
                let z = super::super::p::q(); my_crate::r; self::s;";
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
