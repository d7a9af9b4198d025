//! The grammar of `Forwarded` ([RFC 7239](https://www.rfc-editor.org/rfc/rfc7239#section-4)).

use std::fmt::Write;
use std::net::IpAddr;

use http::HeaderMap;
use http::header::FORWARDED;

/// The longest accepted header, all values together, in bytes. A chain of 16 hops with IPv6
/// addresses, scheme and host is under 2 KB.
const MAX_LENGTH: usize = 4096;

/// The entry of one proxy about its own client.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) node: Option<String>,
    pub(crate) proto: Option<String>,
    pub(crate) host: Option<String>,
}

/// The elements of all values, in order. `None`: the header is absent, malformed or too long.
pub(crate) fn parse(headers: &HeaderMap) -> Option<Vec<Element>> {
    let mut elements = Vec::new();
    let mut length = 0;
    for value in headers.get_all(FORWARDED) {
        length += value.len();
        if length > MAX_LENGTH {
            return None;
        }
        parse_list(value.to_str().ok()?, &mut elements)?;
    }
    (!elements.is_empty()).then_some(elements)
}

/// The address of a node, which may have a port. `unknown` and obfuscated nodes have no address.
pub(crate) fn parse_addr(node: &str) -> Option<IpAddr> {
    let (addr, port) = match node.strip_prefix('[') {
        Some(rest) => {
            let (addr, port) = rest.split_once(']')?;
            (IpAddr::V6(addr.parse().ok()?), port)
        }
        None => {
            let end = node.find(':').unwrap_or(node.len());
            let (addr, port) = node.split_at_checked(end)?;
            (IpAddr::V4(addr.parse().ok()?), port)
        }
    };
    is_port(port).then_some(addr)
}

/// `[ ":" node-port ]`: a number or an obfuscated name.
fn is_port(port: &str) -> bool {
    match port.strip_prefix(':') {
        None => port.is_empty(),
        Some(port) => match port.strip_prefix('_') {
            Some(name) => !name.is_empty() && name.chars().all(is_obfuscated_char),
            None => matches!(port.len(), 1..=5) && port.bytes().all(|byte| byte.is_ascii_digit()),
        },
    }
}

/// Formats one element per address, the client's first. `proto` and `host` belong to the client's
/// element.
pub(crate) fn format(addrs: &[IpAddr], proto: Option<&str>, host: Option<&str>) -> String {
    let mut text = String::new();
    let mut addrs = addrs.iter();
    if let Some(addr) = addrs.next() {
        push_node(&mut text, *addr);
    }
    for (name, value) in [("proto", proto), ("host", host)] {
        if let Some(value) = value {
            let separator = if text.is_empty() { "" } else { ";" };
            // Writing to a `String` cannot fail.
            let _ = write!(text, "{separator}{name}=");
            push_value(&mut text, value);
        }
    }
    for addr in addrs {
        text.push_str(", ");
        push_node(&mut text, *addr);
    }
    text
}

fn push_node(text: &mut String, addr: IpAddr) {
    // RFC 7239 §6: an IPv6 address is enclosed in brackets. It is quoted, because `[`, `]` and `:`
    // are not token characters.
    let _ = match addr {
        IpAddr::V4(addr) => write!(text, "for={addr}"),
        IpAddr::V6(addr) => write!(text, "for=\"[{addr}]\""),
    };
}

fn push_value(text: &mut String, value: &str) {
    if !value.is_empty() && value.chars().all(is_tchar) {
        text.push_str(value);
        return;
    }
    text.push('"');
    for c in value.chars() {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
}

/// Appends the elements of a list. RFC 9110 §5.6.1.2: a recipient ignores empty elements.
fn parse_list(value: &str, elements: &mut Vec<Element>) -> Option<()> {
    let mut rest = value;
    loop {
        let (element, after) = parse_element(rest.trim_start_matches([' ', '\t']))?;
        elements.extend(element);
        let after = after.trim_start_matches([' ', '\t']);
        if after.is_empty() {
            return Some(());
        }
        rest = after.strip_prefix(',')?;
    }
}

/// `[ forwarded-pair ] *( ";" [ forwarded-pair ] )`, and the rest of the text.
fn parse_element(mut rest: &str) -> Option<(Option<Element>, &str)> {
    let mut element = None;
    loop {
        let (name, after) = split_token(rest)?;
        if !name.is_empty() {
            let (value, after) = split_value(after.strip_prefix('=')?)?;
            let element: &mut Element = element.get_or_insert_default();
            let field = match name.to_ascii_lowercase().as_str() {
                "for" => Some(&mut element.node),
                "proto" => Some(&mut element.proto),
                "host" => Some(&mut element.host),
                // `by` and extensions are ignored.
                _ => None,
            };
            // RFC 7239 §4: "Each parameter MUST NOT occur more than once per field-value".
            if field.is_some_and(|field| field.replace(value).is_some()) {
                return None;
            }
            rest = after;
        }
        match rest.strip_prefix(';') {
            Some(after) => rest = after,
            None => return Some((element, rest)),
        }
    }
}

/// Splits after the leading token characters.
pub(super) fn split_token(text: &str) -> Option<(&str, &str)> {
    text.split_at_checked(text.find(|c| !is_tchar(c)).unwrap_or(text.len()))
}

/// `token / quoted-string`, and the rest of the text.
fn split_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (token, rest) = split_token(text)?;
        return (!token.is_empty()).then(|| (token.to_owned(), rest));
    };
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in quoted.char_indices() {
        match c {
            '"' if !escaped => return Some((value, quoted.get(at + 1..)?)),
            '\\' if !escaped => escaped = true,
            _ => {
                value.push(c);
                escaped = false;
            }
        }
    }
    None
}

