//! A strict JSON parser whose errors name the position of the fault.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, IgnoredAny};
use serde_json::Deserializer;
use serde_json::value::RawValue;

use super::value::{Json, Object};

/// Nested levels of objects and lists, including the outermost one. The documented profile has
/// 3 levels; the rest is room for attributes that a tenant defines.
const MAX_DEPTH: usize = 16;

/// Characters of a path that an error message repeats: enough for the documented fields.
const MAX_PATH: usize = 200;

/// Parses a body that consists of one JSON text.
pub(in crate::upsert) fn parse(bytes: &[u8]) -> Result<Json, Malformed> {
    if bytes.starts_with("\u{feff}".as_bytes()) {
        return Err(Malformed::new("it begins with a byte order mark"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Malformed::new(format!("byte {} is not UTF-8", error.valid_up_to() + 1))
    })?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Malformed::new(format!("no JSON at line {line}, column {column}"))
    })?;
    Reader(text).value(0, &Path::Root)
}

/// The unread rest of a text that `serde_json` has accepted, so its punctuation is valid.
struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize, path: &Path<'_>) -> Result<Json, Malformed> {
        let malformed = |fault: &str| Malformed::new(format!("{fault}{path}"));
        match self.peek() {
            Some(b'{' | b'[') if depth == MAX_DEPTH => Err(malformed("too many levels")),
            Some(b'{') => self.object(depth, path).map(Json::Object),
            Some(b'[') => self.list(depth, path).map(Json::List),
            // Readers disagree about half of a surrogate pair, such as `"\ud800"`, so it is
            // rejected here.
            Some(b'"') => {
                (self.take().map(Json::String)).ok_or_else(|| malformed("a string is no text"))
            }
            Some(b'n' | b't' | b'f') => {
                let scalar: Option<Option<bool>> = self.take();
                Ok(scalar.flatten().map_or(Json::Null, Json::Bool))
            }
            // `1e999` is valid syntax, but reads as infinity in most implementations.
            _ => (self.take::<Box<RawValue>>())
                .filter(|number| number.get().parse().is_ok_and(f64::is_finite))
                .map(Json::Number)
                .ok_or_else(|| malformed("a number is out of range")),
        }
    }

    fn object(&mut self, depth: usize, path: &Path<'_>) -> Result<Object, Malformed> {
        let mut members = Vec::new();
        self.skip(b'{');
        while !self.skip(b'}') {
            self.skip(b',');
            let Some(key) = self.take::<String>() else {
                return Err(Malformed::new(format!("a key is no text{path}")));
            };
            self.skip(b':');
            let value = self.value(depth + 1, &Path::Key(path, &key))?;
            members.push((key, value));
        }
        if let Some(key) = repeated_key(&members) {
            let path = Path::Key(path, key);
            return Err(Malformed::new(format!("a key occurs twice{path}")));
        }
        Ok(Object(members))
    }

    fn list(&mut self, depth: usize, path: &Path<'_>) -> Result<Vec<Json>, Malformed> {
        let mut items = Vec::new();
        self.skip(b'[');
        while !self.skip(b']') {
            self.skip(b',');
            let item = self.value(depth + 1, &Path::Index(path, items.len()))?;
            items.push(item);
        }
        Ok(items)
    }

    /// Consumes a value; `None` if the value is not a `T`.
    fn take<T: Deserialize<'a>>(&mut self) -> Option<T> {
        let mut values = Deserializer::from_str(self.0).into_iter();
        let value = values.next()?.ok()?;
        self.0 = self.0.get(values.byte_offset()..)?;
        Some(value)
    }

    /// Consumes this byte if it is the next one.
    fn skip(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        if is_next {
            self.0 = self.0.get(1..).unwrap_or_default();
        }
        is_next
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        self.0 = self.0.trim_ascii_start();
        self.0.as_bytes().first().copied()
    }
}

/// A key that two members share.
fn repeated_key(members: &[(String, Json)]) -> Option<&str> {
    let mut keys: Vec<&str> = members.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    keys.windows(2).find_map(|pair| match pair {
        [one, next] if one == next => Some(*one),
        _ => None,
    })
}

