use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::upsert::invisible::is_blank;

/// A JSON value that every reader understands alike: keys are unique and strings are Unicode text.
/// A number keeps the text that was sent, so that forwarding does not change its precision.
#[derive(Clone, Serialize)]
#[serde(untagged)]
pub(in crate::upsert) enum Json {
    Null,
    Bool(bool),
    Number(Box<RawValue>),
    String(String),
    List(Vec<Self>),
    Object(Object),
}

/// The members of an object, in the order in which they were sent.
#[derive(Clone, Default)]
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
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

#[cfg(test)]
mod tests {
    use crate::upsert::json::parse;

    fn rewritten(text: &str) -> String {
        serde_json::to_string(&parse(text.as_bytes()).unwrap()).unwrap()
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
                "\"A/😀\\n\\u0000\\\"\\\\\"",
            ),
            ("{\"\u{e9}\":\"\u{7f}\"}", "{\"\u{e9}\":\"\u{7f}\"}"),
            ("{}", "{}"),
        ] {
            assert_eq!(rewritten(given), wanted);
            assert_eq!(rewritten(&rewritten(given)), rewritten(given));
        }
    }
}
