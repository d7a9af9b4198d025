use crate::upsert::invisible::is_blank;

/// A JSON value that every reader understands alike: keys are unique and strings are Unicode text.
/// A number keeps the text that was sent, so that forwarding does not change its precision.
#[derive(Clone, PartialEq)]
pub(in crate::upsert) enum Json {
    Null,
    Bool(bool),
    Number(Box<str>),
    String(String),
    List(Vec<Self>),
    Object(Object),
}

/// The members of an object, in the order in which they were sent.
#[derive(Clone, Default, PartialEq)]
pub(in crate::upsert) struct Object(pub(in crate::upsert) Vec<(String, Json)>);

impl Json {
    pub(in crate::upsert) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    pub(in crate::upsert) fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Whether the value is null, or a blank string, which the tenant's framework stores as null.
    pub(in crate::upsert) fn is_blank(&self) -> bool {
        match self {
            Self::Null => true,
            Self::String(text) => is_blank(text),
            _ => false,
        }
    }

    /// Appends the value as JSON text.
    pub(in crate::upsert) fn write(&self, out: &mut String) {
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
    pub(in crate::upsert) fn get(&self, key: &str) -> Option<&Json> {
        let (_, value) = self.0.iter().find(|(name, _)| name == key)?;
        Some(value)
    }

    pub(in crate::upsert) fn get_mut(&mut self, key: &str) -> Option<&mut Json> {
        let (_, value) = self.0.iter_mut().find(|(name, _)| name == key)?;
        Some(value)
    }

    /// Replaces the member with this name, or appends a new one.
    pub(in crate::upsert) fn set(&mut self, key: &str, value: Json) {
        match self.get_mut(key) {
            Some(old) => *old = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }

    /// Appends the object as JSON text.
    pub(in crate::upsert) fn write(&self, out: &mut String) {
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

/// Writes a string literal. RFC 8259 §7: quotation mark, reverse solidus and U+0000 to U+001F must
/// be escaped.
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
    use crate::upsert::json::parse;

    fn rewritten(text: &str) -> String {
        let mut out = String::new();
        parse(text.as_bytes()).unwrap().write(&mut out);
        out
    }

    #[test]
    fn a_written_value_equals_the_parsed_value() {
        for (given, wanted) in [
            (
                " { \"a\" : [ 1 , true , null ] } ",
                r#"{"a":[1,true,null]}"#,
            ),
            // More digits than a 64-bit number can represent.
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
            assert_eq!(rewritten(given), wanted);
            assert_eq!(rewritten(&rewritten(given)), rewritten(given));
        }
    }
}
