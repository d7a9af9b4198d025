//! The body of `POST /auth/token`.

use std::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::rejection::{FieldErrors, Rejection, RejectionKind};

/// The requested subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MintRequest {
    Anonymous,
    Profile { id: String },
    Identity { handle: String, id: String },
}

/// The longest id or handle, in bytes; ids of shop platforms have some dozens. 255 is Laravel's
/// default length of a text column.
const MAX_LEN: usize = 255;

/// The tenant's handle for a profile's own id; the others are identity handles.
pub(super) const PROFILE_ID: &str = "profile_id";

impl MintRequest {
    /// Parses the body. An empty body, `{}`, and an absent, `null` or empty `id` request an
    /// anonymous token, with any handle: published clients send these for visitors without a
    /// session. A body with members but neither `id` nor `id_handle` is an error.
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
        if members.is_misspelled() {
            errors.add(
                "id",
                "The id field is required when there are members other than id and id_handle.",
            );
        }
        let id = members.id.unwrap_or_default().text("id", &mut errors);
        let handle = match members.id_handle.unwrap_or_default() {
            // An id may be a number, a handle may not.
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

/// The two known members, each at most once, and whether there are others.
struct Members {
    id: Option<Field>,
    id_handle: Option<Field>,
    others: bool,
}

impl Members {
    /// Whether the names are misspelled. Such a body, `profile_id` for example, must not result in
    /// an anonymous token.
    fn is_misspelled(&self) -> bool {
        self.others && self.id.is_none() && self.id_handle.is_none()
    }
}

#[derive(Default)]
enum Field {
    #[default]
    Absent,
    Text(String),
    /// The decimal text of a number: ids of shop platforms are numbers.
    Number(String),
    Other,
}

impl Field {
    /// Parses one JSON value. Numbers keep their text: the number type that `serde_json` produces
    /// depends on features that other crates of the build may enable.
    fn from_json(json: &str) -> serde_json::Result<Self> {
        Ok(match json.as_bytes().first() {
            Some(b'"') => Self::Text(serde_json::from_str(json)?),
            Some(b'n') => Self::Absent,
            _ if is_integer(json) => Self::Number(json.to_owned()),
            _ => Self::Other,
        })
    }

    /// The trimmed text, or `None` if it is empty or absent. Another type is an error of the field.
    fn text(self, name: &str, errors: &mut FieldErrors) -> Option<String> {
        let text = match self {
            Self::Absent => return None,
            Self::Text(text) | Self::Number(text) => text,
            Self::Other => {
                errors.add(name, format!("The {name} must be a string."));
                return None;
            }
        };
        let text = trimmed(&text);
        if text.len() > MAX_LEN {
            errors.add(
                name,
                format!("The {name} may not be longer than {MAX_LEN} bytes."),
            );
        }
        if text.chars().any(char::is_control) {
            errors.add(name, format!("The {name} may not hold control characters."));
        }
        (!text.is_empty()).then(|| text.to_owned())
    }
}

/// Trims white space and invisible characters as Laravel's middleware `TrimStrings` does, so that
/// the tenant's answer is about the same text.
fn trimmed(text: &str) -> &str {
    let invisible = ['\u{feff}', '\u{200b}', '\u{200e}'];
    text.trim_matches(|character: char| character.is_whitespace() || invisible.contains(&character))
}

/// Whether this is a signed or unsigned 64-bit integer other than `-0`.
fn is_integer(json: &str) -> bool {
    json != "-0" && (json.parse::<u64>().is_ok() || json.parse::<i64>().is_ok())
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
                let mut members = Members {
                    id: None,
                    id_handle: None,
                    others: false,
                };
                while let Some(name) = map.next_key::<String>()? {
                    let slot = match name.as_str() {
                        "id" => &mut members.id,
                        "id_handle" => &mut members.id_handle,
                        _ => {
                            members.others = true;
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    let value = map.next_value::<&RawValue>()?;
                    let field = Field::from_json(value.get()).map_err(A::Error::custom)?;
                    // JSON parsers differ in which of two members they use.
                    if slot.replace(field).is_some() {
                        return Err(A::Error::custom("a member occurs twice"));
                    }
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(MembersVisitor)
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
    fn a_body_without_an_id_requests_an_anonymous_token() {
        for body in [
            "",
            " \r\n",
            "{}",
            r#"{"id":null}"#,
            r#"{"id":""}"#,
            r#"{"id":"","id_handle":"shopify"}"#,
            r#"{"id_handle":"shopify"}"#,
            r#"{"id":null,"id_handle":null}"#,
            r#"{"id":"","pid":"3f0c2f6e","exp":99999999999}"#,
            r#"{"id":" \n"}"#,
        ] {
            assert_eq!(parsed(body), MintRequest::Anonymous, "{body}");
        }
    }

    #[test]
    fn an_id_requests_a_profile_or_an_identity() {
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
    fn any_other_body_is_invalid() {
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
            (r#"{"id":"\ud800"}"#, None),
            (r#"{"profile_id":"a"}"#, Some("id")),
            (r#"{"pid":"a","exp":99999999999}"#, Some("id")),
            (r#"{"id":1.5}"#, Some("id")),
            (r#"{"id":-0}"#, Some("id")),
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
            let first = rejection.errors().and_then(|errors| errors.iter().next());
            assert_eq!(first.map(|(field, _)| field), field, "{body}");
        }
    }
}
