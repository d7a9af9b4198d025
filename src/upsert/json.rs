mod reader;

use super::text::is_blank;

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

    /// Whether nothing was given: null, or a blank string, which the tenant's framework stores as
    /// null.
    pub(super) fn is_blank(&self) -> bool {
        match self {
            Self::Null => true,
            Self::String(text) => is_blank(text),
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

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Json> {
        let (_, value) = self.0.iter_mut().find(|(name, _)| name == key)?;
        Some(value)
    }

    /// Replaces the member of this name, or adds it.
    pub(super) fn set(&mut self, key: &str, value: Json) {
        match self.get_mut(key) {
            Some(old) => *old = value,
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
}
