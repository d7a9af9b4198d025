//! The body of `POST /auth/token`.

use std::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::rejection::{FieldErrors, Rejection, RejectionKind};
use crate::token::field::Field;
use crate::token::lookup::Lookup;

/// Parses the body into the look-up of the requested subject.
///
/// An empty body, `{}`, and an absent, `null` or empty `id` request an anonymous token, with any
/// handle: published clients send these for visitors without a session. A body with members but
/// neither `id` nor `id_handle` is an error.
pub(super) fn parse(body: &[u8]) -> Result<Lookup, Rejection> {
    if body.trim_ascii().is_empty() {
        return Ok(Lookup::ApiToken);
    }
    let members: Members = serde_json::from_slice(body).map_err(|error| {
        Rejection::new(RejectionKind::InvalidFields)
            .with_message("The request body must be a JSON object.")
            .because(error)
    })?;
    let mut errors = FieldErrors::default();
    if members.has_only_unknown() {
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
        (None, _) => Lookup::ApiToken,
        (Some(id), None) => Lookup::Profile { id },
        (Some(id), Some(handle)) => Lookup::by_handle(handle, id),
    })
}

/// The members `id` and `id_handle`, each at most once, and whether there are others.
struct Members {
    id: Option<Field>,
    id_handle: Option<Field>,
    has_unknown: bool,
}

impl Members {
    /// Such a body may have a misspelled name, `profile_id` for example: it must not result in an
    /// anonymous token.
    fn has_only_unknown(&self) -> bool {
        self.has_unknown && self.id.is_none() && self.id_handle.is_none()
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
                let mut members = Members {
                    id: None,
                    id_handle: None,
                    has_unknown: false,
                };
                while let Some(name) = map.next_key::<String>()? {
                    let slot = match name.as_str() {
                        "id" => &mut members.id,
                        "id_handle" => &mut members.id_handle,
                        _ => {
                            members.has_unknown = true;
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

    fn parsed(body: &str) -> Lookup {
        parse(body.as_bytes()).unwrap()
    }

    fn profile(id: &str) -> Lookup {
        Lookup::Profile { id: id.to_owned() }
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
            assert_eq!(parsed(body), Lookup::ApiToken, "{body}");
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
            Lookup::Identity {
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
            let rejection = parse(body.as_bytes()).unwrap_err();
            assert_eq!(rejection.kind(), RejectionKind::InvalidFields, "{body}");
            let first = rejection.errors().and_then(|errors| errors.iter().next());
            assert_eq!(first.map(|(field, _)| field), field, "{body}");
        }
    }
}
