//! Origins as browsers serialize them in `Origin`: scheme, host and port.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The allowed origins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Origins {
    Any,
    Listed(Vec<Pattern>),
}

impl Origins {
    /// Whether the value of an `Origin` header is allowed.
    pub(crate) fn contains(&self, origin: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(patterns) => std::str::from_utf8(origin)
                .is_ok_and(|origin| patterns.iter().any(|pattern| pattern.matches(origin))),
        }
    }
}

/// An origin, or all subdomains of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    Exact(String),
    /// `https://*.shop.example:8443`
    Subdomains {
        /// `https://`
        scheme: String,
        /// `.shop.example:8443`
        parent: String,
    },
}

/// Parses a list of origins. `None` if it is empty.
///
/// # Errors
/// If an entry can never match the origin of a page.
pub(crate) fn parse_origins(list: &[String]) -> Result<Option<Origins>, String> {
    let list = list.iter().map(|origin| origin.trim());
    let list: Vec<_> = list.filter(|origin| !origin.is_empty()).collect();
    match list.as_slice() {
        [] => Ok(None),
        ["*"] => Ok(Some(Origins::Any)),
        list if list.contains(&"*") => {
            Err("allows any origin with *, which excludes other entries".to_owned())
        }
        list => {
            let patterns = list.iter().map(|text| {
                Pattern::parse(text).map_err(|problem| {
                    format!("{text:?} is not an origin such as https://shop.example: {problem}")
                })
            });
            let patterns = patterns.collect::<Result<_, _>>();
            patterns.map(|patterns| Some(Origins::Listed(patterns)))
        }
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text.eq_ignore_ascii_case("null") {
            return Err("null is the origin of files and of sandboxed frames of any site");
        }
        let Some((scheme, authority)) = text.split_once("://") else {
            return Err("the scheme is missing");
        };
        let scheme = parse_scheme(scheme)?;
        let (host, port) = split_port(authority)?;
        let port = match (&*scheme, port) {
            (_, None) | ("http", Some(80)) | ("https", Some(443)) => String::new(),
            (_, Some(port)) => format!(":{port}"),
        };
        match host.strip_prefix("*.") {
            Some(parent) => Ok(Self::Subdomains {
                scheme: format!("{scheme}://"),
                parent: format!(".{}{port}", parse_parent(parent)?),
            }),
            None => Ok(Self::Exact(format!(
                "{scheme}://{}{port}",
                parse_host(host)?
            ))),
        }
    }

    fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == origin,
            Self::Subdomains { scheme, parent } => origin
                .strip_prefix(&**scheme)
                .and_then(|rest| rest.strip_suffix(&**parent))
                .is_some_and(is_domain),
        }
    }
}

/// Parses the scheme of a page: http, https, or that of an application such as `capacitor`.
fn parse_scheme(scheme: &str) -> Result<String, &'static str> {
    let scheme = scheme.to_ascii_lowercase();
    // RFC 3986 §3.1
    let starts_with_letter = scheme.starts_with(|c: char| c.is_ascii_lowercase());
    let is_scheme_byte = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.');
    if !starts_with_letter || !scheme.bytes().all(is_scheme_byte) {
        return Err("the scheme is malformed");
    }
    match &*scheme {
        "ws" | "wss" => Err("a page that opens WebSockets has http or https"),
        "about" | "blob" | "data" | "file" | "ftp" | "javascript" => {
            Err("pages with this scheme have no origin")
        }
        _ => Ok(scheme),
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), &'static str> {
    if authority.contains(['/', '\\', '?', '#']) {
        return Err("an origin ends after the host or the port");
    }
    if authority.contains('@') {
        return Err("an origin has no user name");
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let Some(port) = port else {
        return Ok((host, None));
    };
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(number @ 1..) if is_number => Ok((host, Some(number))),
        _ => Err("the port is not a number from 1 to 65535"),
    }
}

/// Parses a domain or an address, and writes it as browsers do.
fn parse_host(host: &str) -> Result<String, &'static str> {
    if let Some(address) = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        let address = address
            .parse()
            .map_err(|_| "the IPv6 address is malformed")?;
        return Ok(format!("[{}]", format_ipv6(address)));
    }
    let host = parse_domain(host)?;
    // URL standard: a host whose last label is a number is an IPv4 address.
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last
            .strip_prefix("0x")
            .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if is_number && host.parse::<Ipv4Addr>().is_err() {
        return Err("the IPv4 address is malformed");
    }
    Ok(host)
}

fn parse_domain(host: &str) -> Result<String, &'static str> {
    if !host.is_ascii() {
        return Err("browsers send the ASCII form of this domain, which has labels with xn--");
    }
    if host.contains('*') {
        return Err("* is only for subdomains, at the beginning of a host: https://*.shop.example");
    }
    let host = host.to_ascii_lowercase();
    if is_domain(&host) {
        Ok(host)
    } else {
        Err("the host is malformed")
    }
}

/// Parses the part of a pattern after `*.`.
fn parse_parent(host: &str) -> Result<String, &'static str> {
    let host = parse_domain(host)?;
    if host.parse::<Ipv4Addr>().is_ok() {
        return Err("an address has no subdomains");
    }
    if !host.contains('.') && host != "localhost" {
        return Err("this would allow all sites of a top-level domain");
    }
    Ok(host)
}

/// Whether a host consists of labels of lower-case letters, digits, `-` and `_`.
fn is_domain(host: &str) -> bool {
    host.split('.').all(|label| {
        let mut bytes = label.bytes();
        !label.is_empty()
            && bytes.all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
    })
}

