//! The grammar of `Via` ([RFC 9110 §7.6.3](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.3)).

use http::header::{HeaderMap, HeaderValue, VIA};
use http::{HeaderName, Version};

use super::forwarded::split_token;

/// The longest header that is forwarded, in bytes: room for some dozens of proxies.
const MAX_LENGTH: usize = 1024;

/// The most entries that are forwarded, as many as hops of a chain of trusted proxies.
const MAX_ENTRIES: usize = 16;

/// Our entry, for each version of the received request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pseudonym([HeaderValue; 4]);

impl Pseudonym {
    /// `None`: `name` is not a token.
    pub(crate) fn new(name: &str) -> Option<Self> {
        // Header names have the grammar of tokens.
        HeaderName::from_bytes(name.as_bytes()).ok()?;
        let entry = |version| HeaderValue::try_from(format!("{version} {name}")).ok();
        Some(Self([
            entry("1.0")?,
            entry("1.1")?,
            entry("2.0")?,
            entry("3.0")?,
        ]))
    }

    /// The entry for a request that was received with this version.
    pub(crate) fn for_version(&self, version: Version) -> &HeaderValue {
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

/// The entries of all values, without comments. `None`: the header is absent, malformed, too long,
/// or has too many entries.
pub(crate) fn parse(headers: &HeaderMap) -> Option<String> {
    let mut via = String::new();
    let mut entries = 0;
    for value in headers.get_all(VIA) {
        let mut rest = value.to_str().ok()?;
        loop {
            rest = rest.trim_start_matches([' ', '\t']);
            if !rest.is_empty() && !rest.starts_with(',') {
                let (protocol, by, after) = parse_entry(rest)?;
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

/// `received-protocol RWS received-by [ RWS comment ]`: the first two, and the rest of the text.
fn parse_entry(text: &str) -> Option<(&str, &str, &str)> {
    let end = text.find([' ', '\t'])?;
    let (protocol, rest) = text.split_at_checked(end)?;
    let (name, version) = protocol.split_once('/').unwrap_or(("HTTP", protocol));
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
        // Whitespace is required before a comment.
        Some(comment) if after.len() < rest.len() => Some((protocol, by, skip_comment(comment)?)),
        Some(_) => None,
        None => Some((protocol, by, rest)),
    }
}

fn is_token(text: &str) -> bool {
    split_token(text).is_some_and(|(token, rest)| !token.is_empty() && rest.is_empty())
}

/// The text after a comment. RFC 9110 §5.6.5: comments can be nested and contain quoted pairs.
fn skip_comment(comment: &str) -> Option<&str> {
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
        parse(&headers)
    }

    #[test]
    fn entries_are_parsed_without_their_comments() {
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
    fn a_malformed_header_is_ignored() {
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
    fn a_pseudonym_is_a_token() {
        assert_eq!(Pseudonym::new("omneo-id"), Some(Pseudonym::default()));
        for name in ["", "a b", "a,b", "a (b)", "a\r\n", "ü"] {
            assert_eq!(Pseudonym::new(name), None, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn parsed_entries_parse_to_themselves(line in "(1\\.1|HTTP/2| |,|a|:80|\\(|\\)|\\\\|b\\.c|\t){0,16}") {
            if let Some(via) = parsed(&[&line]) {
                prop_assert_eq!(parsed(&[&via]), Some(via.clone()));
                prop_assert!(!via.contains(['(', ')', '\\', '\t']));
            }
        }
    }
}
