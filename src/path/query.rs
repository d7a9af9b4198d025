use std::fmt;

use http::Method;

use super::percent::{Decoder, FormDecoder};

/// Why a query is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QueryRefusal {
    /// `identity[…]`: the tenant would interpret the id in the path as an external identifier.
    Identity,
    /// `_method` in a request that is not a GET or HEAD: the tenant would use another method.
    MethodOverride,
    /// Arguments of a command line, as PHP parses them.
    CommandLine,
    /// Bytes that should have been percent-encoded.
    Encoding,
}

impl fmt::Display for QueryRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "the query contains an `identity` parameter",
            Self::MethodOverride => "the query overrides the method",
            Self::CommandLine => "the query contains arguments of a command line",
            Self::Encoding => "the query is not percent-encoded",
        })
    }
}

impl std::error::Error for QueryRefusal {}

/// Checks that a query does not override the path or the method.
///
/// A query is parsed as the most lenient PHP server parses it. `php -S` and Swoole skip further `?`
/// at its start, and PHP skips spaces before a name. This parser skips `?`, `&`, whitespace and
/// control characters before each name, encoded or not. A name is decoded once. `.` and spaces
/// inside it are equal to `_`; `[` and NUL end it; names are case-sensitive.
///
/// A command line is a query that begins with `-` (RFC 3875 §4.4, `php-cgi`), or that has an
/// argument such as `--env` between `+`: with `register_argc_argv`, PHP splits each query at `+`
/// into `$_SERVER['argv']`, from which Laravel has read its environment. A bare `--` and arguments
/// with one `-`, as search boxes send them, are accepted.
///
/// ```
/// use http::Method;
/// use omneo_id::path::check_query;
///
/// assert!(check_query("page%5Bsize%5D=5&include=tiers", &Method::GET).is_ok());
/// assert!(check_query("identity%5Bpos%5D=1", &Method::GET).is_err());
/// assert!(check_query("+_method=DELETE", &Method::POST).is_err());
/// // The target was `/profiles/me??identity[pos]=1`.
/// assert!(check_query("?identity[pos]=1", &Method::GET).is_err());
/// assert!(check_query("q=shirts+--", &Method::GET).is_ok());
/// ```
///
/// # Errors
/// If the query contains an `identity` parameter, a `_method` parameter in a request that is not a
/// GET or HEAD, a command line, or raw bytes outside printable ASCII.
pub fn check_query(query: &str, method: &Method) -> Result<(), QueryRefusal> {
    if !query.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(QueryRefusal::Encoding);
    }
    if is_command_line(query) {
        return Err(QueryRefusal::CommandLine);
    }
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    // PHP splits at `&`, and also at `;` if `arg_separator.input` is configured so.
    for pair in query.as_bytes().split(|&byte| matches!(byte, b'&' | b';')) {
        let name = ParameterName::parse(pair);
        if name.is_identity() {
            return Err(QueryRefusal::Identity);
        }
        if !is_read && name.is_method() {
            return Err(QueryRefusal::MethodOverride);
        }
    }
    Ok(())
}

/// Whether PHP passes the query, or parts of it, to an application as command-line arguments.
fn is_command_line(query: &str) -> bool {
    let start = skip_ignored(query.as_bytes());
    // php-cgi compares the decoded query. The best-fit mapping of some Windows code pages converts
    // a soft hyphen to a hyphen (CVE-2024-4577).
    let first = Decoder(start).next();
    // `php_build_argv` splits the raw query at `+`, also if it contains a `=`.
    matches!(first, Some(b'-' | 0xad)) || start.split(|&byte| byte == b'+').any(is_long_option)
}

/// `--` and the first character of a name: `--env`, `--env=local`, `--no-debug`.
fn is_long_option(argument: &[u8]) -> bool {
    let name = argument.strip_prefix(b"--").and_then(<[u8]>::first);
    name.is_some_and(u8::is_ascii_alphanumeric)
}

/// Whether some servers skip this decoded byte before the name of a parameter.
fn is_ignored(byte: u8) -> bool {
    byte <= b' ' || matches!(byte, b'?' | b'&')
}

/// The query without its leading ignored bytes.
fn skip_ignored(mut query: &[u8]) -> &[u8] {
    let mut form = FormDecoder::new(query);
    while form.next().is_some_and(is_ignored) {
        query = form.rest();
    }
    query
}

/// Whether a form has a `_method` field. Its names are parsed like those of a
/// [query](check_query).
pub(crate) fn form_overrides_method(form: &[u8]) -> bool {
    form.split(|&byte| matches!(byte, b'&' | b';'))
        .any(|pair| ParameterName::parse(pair).is_method())
}

/// The decoded name of a parameter, truncated to the length of the longest name that is compared.
struct ParameterName {
    bytes: [u8; Self::MAX_LENGTH],
    length: usize,
}

impl ParameterName {
    const MAX_LENGTH: usize = "identity[".len();

    fn parse(raw: &[u8]) -> Self {
        let end = raw
            .iter()
            .position(|&byte| byte == b'=')
            .unwrap_or(raw.len());
        let decoded = FormDecoder::new(raw.get(..end).unwrap_or_default())
            .skip_while(|&byte| is_ignored(byte))
            .take_while(|&byte| byte != 0);
        let mut name = Self {
            bytes: [0; Self::MAX_LENGTH],
            length: 0,
        };
        for (slot, byte) in name.bytes.iter_mut().zip(decoded) {
            *slot = byte;
            name.length += 1;
        }
        name
    }

