use std::fmt;

use http::Method;

use super::percent::Decoder;

/// Why a query is not sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QueryRefusal {
    /// `identity[…]`: the tenant would read the id in the path as somebody's external identifier.
    Identity,
    /// `_method` in a writing request: the tenant would act on another method.
    MethodOverride,
    /// What PHP could take for the arguments of a command line.
    CommandLine,
    /// Bytes that should have been percent-encoded.
    Encoding,
}

impl fmt::Display for QueryRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "the query holds an `identity` parameter",
            Self::MethodOverride => "the query overrides the method",
            Self::CommandLine => "the query holds arguments of a command line",
            Self::Encoding => "the query is not percent-encoded",
        })
    }
}

impl std::error::Error for QueryRefusal {}

/// Checks that a query does not change what the path and the method say.
///
/// A query is read as the most lenient PHP server reads it. `php -S` and Swoole skip further `?` at
/// its start, PHP drops spaces before a name. Here all of `?`, `&`, whitespace and control
/// characters are skipped before each name, encoded or not. A name is decoded once, `.` and spaces
/// inside count as `_`, `[` and NUL end it, and its case is kept.
///
/// A command line is a query that begins with `-` (RFC 3875 §4.4, `php-cgi`), or that holds a word
/// such as `--env` between `+`: with `register_argc_argv`, PHP splits each query at `+` into
/// `$_SERVER['argv']`, and Laravel has taken its environment from there. A bare `--` and words with
/// one `-`, as search boxes send them, pass.
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
/// If it holds an `identity` parameter, a `_method` parameter in a request that writes, a command
/// line, or raw bytes beyond printable ASCII.
pub fn check_query(query: &str, method: &Method) -> Result<(), QueryRefusal> {
    if !query.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(QueryRefusal::Encoding);
    }
    if is_command_line(query) {
        return Err(QueryRefusal::CommandLine);
    }
    let reading = matches!(*method, Method::GET | Method::HEAD);
    // PHP separates at `&` only, unless it is told to take `;` as well.
    for pair in query.as_bytes().split(|&byte| matches!(byte, b'&' | b';')) {
        let name = Name::of(pair);
        if name.is_identity() {
            return Err(QueryRefusal::Identity);
        }
        if !reading && name.is_method() {
            return Err(QueryRefusal::MethodOverride);
        }
    }
    Ok(())
}

/// Whether PHP passes the query, or words of it, to an application as arguments of a command line.
fn is_command_line(query: &str) -> bool {
    let start = skip_ignored(query.as_bytes());
    // php-cgi compares the decoded query. A soft hyphen becomes a hyphen by the best fit of some
    // Windows code pages (CVE-2024-4577).
    let first = Decoder(start).next();
    // `php_build_argv` splits the raw query at `+`, whether it holds a `=` or not.
    matches!(first, Some(b'-' | 0xad)) || start.split(|&byte| byte == b'+').any(is_long_option)
}

/// `--` and the beginning of a name: `--env`, `--env=local`, `--no-debug`.
fn is_long_option(word: &[u8]) -> bool {
    let name = word.strip_prefix(b"--").and_then(<[u8]>::first);
    name.is_some_and(u8::is_ascii_alphanumeric)
}

/// Whether some reader skips this decoded byte before the name of a parameter.
fn is_ignored(byte: u8) -> bool {
    byte <= b' ' || matches!(byte, b'?' | b'&')
}

/// The query from its first byte on that is not skipped.
fn skip_ignored(mut query: &[u8]) -> &[u8] {
    let mut form = Form(Decoder(query));
    while form.next().is_some_and(is_ignored) {
        query = form.0.0;
    }
    query
}

/// Whether a form holds a `_method` field. Its names are read as those of a [query](check_query).
pub(crate) fn form_overrides_method(form: &[u8]) -> bool {
    form.split(|&byte| matches!(byte, b'&' | b';'))
        .any(|pair| Name::of(pair).is_method())
}

/// The beginning of a parameter's name, decoded: enough of it to know the two names that matter.
struct Name {
    bytes: [u8; Self::KEPT],
    length: usize,
}

impl Name {
    const KEPT: usize = "identity[".len();

    fn of(raw: &[u8]) -> Self {
        let end = raw
            .iter()
            .position(|&byte| byte == b'=')
            .unwrap_or(raw.len());
        let decoded = Form(Decoder(raw.get(..end).unwrap_or_default()))
            .skip_while(|&byte| is_ignored(byte))
            .take_while(|&byte| byte != 0);
        let mut name = Self {
            bytes: [0; Self::KEPT],
            length: 0,
        };
        for (slot, byte) in name.bytes.iter_mut().zip(decoded) {
            *slot = byte;
            name.length += 1;
        }
        name
    }

    /// `identity`, followed by nothing or by what PHP (`[`) or a lenient reader takes for a key.
    fn is_identity(&self) -> bool {
        match self.as_bytes().strip_prefix(b"identity") {
            Some([]) => true,
            Some([next, ..]) => matches!(next, b'[' | b'.' | b' '),
            None => false,
        }
    }

    /// `_method`, or what PHP turns into it.
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

/// The decoded bytes as a form has them: a raw `+` is a space, `%2B` is not.
struct Form<'a>(Decoder<'a>);

impl Iterator for Form<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let raw = self.0.0.first().copied();
        let byte = self.0.next()?;
        Some(if raw == Some(b'+') { b' ' } else { byte })
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
    fn what_clients_send_passes() {
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
    fn identity_in_any_spelling_that_php_reads_is_refused() {
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
    fn a_method_override_in_any_spelling_that_php_reads_is_refused_where_it_writes() {
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
    fn arguments_of_a_command_line_are_refused() {
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
    fn hyphens_in_a_search_are_no_command_line() {
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
    fn a_form_is_read_as_php_reads_it() {
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
    fn raw_bytes_beyond_ascii_are_refused() {
        check(&Method::GET, "q=caf\u{e9}", Err(QueryRefusal::Encoding));
    }
}
