//! Origins, as browsers write them in `Origin`: scheme, host and port, and nothing else.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The origins whose pages may call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Origins {
    Any,
    Listed(Vec<Pattern>),
}

impl Origins {
    /// Whether a page of this origin, as the header holds it, may call.
    pub(crate) fn contain(&self, origin: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(patterns) => std::str::from_utf8(origin)
                .is_ok_and(|origin| patterns.iter().any(|pattern| pattern.matches(origin))),
        }
    }
}

/// An origin, or the subdomains of one.
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

/// Reads a list of origins; `None` is an empty one.
///
/// # Errors
/// If one of them can never be the origin of a page.
pub(crate) fn origins(list: &[String]) -> Result<Option<Origins>, String> {
    let list = list.iter().map(|origin| origin.trim());
    let list: Vec<_> = list.filter(|origin| !origin.is_empty()).collect();
    match list.as_slice() {
        [] => Ok(None),
        ["*"] => Ok(Some(Origins::Any)),
        list if list.contains(&"*") => {
            Err("allows any origin with *, so others cannot be listed beside it".to_owned())
        }
        list => {
            let pattern = |text: &&str| {
                Pattern::parse(text).map_err(|problem| {
                    format!("{text:?} cannot be the origin of a page, like https://shop.example: {problem}")
                })
            };
            let patterns = list.iter().map(pattern).collect::<Result<_, _>>();
            patterns.map(|patterns| Some(Origins::Listed(patterns)))
        }
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text.eq_ignore_ascii_case("null") {
            return Err("null is sent by files and by sandboxed frames of any site");
        }
        let Some((scheme, authority)) = text.split_once("://") else {
            return Err("the scheme is missing");
        };
        let scheme = scheme_of_pages(scheme)?;
        let (host, port) = split_port(authority)?;
        let port = match (&*scheme, port) {
            (_, None) | ("http", Some(80)) | ("https", Some(443)) => String::new(),
            (_, Some(port)) => format!(":{port}"),
        };
        match host.strip_prefix("*.") {
            Some(parent) => Ok(Self::Subdomains {
                scheme: format!("{scheme}://"),
                parent: format!(".{}{port}", parent_domain(parent)?),
            }),
            None => Ok(Self::Exact(format!(
                "{scheme}://{}{port}",
                host_name(host)?
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

/// A scheme that pages can have: of the web, or of an application, such as `capacitor`.
fn scheme_of_pages(scheme: &str) -> Result<String, &'static str> {
    let scheme = scheme.to_ascii_lowercase();
    let is_letter = |byte: u8| byte.is_ascii_lowercase();
    let is_other = |byte: u8| byte.is_ascii_digit() || b"+-.".contains(&byte);
    let mut bytes = scheme.bytes();
    if !bytes.next().is_some_and(is_letter) || !bytes.all(|byte| is_letter(byte) || is_other(byte))
    {
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

/// A domain or an address, as browsers write it.
fn host_name(host: &str) -> Result<String, &'static str> {
    if let Some(address) = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        let address = address
            .parse()
            .map_err(|_| "the IPv6 address is malformed")?;
        return Ok(format!("[{}]", ipv6(address)));
    }
    let host = domain(host)?;
    // The URL standard takes a host for an IPv4 address if its last label is a number.
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

fn domain(host: &str) -> Result<String, &'static str> {
    if !host.is_ascii() {
        return Err("browsers send the ASCII form of this domain, which has labels with xn--");
    }
    if host.contains('*') {
        return Err(
            "* stands for all subdomains at the beginning of a host, as in https://*.shop.example",
        );
    }
    let host = host.to_ascii_lowercase();
    if is_domain(&host) {
        Ok(host)
    } else {
        Err("the host is malformed")
    }
}

/// The part of a pattern behind `*.`.
fn parent_domain(host: &str) -> Result<String, &'static str> {
    let host = domain(host)?;
    if host.parse::<Ipv4Addr>().is_ok() {
        return Err("an address has no subdomains");
    }
    if !host.contains('.') && host != "localhost" {
        return Err("all sites of a top-level domain would be allowed");
    }
    Ok(host)
}

/// Labels of lower case letters, digits, `-` and `_`, with dots between them.
fn is_domain(host: &str) -> bool {
    let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    host.split('.')
        .all(|label| !label.is_empty() && label.bytes().all(is_plain))
}

/// As the URL standard writes it: without dots, also where an IPv4 address is mapped.
fn ipv6(address: Ipv6Addr) -> String {
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
        origins(&list)
    }

    fn allows(pattern: &str, origin: &str) -> bool {
        let origins = parse(&[pattern]).unwrap().unwrap();
        origins.contain(origin.as_bytes())
    }

    #[test]
    fn origins_are_written_as_browsers_write_them() {
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
    fn other_origins_are_not_allowed() {
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
        assert!(!origins.contain(b"https://\xff.shop.example"));
    }

    #[test]
    fn entries_that_can_never_match_are_refused() {
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
    fn any_origin_stands_alone() {
        assert_eq!(parse(&[]), Ok(None));
        assert_eq!(parse(&["", " "]), Ok(None));
        assert_eq!(parse(&[" * "]), Ok(Some(Origins::Any)));
        assert!(parse(&["*", "https://shop.example"]).is_err());
    }
}