/// The form of the URL standard: hexadecimal groups, also for IPv4-mapped addresses.
fn format_ipv6(address: Ipv6Addr) -> String {
    match (address.to_ipv4_mapped(), address.segments()) {
        (Some(_), [.., high, low]) => format!("::ffff:{high:x}:{low:x}"),
        _ => address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(list: &[&str]) -> Result<Option<Origins>, String> {
        let list: Vec<_> = list.iter().map(|origin| (*origin).to_owned()).collect();
        parse_origins(&list)
    }

    fn allows(pattern: &str, origin: &str) -> bool {
        let origins = parse(&[pattern]).unwrap().unwrap();
        origins.contains(origin.as_bytes())
    }

    #[test]
    fn origins_match_as_browsers_serialize_them() {
        for (given, sent) in [
            ("https://shop.example", "https://shop.example"),
            ("https://Shop.Example", "https://shop.example"),
            ("HTTPS://shop.example", "https://shop.example"),
            ("https://shop.example:443", "https://shop.example"),
            ("http://shop.example:80", "http://shop.example"),
            ("https://shop.example:80", "https://shop.example:80"),
            ("http://shop.example:443", "http://shop.example:443"),
            ("https://shop.example:08443", "https://shop.example:8443"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            (
                "https://xn--mller-kva.example",
                "https://xn--mller-kva.example",
            ),
            ("https://my_shop.example", "https://my_shop.example"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("http://[0:0::1]:80", "http://[::1]"),
            ("http://[::ffff:127.0.0.1]", "http://[::ffff:7f00:1]"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("ionic://localhost", "ionic://localhost"),
            ("tauri://localhost", "tauri://localhost"),
            (
                "chrome-extension://abcdefghijklmnop",
                "chrome-extension://abcdefghijklmnop",
            ),
            ("app+dev.1://localhost:443", "app+dev.1://localhost:443"),
            ("https://*.shop.example", "https://a.shop.example"),
            ("https://*.shop.example", "https://a.b-1.shop.example"),
            ("https://*.SHOP.example:443", "https://a.shop.example"),
            ("https://*.shop.example:8443", "https://a.shop.example:8443"),
            ("http://*.localhost:3000", "http://a.localhost:3000"),
        ] {
            assert!(allows(given, sent), "{given} {sent}");
        }
    }

    #[test]
    fn other_origins_are_rejected() {
        for (given, sent) in [
            ("https://shop.example", "http://shop.example"),
            ("https://shop.example", "https://shop.example:8443"),
            ("https://shop.example", "https://shop.example.evil.test"),
            ("https://shop.example", "https://www.shop.example"),
            ("https://shop.example", "null"),
            ("https://*.shop.example", "https://shop.example"),
            ("https://*.shop.example", "https://.shop.example"),
            ("https://*.shop.example", "https://a..shop.example"),
            ("https://*.shop.example", "https://evilshop.example"),
            ("https://*.shop.example", "https://a.shop.example.evil.test"),
            ("https://*.shop.example", "http://a.shop.example"),
            ("https://*.shop.example", "https://a.shop.example:8443"),
            ("https://*.shop.example", "https://evil.test/.shop.example"),
            ("https://*.shop.example", "https://evil.test#.shop.example"),
            ("https://*.shop.example", "https://evil.test:1.shop.example"),
            ("https://*.shop.example", "https://user@a.shop.example"),
            ("https://*.shop.example", "null"),
            ("https://*.shop.example", ""),
        ] {
            assert!(!allows(given, sent), "{given} {sent}");
        }
        let origins = parse(&["https://*.shop.example"]).unwrap().unwrap();
        assert!(!origins.contains(b"https://\xff.shop.example"));
    }

    #[test]
    fn entries_that_can_never_match_are_rejected() {
        for (given, hint) in [
            ("shop.example", "scheme"),
            ("://shop.example", "scheme"),
            ("1http://shop.example", "scheme"),
            ("ht tp://shop.example", "scheme"),
            ("file://", "no origin"),
            ("wss://shop.example", "WebSockets"),
            ("null", "null"),
            ("https://shop.example/", "ends after"),
            ("https://shop.example/path", "ends after"),
            ("https://shop.example?", "ends after"),
            ("https://shop.example#a", "ends after"),
            ("https://user@shop.example", "user name"),
            ("https://shop.example:", "port"),
            ("https://shop.example:0", "port"),
            ("https://shop.example:65536", "port"),
            ("https://shop.example:+80", "port"),
            ("http://localhost:*", "port"),
            ("https://", "malformed"),
            ("https://shop..example", "malformed"),
            ("https://shop.example.", "malformed"),
            ("https://shop example", "malformed"),
            ("https://shop%2eexample", "malformed"),
            ("https://[::1", "malformed"),
            ("https://[::g]", "IPv6"),
            ("https://127.0.0", "IPv4"),
            ("https://127.0.0.0x1", "IPv4"),
            ("https://m\u{fc}ller.example", "xn--"),
            ("https://*", "subdomains"),
            ("https://shop.*", "subdomains"),
            ("https://a.*.shop.example", "subdomains"),
            ("https://*.*.shop.example", "subdomains"),
            ("https://*shop.example", "subdomains"),
            ("https://*.", "malformed"),
            ("https://*.example", "top-level"),
            ("https://*.127.0.0.1", "no subdomains"),
            ("*://shop.example", "scheme"),
        ] {
            let problem = parse(&[given]).unwrap_err();
            assert!(
                problem.contains(given.trim()) || !given.is_ascii(),
                "{problem}"
            );
            assert!(problem.contains(hint), "{given}: {problem}");
        }
    }

    #[test]
    fn any_origin_excludes_other_entries() {
        assert_eq!(parse(&[]), Ok(None));
        assert_eq!(parse(&["", " "]), Ok(None));
        assert_eq!(parse(&[" * "]), Ok(Some(Origins::Any)));
        assert!(parse(&["*", "https://shop.example"]).is_err());
    }
}
