use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Levels of objects and lists in one another, the outermost included.
const MAX_DEPTH: usize = 16;

/// Characters of a path that an error message repeats.
const MAX_PATH: usize = 200;

/// A JSON value that means the same to every reader: no key occurs twice, every string is Unicode
/// text, and a number is the text that was sent, so that it loses nothing when passed on.
#[derive(Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(Box<str>),
    String(String),
    List(Vec<Self>),
    Object(Object),
}

/// The members of an object, in the order sent.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Object(pub(super) Vec<(String, Json)>);

impl Json {
    /// Reads one JSON text, and nothing beside it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.starts_with("\u{feff}".as_bytes()) {
            return Err(Malformed::new("it begins with a byte order mark"));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            Malformed::new(format!("byte {} is not UTF-8", error.valid_up_to() + 1))
        })?;
        let raw: &RawValue = serde_json::from_str(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Malformed::new(format!("no JSON at line {line}, column {column}"))
        })?;
        Self::read(raw, 0, &Path::Root)
    }

    /// Each level is scanned once to find its parts, so the whole at most `MAX_DEPTH` times.
    fn read(raw: &RawValue, depth: usize, path: &Path<'_>) -> Result<Self, Malformed> {
        let text = raw.get();
        let at = |what: &str| Malformed::new(format!("{what}{path}"));
        match text.as_bytes().first() {
            Some(b'{' | b'[') if depth == MAX_DEPTH => Err(at("too many levels")),
            Some(b'{') => {
                let Members(members) =
                    serde_json::from_str(text).map_err(|_| at("a key is no text"))?;
                let mut keys: Vec<&str> = members.iter().map(|(key, _)| key.as_str()).collect();
                keys.sort_unstable();
                let twice = keys.windows(2).find_map(|pair| match pair {
                    [one, next] if one == next => Some(*one),
                    _ => None,
                });
                if let Some(key) = twice {
                    let path = Path::Key(path, key);
                    return Err(Malformed::new(format!("a key occurs twice{path}")));
                }
                let mut object = Vec::with_capacity(members.len());
                for (key, raw) in members {
                    let value = Self::read(raw, depth + 1, &Path::Key(path, &key))?;
                    object.push((key, value));
                }
                Ok(Self::Object(Object(object)))
            }
            Some(b'[') => {
                let items: Vec<&RawValue> =
                    serde_json::from_str(text).map_err(|_| at("no list"))?;
                let items = items.into_iter().enumerate();
                let read =
                    items.map(|(at, raw)| Self::read(raw, depth + 1, &Path::Index(path, at)));
                read.collect::<Result<_, _>>().map(Self::List)
            }
            // Half of a surrogate pair, `"\ud800"`, is found here: no reader agrees on what it is.
            Some(b'"') => serde_json::from_str(text)
                .map(Self::String)
                .map_err(|_| at("a string is no text")),
            Some(b't') => Ok(Self::Bool(true)),
            Some(b'f') => Ok(Self::Bool(false)),
            Some(b'n') => Ok(Self::Null),
            // `1e999` is good syntax, and infinite to whoever computes with it.
            _ => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Self::Number(text.into())),
                _ => Err(at("a number is out of range")),
            },
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Nothing given: null, or a string of blanks, which the tenant's framework reads as null.
    pub(super) fn is_blank(&self) -> bool {
        match self {
            Self::Null => true,
            Self::String(text) => text.trim().is_empty(),
            _ => false,
        }
    }

    /// Appends the value as JSON text.
    pub(super) fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Number(text) => out.push_str(text),
            Self::String(text) => write_string(text, out),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    separate(index, out);
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(object) => object.write(out),
        }
    }
}

impl Object {
    pub(super) fn get(&self, key: &str) -> Option<&Json> {
        let (_, value) = self.0.iter().find(|(name, _)| name == key)?;
        Some(value)
    }

    /// Replaces the member of this name, or adds it.
    pub(super) fn set(&mut self, key: &str, value: Json) {
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }

    /// Appends the object as JSON text.
    pub(super) fn write(&self, out: &mut String) {
        out.push('{');
        for (index, (key, value)) in self.0.iter().enumerate() {
            separate(index, out);
            write_string(key, out);
            out.push(':');
            value.write(out);
        }
        out.push('}');
    }
}

fn separate(index: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
}

/// RFC 8259 §7: quotation mark, reverse solidus and U+0000 to U+001F must be escaped.
fn write_string(text: &str, out: &mut String) {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\0'..='\u{1f}' => {
                let code = character as usize;
                out.push_str("\\u00");
                out.extend(HEX.get(code >> 4));
                out.extend(HEX.get(code & 15));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

/// The members of an object as they stand in the text, equal keys included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Gather;

        impl<'de> Visitor<'de> for Gather {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Gather)
    }
}

/// Where in the text something stands, for the message: each level knows the one around it.
enum Path<'a> {
    Root,
    Key(&'a Self, &'a str),
    Index(&'a Self, usize),
}

impl Path<'_> {
    /// Appends it, dotted. What is longer than a message repeats need not be whole.
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

/// The text is no JSON, or JSON that could be read in two ways; with the place.
#[derive(Debug, PartialEq)]
pub(super) struct Malformed(Cow<'static, str>);

impl Malformed {
    fn new(what: impl Into<Cow<'static, str>>) -> Self {
        Self(what.into())
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

    fn again(text: &str) -> String {
        let mut out = String::new();
        Json::parse(text.as_bytes()).unwrap().write(&mut out);
        out
    }

    #[test]
    fn what_is_passed_on_means_the_same() {
        for (given, wanted) in [
            (
                " { \"a\" : [ 1 , true , null ] } ",
                r#"{"a":[1,true,null]}"#,
            ),
            // More digits than any number type holds.
            (
                "[12345678901234567890123.000000000000000000010]",
                "[12345678901234567890123.000000000000000000010]",
            ),
            ("[-0,1E+2,1e-5,0.10]", "[-0,1E+2,1e-5,0.10]"),
            (
                r#""\u0041\/\ud83d\ude00\n\u0000\"\\""#,
                "\"A/😀\\u000a\\u0000\\\"\\\\\"",
            ),
            ("{\"\u{e9}\":\"\u{7f}\"}", "{\"\u{e9}\":\"\u{7f}\"}"),
            ("{}", "{}"),
        ] {
            assert_eq!(again(given), wanted);
            assert_eq!(again(&again(given)), again(given));
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused_with_the_place() {
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
            (b"", "no JSON at line 1, column 0"),
        ] {
            let malformed = Json::parse(given).err().unwrap();
            assert_eq!(malformed.to_string(), wanted, "{}", given.escape_ascii());
        }
    }

    #[test]
    fn sixteen_levels_pass_and_no_more() {
        let nested = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(Json::parse(nested(16).as_bytes()).is_ok());
        let malformed = Json::parse(nested(17).as_bytes()).err().unwrap();
        assert!(malformed.to_string().starts_with("too many levels at 0.0."));
        assert!(Json::parse(nested(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn a_message_repeats_little_of_what_was_sent() {
        let key = "k".repeat(10_000);
        let text = format!(r#"{{"{key}":{{"{key}":1,"{key}":1}}}}"#);
        let malformed = Json::parse(text.as_bytes()).err().unwrap();
        assert!(malformed.to_string().len() < 300);
    }
}
