//! The grammar of `Via` ([RFC 9110 §7.6.3](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.3)).

use http::header::{HeaderMap, HeaderValue, VIA};
use http::{HeaderName, Version};

use super::forwarded::token;

/// The most of it that is passed on, in bytes and in entries.
const MAX_LENGTH: usize = 1024;
const MAX_ENTRIES: usize = 16;

/// What we say of ourselves, by the version in which we were asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pseudonym([HeaderValue; 4]);

impl Pseudonym {
    /// `None`: it is no token, so it would not be read as one name.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let plain = HeaderName::from_bytes(name.as_bytes()).is_ok();
        let of = |version| HeaderValue::try_from(format!("{version} {name}")).ok();
        plain.then_some(())?;
        Some(Self([of("1.0")?, of("1.1")?, of("2.0")?, of("3.0")?]))
    }

    /// Which of them is for a request of this version.
    pub(crate) fn received(&self, version: Version) -> &HeaderValue {
        let Self([one, one_one, two, three]) = self;
        match version {
            Version::HTTP_09 | Version::HTTP_10 => one,
            Version::HTTP_2 => two,
            Version::HTTP_3 => three,
            _ => one_one,
        }
    }
}

impl Default for Pseudonym {
    fn default() -> Self {
        Self([
            HeaderValue::from_static("1.0 omneo-id"),
            HeaderValue::from_static("1.1 omneo-id"),
            HeaderValue::from_static("2.0 omneo-id"),
            HeaderValue::from_static("3.0 omneo-id"),
        ])
    }
}

/// The entries of all lines, without comments. `None`: there is none, it is not well-formed
/// throughout, or more than anybody honest would send.
pub(crate) fn read(headers: &HeaderMap) -> Option<String> {
    let mut via = String::new();
    let mut entries = 0;
    for line in headers.get_all(VIA) {
        let mut rest = line.to_str().ok()?;
        loop {
            rest = rest.trim_start_matches([' ', '\t']);
            if !rest.is_empty() && !rest.starts_with(',') {
                let (protocol, by, after) = entry(rest)?;
                entries += 1;
                if !via.is_empty() {
                    via.push_str(", ");
                }
                via.push_str(protocol);
                via.push(' ');
                via.push_str(by);
                if entries > MAX_ENTRIES || via.len() > MAX_LENGTH {
                    return None;
                }
                rest = after.trim_start_matches([' ', '\t']);
            }
            if rest.is_empty() {
                break;
            }
            rest = rest.strip_prefix(',')?;
        }
    }
    (!via.is_empty()).then_some(via)
}

/// `received-protocol RWS received-by [ RWS comment ]`, and what follows it.
fn entry(text: &str) -> Option<(&str, &str, &str)> {
    let end = text.find([' ', '\t'])?;
    let (protocol, rest) = text.split_at_checked(end)?;
    let (name, version) = protocol.split_once('/').unwrap_or(("HTTP", protocol));
    let is_token =
        |text: &str| token(text).is_some_and(|(token, rest)| !token.is_empty() && rest.is_empty());
    if !is_token(name) || !is_token(version) {
        return None;
    }
    let rest = rest.trim_start_matches([' ', '\t']);
    let (by, rest) = rest.split_at_checked(rest.find([' ', '\t', ',']).unwrap_or(rest.len()))?;
    let (host, port) = by.split_once(':').unwrap_or((by, ""));
    if !is_token(host) || port.len() > 5 || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let after = rest.trim_start_matches([' ', '\t']);
    match after.strip_prefix('(') {
        // A comment stands apart from what it is about.
        Some(comment) if after.len() < rest.len() => Some((protocol, by, behind(comment)?)),
        Some(_) => None,
        None => Some((protocol, by, rest)),
    }
}

/// What follows a comment. RFC 9110 §5.6.5: comments can be nested, and hold quoted pairs.
fn behind(comment: &str) -> Option<&str> {
    let mut depth = 1_usize;
    let mut escaped = false;
    for (at, c) in comment.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '(' => depth += 1,
            ')' if depth == 1 => return comment.get(at + 1..),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(VIA, line.parse().unwrap());
        }
        read(&headers)
    }

    #[test]
    fn entries_are_read_without_their_comments() {
        for (lines, expected) in [
            (
                &["1.0 fred, 1.1 p.example.net"][..],
                "1.0 fred, 1.1 p.example.net",
            ),
            (&["1.1 a", "HTTP/2 b:8080"], "1.1 a, HTTP/2 b:8080"),
            (&["1.1 a (Varnish, (7) \\)), 1.1 b\t(x) ,"], "1.1 a, 1.1 b"),
            (&[" ,, 1.1\t a "], "1.1 a"),
        ] {
            assert_eq!(parsed(lines).as_deref(), Some(expected), "{lines:?}");
        }
    }

    #[test]
    fn a_field_that_is_not_well_formed_says_nothing() {
        let many = "1.1 a, ".repeat(MAX_ENTRIES + 1);
        let long = format!("1.1 {}", "a".repeat(MAX_LENGTH));
        for lines in [
            &[][..],
            &[""],
            &[","],
            &["1.1"],
            &["1.1 "],
            &["1.1 , 1.1 a"],
            &["1.1 a b"],
            &["1.1 a(x)"],
            &["1.1 a (x"],
            &["1.1 a (x) y"],
            &["1.1 a:b"],
            &["1.1 a:123456"],
            &["1.1 [::1]"],
            &["a/b/c d"],
            &["1.1 a", "<script>"],
            &[&many],
            &[&long],
        ] {
            assert_eq!(parsed(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn a_pseudonym_is_one_name() {
        assert_eq!(Pseudonym::new("omneo-id"), Some(Pseudonym::default()));
        for name in ["", "a b", "a,b", "a (b)", "a\r\n", "ü"] {
            assert_eq!(Pseudonym::new(name), None, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_passed_on_reads_the_same(line in "(1\\.1|HTTP/2| |,|a|:80|\\(|\\)|\\\\|b\\.c|\t){0,16}") {
            if let Some(via) = parsed(&[&line]) {
                prop_assert_eq!(parsed(&[&via]), Some(via.clone()));
                prop_assert!(!via.contains(['(', ')', '\\', '\t']));
            }
        }
    }
}