/// RFC 9110 §5.6.2.
fn is_tchar(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// RFC 7239 §6.3.
fn is_obfuscated_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn parsed(lines: &[&str]) -> Option<Vec<String>> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED, HeaderValue::from_str(line).unwrap());
        }
        let elements = parse(&headers)?.into_iter().map(|element| {
            let parts = [element.node, element.proto, element.host];
            parts.map(|part| part.unwrap_or("-".to_owned())).join(" ")
        });
        Some(elements.collect())
    }

    #[test]
    fn elements_are_parsed_by_the_grammar_of_the_rfc() {
        for (lines, expected) in [
            (&["for=\"_gazonk\""][..], &["_gazonk - -"][..]),
            (
                &["For=\"[2001:db8:cafe::17]:4711\""],
                &["[2001:db8:cafe::17]:4711 - -"],
            ),
            (
                &["for=192.0.2.60;proto=http;by=203.0.113.43"],
                &["192.0.2.60 http -"],
            ),
            (
                &["for=192.0.2.43, for=198.51.100.17"],
                &["192.0.2.43 - -", "198.51.100.17 - -"],
            ),
            (
                &["for=192.0.2.43", "for=198.51.100.17;HOST=a"],
                &["192.0.2.43 - -", "198.51.100.17 - a"],
            ),
            (&["for=a;;host=\"b:80\";"], &["a - b:80"]),
            (&[" ,for=a\t,,by=b , "], &["a - -", "- - -"]),
            (&["for=\"a, for=\\\"b\\\\\""], &["a, for=\"b\\ - -"]),
            (&["secret=x;for=a"], &["a - -"]),
        ] {
            let expected: Vec<_> = expected.iter().map(|&line| line.to_owned()).collect();
            assert_eq!(parsed(lines), Some(expected), "{lines:?}");
        }
    }

    #[test]
    fn a_malformed_header_is_ignored() {
        let long = format!("for=\"{}\"", "x".repeat(MAX_LENGTH));
        for lines in [
            &[][..],
            &[""],
            &[" , ,"],
            &["for"],
            &["for="],
            &["for=a b"],
            &["for =a"],
            &["for= a"],
            &["for=a ;host=b"],
            &["for=a; host=b"],
            &["for=2001:db8::1"],
            &["for=[2001:db8::1]"],
            &["for=\"a"],
            &["for=\"a\\\""],
            &["for=\"a\"b"],
            &["=a"],
            &["for=a;for=b"],
            &["for=a;FOR=a"],
            &["for=a", "for=b;", " for=c d"],
            &["10.0.0.1, 10.0.0.2"],
            &[&long],
            &[&long[..3000], &long[..3000]],
        ] {
            assert_eq!(parsed(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn the_address_of_a_node_is_parsed() {
        for (node, expected) in [
            ("192.0.2.43", Some("192.0.2.43")),
            ("192.0.2.43:47011", Some("192.0.2.43")),
            ("192.0.2.43:_x-1.y", Some("192.0.2.43")),
            ("[2001:db8::17]", Some("2001:db8::17")),
            ("[2001:db8::17]:80", Some("2001:db8::17")),
            ("unknown", None),
            ("_hidden", None),
            ("", None),
            ("shop.test", None),
            ("2001:db8::17", None),
            ("[192.0.2.43]", None),
            ("[2001:db8::17", None),
            ("[2001:db8::17]80", None),
            ("192.0.2.43:", None),
            ("192.0.2.43:_", None),
            ("192.0.2.43:123456", None),
            ("192.0.2.43:+1", None),
            ("192.0.2.043", None),
        ] {
            let expected = expected.map(|addr| addr.parse().unwrap());
            assert_eq!(parse_addr(node), expected, "{node}");
        }
    }

    proptest! {
        #[test]
        fn a_formatted_header_parses_to_the_same_values(
            addrs in proptest::collection::vec(any::<IpAddr>(), 0..4),
            proto in proptest::option::of("[a-z][a-z0-9+.-]{0,5}"),
            host in proptest::option::of("[ -~]{1,12}"),
        ) {
            let text = format(&addrs, proto.as_deref(), host.as_deref());
            let mut headers = HeaderMap::new();
            headers.insert(FORWARDED, text.parse().unwrap());
            let Some(elements) = parse(&headers) else {
                prop_assert!(addrs.is_empty() && proto.is_none() && host.is_none(), "{}", text);
                return Ok(());
            };
            let nodes = elements.iter();
            let parsed: Vec<_> = nodes.filter_map(|e| parse_addr(e.node.as_deref()?)).collect();
            prop_assert_eq!(parsed, addrs);
            prop_assert_eq!(&elements[0].proto, &proto);
            prop_assert_eq!(&elements[0].host, &host);
            prop_assert!(elements[1..].iter().all(|e| e.proto.is_none() && e.host.is_none()));
        }

        #[test]
        fn parsing_never_panics(line in "(for|=|\"|\\\\|;|,| |a|\\[::1\\]|proto|host|by){0,12}") {
            parsed(&[&line]);
        }
    }
}
