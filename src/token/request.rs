//! What a caller asks for: the body of `POST /auth/token`.

use std::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::rejection::{FieldErrors, Rejection, RejectionKind};

/// For whom a token is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MintRequest {
    Anonymous,
    Profile { id: String },
    Identity { handle: String, id: String },
}

/// The longest id or handle, in bytes. Those of shop platforms have some dozens.
const MAX_LEN: usize = 255;

/// The tenant's word for a profile's own id, where others are identity handles.
pub(super) const PROFILE_ID: &str = "profile_id";

impl MintRequest {
    /// Nothing at all, `{}`, and an absent, `null` or empty `id` all mean: anonymous, whatever the
    /// handle says. That is what published clients send for visitors who are not signed in.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Rejection> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::Anonymous);
        }
        let members: Members = serde_json::from_slice(body).map_err(|error| {
            Rejection::new(RejectionKind::InvalidFields)
                .with_message("The request body must be a JSON object.")
                .because(error)
        })?;
        let mut errors = FieldErrors::default();
        let id = members.id.text("id", &mut errors);
        let handle = match members.id_handle {
            // Unlike an id, a handle is never a number.
            Field::Number(_) => Field::Other,
            handle => handle,
        }
        .text("id_handle", &mut errors);
        if !errors.is_empty() {
            return Err(Rejection::invalid_fields(errors));
        }
        Ok(match (id, handle) {
            (None, _) => Self::Anonymous,
            (Some(id), None) => Self::Profile { id },
            (Some(id), Some(handle)) if handle == PROFILE_ID => Self::Profile { id },
            (Some(id), Some(handle)) => Self::Identity { handle, id },
        })
    }
}

/// The two members that count. Either may be there once.
#[derive(Default)]
struct Members {
    id: Field,
    id_handle: Field,
}

#[derive(Default)]
enum Field {
    #[default]
    Absent,
    Text(String),
    /// Ids of shop platforms are numbers: taken as their decimal text.
    Number(String),
    Other,
}

impl Field {
    /// The text, or `None` for nothing, blaming the field for anything else.
    fn text(self, name: &str, errors: &mut FieldErrors) -> Option<String> {
        let text = match self {
            Self::Absent => return None,
            Self::Text(text) | Self::Number(text) => text,
            Self::Other => {
                errors.add(name, format!("The {name} must be a string."));
                return None;
            }
        };
        if text.len() > MAX_LEN {
            errors.add(
                name,
                format!("The {name} may not be longer than {MAX_LEN} bytes."),
            );
        }
        if text.chars().any(char::is_control) {
            errors.add(name, format!("The {name} may not hold control characters."));
        }
        Some(text).filter(|text| !text.is_empty())
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut id = None;
                let mut id_handle = None;
                while let Some(name) = map.next_key::<String>()? {
                    let slot = match name.as_str() {
                        "id" => &mut id,
                        "id_handle" => &mut id_handle,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    // Which of two counts, another reader of this body might see differently.
                    if slot.replace(map.next_value()?).is_some() {
                        return Err(A::Error::custom("a member occurs twice"));
                    }
                }
                Ok(Members {
                    id: id.unwrap_or_default(),
                    id_handle: id_handle.unwrap_or_default(),
                })
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E: Error>(self) -> Result<Field, E> {
        Ok(Field::Absent)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Field, E> {
        Ok(Field::Text(text.to_owned()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Field, E> {
        Ok(Field::Number(number.to_string()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Field, E> {
        Ok(Field::Number(number.to_string()))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Field, E> {
        Ok(Field::Other)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Field, E> {
        Ok(Field::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Field, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Field, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(body: &str) -> MintRequest {
        MintRequest::parse(body.as_bytes()).unwrap()
    }

    fn profile(id: &str) -> MintRequest {
        MintRequest::Profile { id: id.to_owned() }
    }

    #[test]
    fn nobody_in_particular_is_asked_for_in_many_ways() {
        for body in [
            "",
            " \r\n",
            "{}",
            r#"{"id":null}"#,
            r#"{"id":""}"#,
            r#"{"id":"","id_handle":"shopify"}"#,
            r#"{"id_handle":"shopify"}"#,
            r#"{"id":null,"id_handle":null}"#,
            r#"{"pid":"3f0c2f6e","exp":99999999999}"#,
        ] {
            assert_eq!(parsed(body), MintRequest::Anonymous, "{body}");
        }
    }

    #[test]
    fn a_profile_or_an_identity_is_asked_for() {
        assert_eq!(parsed(r#"{"id":"3f0c2f6e"}"#), profile("3f0c2f6e"));
        assert_eq!(
            parsed(r#"{"id":"3f0c2f6e","id_handle":""}"#),
            profile("3f0c2f6e")
        );
        assert_eq!(
            parsed(r#"{"id":"3f0c2f6e","id_handle":null}"#),
            profile("3f0c2f6e")
        );
        assert_eq!(
            parsed(r#"{"id":"x","id_handle":"profile_id"}"#),
            profile("x")
        );
        assert_eq!(parsed(r#"{"id":1042}"#), profile("1042"));
        assert_eq!(parsed(r#"{"id":-1}"#), profile("-1"));
        assert_eq!(
            parsed(r#"{"id":18446744073709551615,"id_handle":"shopify"}"#),
            MintRequest::Identity {
                handle: "shopify".to_owned(),
                id: u64::MAX.to_string(),
            }
        );
    }

    #[test]
    fn anything_else_is_the_callers_fault() {
        for (body, field) in [
            ("[]", None),
            ("null", None),
            (r#""3f0c2f6e""#, None),
            ("{", None),
            ("id=3f0c2f6e", None),
            (r#"{"id":"a"} {}"#, None),
            (r#"{"id":"a","id":"b"}"#, None),
            (r#"{"id":"a","\u0069d":"b"}"#, None),
            (r#"{"id_handle":"a","id_handle":"a"}"#, None),
            (r#"{"id":1.5}"#, Some("id")),
            (r#"{"id":18446744073709551616}"#, Some("id")),
            (r#"{"id":true}"#, Some("id")),
            (r#"{"id":["a"]}"#, Some("id")),
            (r#"{"id":{"a":[]}}"#, Some("id")),
            (r#"{"id":"a\u0000"}"#, Some("id")),
            (r#"{"id":"a","id_handle":7}"#, Some("id_handle")),
            (r#"{"id_handle":false}"#, Some("id_handle")),
            (&format!(r#"{{"id":"{}"}}"#, "x".repeat(256)), Some("id")),
        ] {
            let rejection = MintRequest::parse(body.as_bytes()).unwrap_err();
            assert_eq!(rejection.kind(), RejectionKind::InvalidFields, "{body}");
            let blamed = rejection.errors().and_then(|errors| errors.iter().next());
            assert_eq!(blamed.map(|(field, _)| field), field, "{body}");
        }
    }
}
