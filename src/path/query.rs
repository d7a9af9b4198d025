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
/// Names are read as PHP reads them: decoded once, leading blanks ignored, `.` and blanks inside
/// taken for `_`, cut at `[` and at NUL, case kept.
///
/// ```
/// use http::Method;
/// use omneo_id::path::check_query;
///
/// assert!(check_query("page%5Bsize%5D=5&include=tiers", &Method::GET).is_ok());
/// assert!(check_query("identity%5Bpos%5D=1", &Method::GET).is_err());
/// assert!(check_query("+_method=DELETE", &Method::POST).is_err());
/// ```
///
/// # Errors
/// If it holds an `identity` parameter, a `_method` parameter in a request that writes, what PHP
/// could take for a command line, or raw bytes beyond printable ASCII.
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

/// RFC 3875 §4.4: a query without `=` is a command line to a script, its words separated by `+`. PHP
/// is less strict about the `=`, and Laravel has taken `--env` from there.
fn is_command_line(query: &str) -> bool {
    // A soft hyphen is one by the best fit of some code pages.
    let first = Decoder(query.as_bytes()).next();
    let option = |word: &str| word.starts_with("--");
    matches!(first, Some(b'-' | 0xad)) || query.split('+').any(option)
}

/// Whether a form holds a `_method` field, in any spelling that PHP reads as such.
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
        let decoded = Decoder(raw.get(..end).unwrap_or_default())
            // A plus is decoded before escapes are, so `%2B` is none.
            .form()
            .skip_while(|&byte| byte == b' ')
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

impl<'a> Decoder<'a> {
    /// The decoded bytes as a form has them: a raw `+` is a blank.
    fn form(mut self) -> impl Iterator<Item = u8> + use<'a> {
        std::iter::from_fn(move || {
            let raw = self.0.first().copied();
            let byte = self.next()?;
            Some(if raw == Some(b'+') { b' ' } else { byte })
        })
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
        ] {
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                check(&method, query, Err(QueryRefusal::MethodOverride));
            }
            check(&Method::GET, query, Ok(()));
        }
    }

    /// PHP takes a query for the arguments of a command line, with `+` between them, if it is so
    /// configured, and `php-cgi` does if the query begins with a hyphen.
    #[test]
    fn arguments_of_a_command_line_are_refused() {
        for query in [
            "--env=local",
            "a=1+--env=local",
            "-d+x%3d1",
            "%2dd+x",
            "%ADd+x",
            "+--x",
        ] {
            for method in [Method::GET, Method::POST] {
                check(&method, query, Err(QueryRefusal::CommandLine));
            }
        }
        for query in [
            "sort=-created_at",
            "q=a+-b",
            "q=a--b",
            "q=--",
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