    /// Whether the name is `identity`, alone or with a key, which begins with `[` in PHP, and with
    /// `.` or a space in lenient parsers.
    fn is_identity(&self) -> bool {
        match self.as_bytes().strip_prefix(b"identity") {
            Some([]) => true,
            Some([next, ..]) => matches!(next, b'[' | b'.' | b' '),
            None => false,
        }
    }

    /// Whether the name is `_method`, or one that PHP converts to it.
    fn is_method(&self) -> bool {
        match self.as_bytes() {
            [b'_' | b'.' | b'[', rest @ ..] => match rest.strip_prefix(b"method") {
                Some([]) => true,
                Some([next, ..]) => *next == b'[',
                None => false,
            },
            _ => false,
        }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &Method, query: &str, expected: Result<(), QueryRefusal>) {
        assert_eq!(check_query(query, method), expected, "{method} ?{query}");
    }

    #[test]
    fn ordinary_queries_are_accepted() {
        for query in [
            "",
            "filter%5Bis_published%5D=1",
            "filter[a]=b&page[size]=5",
            "include=identities&sort=-created_at",
            "identity_id=7&identities[pos]=1&my.identity=2",
            "a=identity[x]&b=%5B_method%5D",
            "Identity[pos]=1",
            "method=card&x_method=1",
            "&&=&%zz=%",
            "?",
            "??a=1",
            "a?identity[pos]=1",
            "a=?_method",
            "%2bidentity=1",
            "colour=red;size=7",
        ] {
            check(&Method::POST, query, Ok(()));
        }
    }

    #[test]
    fn identity_in_every_spelling_of_php_is_rejected() {
        for query in [
            "identity[pos]=1",
            "a=b&identity%5Bpos%5D=1",
            "%69dentity[pos]=1",
            "identity=1",
            "identity",
            "identity[pos=1",
            "identity.pos=1",
            "identity+pos=1",
            "identity%20x=1",
            "+identity[pos]=1",
            "%20%20identity[pos]=1",
            "identity%00[pos]=1",
            "identity[][]=1",
            "a=1;identity[pos]=1",
            "?identity[pos]=1",
            "??identity",
            "?+?%20identity=1",
            "a=1&?identity[pos]=1",
            "%3Fidentity[pos]=1",
            "%09%0a%0b%0c%0d%00identity[pos]=1",
            "%26identity[pos]=1",
        ] {
            check(&Method::GET, query, Err(QueryRefusal::Identity));
        }
    }

    #[test]
    fn a_method_override_in_every_spelling_of_php_is_rejected_for_writes() {
        for query in [
            "_method=PUT",
            "x=1&_method=PUT",
            "%5fmethod=PUT",
            "%5Fmet%68od=PUT",
            ".method=PUT",
            "[method=PUT",
            "+_method=PUT",
            "%20_method=PUT",
            "_method[]=PUT",
            "_method%00x=PUT",
            "_method",
            "a=1;_method=PUT",
            "?_method=PUT",
            "???.method=PUT",
            "a=1&%3f%0d_method=PUT",
        ] {
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                check(&method, query, Err(QueryRefusal::MethodOverride));
            }
            check(&Method::GET, query, Ok(()));
        }
    }

    #[test]
    fn command_line_arguments_are_rejected() {
        for query in [
            "--env=local",
            "a=1+--env=local",
            "a+--env",
            "a+--1",
            "-d+x%3d1",
            "%2dd+x",
            "%ADd+x",
            "+-d+x",
            "%20-d",
            "+--x",
            "?--env=local",
            "??+--env=local",
            "%3f-d+x",
            "&-d",
        ] {
            for method in [Method::GET, Method::POST] {
                check(&method, query, Err(QueryRefusal::CommandLine));
            }
        }
    }

    #[test]
    fn hyphens_in_a_search_are_accepted() {
        for query in [
            "sort=-created_at",
            "q=a+-b",
            "q=a--b",
            "q=--",
            "q=a+--",
            "q=a+--+b",
            "q=a+---",
            "q=a+--%20b",
            "q=a+?--b",
            "a=1&-b=2",
            "q=a+%2d-b",
        ] {
            check(&Method::GET, query, Ok(()));
        }
    }

    #[test]
    fn a_form_is_parsed_like_php() {
        for form in [
            "_method=DELETE",
            "a=1&+%2emethod=PUT",
            "a;_method[]=x",
            "?_method=PUT",
            "a=1&\r\n\t_method=PUT",
            "%3f%00_method=PUT",
            "\u{e9}=1&_method",
        ] {
            assert!(form_overrides_method(form.as_bytes()), "{form}");
        }
        for form in [
            "",
            "method=x",
            "a=_method",
            "x_method=1",
            "a=%26_method%3DPUT",
        ] {
            assert!(!form_overrides_method(form.as_bytes()), "{form}");
        }
        assert!(form_overrides_method(b"\xff=\xfe&_method=PUT"));
    }

    #[test]
    fn raw_bytes_outside_ascii_are_rejected() {
        check(&Method::GET, "q=caf\u{e9}", Err(QueryRefusal::Encoding));
    }
}