/// The position of a value in the text, for error messages. Each level refers to its parent.
enum Path<'a> {
    Root,
    Key(&'a Self, &'a str),
    Index(&'a Self, usize),
}

impl Path<'_> {
    /// Appends the path with dots between its segments. A key is cut after [`MAX_PATH`] characters.
    fn write(&self, out: &mut String) {
        let (Self::Key(parent, _) | Self::Index(parent, _)) = self else {
            return;
        };
        parent.write(out);
        if !matches!(parent, Self::Root) {
            out.push('.');
        }
        match self {
            Self::Key(_, key) => out.extend(key.chars().take(MAX_PATH)),
            Self::Index(_, index) => out.push_str(&index.to_string()),
            Self::Root => {}
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(self, Self::Root) {
            return Ok(());
        }
        let mut path = String::new();
        self.write(&mut path);
        let path: String = path.chars().take(MAX_PATH).collect();
        write!(f, " at {path}")
    }
}

/// The text is not JSON, or is ambiguous JSON. The message names the position.
#[derive(Debug, PartialEq)]
pub(in crate::upsert) struct Malformed(Cow<'static, str>);

impl Malformed {
    fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ambiguous_and_invalid_json_is_rejected_with_its_position() {
        for (given, wanted) in [
            (&br#"{"a":1,"a":2}"#[..], "a key occurs twice at a"),
            (br#"{"a":1,"\u0061":2}"#, "a key occurs twice at a"),
            (br#"{"":{"a":1e999}}"#, "a number is out of range at .a"),
            (br#"{"":1,"":2}"#, "a key occurs twice at "),
            (
                br#"{"x":[{"y":{"z":1,"z":1}}]}"#,
                "a key occurs twice at x.0.y.z",
            ),
            (br#"{"a":{"b":"\ud800"}}"#, "a string is no text at a.b"),
            (br#"{"a":{"\udc00":1}}"#, "a key is no text at a"),
            (br#"{"a":[1,1e999]}"#, "a number is out of range at a.1"),
            (b"\xef\xbb\xbf{}", "it begins with a byte order mark"),
            (b"{\"a\":\"\xff\"}", "byte 7 is not UTF-8"),
            (b"{\"a\":\"\xed\xa0\x80\"}", "byte 7 is not UTF-8"),
            (b"{} {}", "no JSON at line 1, column 4"),
            (b"{}\0", "no JSON at line 1, column 3"),
            (b"{\"a\":1,}", "no JSON at line 1, column 8"),
            (b"{'a':1}", "no JSON at line 1, column 2"),
            (b"{\"a\":01}", "no JSON at line 1, column 7"),
            (b"{\"a\":NaN}", "no JSON at line 1, column 6"),
            (b"{\"a\":\"\t\"}", "no JSON at line 1, column 6"),
            (b"{\"a\":1 /* */}", "no JSON at line 1, column 8"),
            // Some readers accept a form feed as white space.
            (b"{\"a\":\x0c1}", "no JSON at line 1, column 6"),
            (b"{\"a\":1 \"b\":1}", "no JSON at line 1, column 8"),
            (b"[1,,2]", "no JSON at line 1, column 4"),
            (b"", "no JSON at line 1, column 0"),
        ] {
            let malformed = parse(given).err().unwrap();
            assert_eq!(malformed.to_string(), wanted, "{}", given.escape_ascii());
        }
    }

    #[test]
    fn at_most_sixteen_levels_are_accepted() {
        let nested = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(nested(16).as_bytes()).is_ok());
        let malformed = parse(nested(17).as_bytes()).err().unwrap();
        assert!(malformed.to_string().starts_with("too many levels at 0.0."));
        assert!(parse(nested(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn an_error_message_repeats_a_bounded_part_of_the_input() {
        let key = "k".repeat(10_000);
        let text = format!(r#"{{"{key}":{{"{key}":1,"{key}":1}}}}"#);
        let malformed = parse(text.as_bytes()).err().unwrap();
        assert!(malformed.to_string().len() < 300);
    }
}
