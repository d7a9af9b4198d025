//! The body of `POST /auth/revoke`.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::identity::ProfileId;
use crate::rejection::{FieldErrors, Rejection};
use crate::token::field::Field;
use crate::token::lookup::Lookup;

/// The tokens to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RevokeRequest {
    /// The token with this `jti`.
    Token(String),
    /// The tokens of this profile. It may have been deleted.
    Profile(ProfileId),
    /// The tokens of the profile that this look-up finds.
    Found(Lookup),
    /// All tokens.
    All,
}

const FORMS: &str = "The request body must be a JSON object with the members of one of these forms and no \
                     others: {\"jti\"}, {\"id\"}, {\"id\", \"id_handle\"}, {\"all\"}.";

impl RevokeRequest {
    /// Parses the body. Each form has exactly its members: an unknown member could be a misspelled
    /// restriction, so it is an error.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Rejection> {
        let mut errors = FieldErrors::default();
        let request = Self::from_members(body, &mut errors);
        match request {
            Some(request) if errors.is_empty() => Ok(request),
            _ => Err(Rejection::invalid_fields(errors)),
        }
    }

    /// `None` or an error of a field, or both, if the body is invalid.
    fn from_members(body: &[u8], errors: &mut FieldErrors) -> Option<Self> {
        let Members(members) = serde_json::from_slice(body).unwrap_or_default();
        let members: Vec<(&str, &RawValue)> = members
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        match *members {
            [("jti", jti)] => Some(Self::Token(token_id(jti, errors)?)),
            [("id", id)] => Some(Self::Profile(profile(id, errors)?)),
            [("id", id), ("id_handle", handle)] => {
                let (id, handle) = (text("id", id, errors), handle_text(handle, errors));
                Some(Self::Found(Lookup::by_handle(handle?, id?)))
            }
            [("all", all)] => {
                if all.get() != "true" {
                    errors.add("all", "The all field must be true.");
                }
                Some(Self::All)
            }
            _ => {
                errors.add("body", FORMS);
                None
            }
        }
    }
}

/// A `jti` is compared as it is: white space is a part of it.
fn token_id(jti: &RawValue, errors: &mut FieldErrors) -> Option<String> {
    let id: Option<String> = serde_json::from_str(jti.get()).ok();
    let id = id.filter(|id| !id.is_empty());
    if id.is_none() {
        errors.add("jti", "The jti must be a string that is not empty.");
    }
    id
}

fn profile(id: &RawValue, errors: &mut FieldErrors) -> Option<ProfileId> {
    let id = text("id", id, errors)?;
    let profile = id.parse();
    if profile.is_err() && errors.is_empty() {
        errors.add("id", "The id must be the id of a profile.");
    }
    profile.ok()
}

/// An id may be a number, a handle may not.
fn handle_text(handle: &RawValue, errors: &mut FieldErrors) -> Option<String> {
    match handle.get().starts_with('"') {
        true => text("id_handle", handle, errors),
        false => {
            errors.add("id_handle", "The id_handle must be a string.");
            None
        }
    }
}

/// The trimmed text of an id or a handle.
fn text(name: &str, value: &RawValue, errors: &mut FieldErrors) -> Option<String> {
    let text = Field::from_json(value.get())
        .unwrap_or(Field::Other)
        .text(name, errors);
    if text.is_none() && errors.is_empty() {
        errors.add(name, format!("The {name} field is required."));
    }
    text
}

/// The members of an object in the order of their names, repeated ones included.
#[derive(Default)]
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                members.sort_by(|(one, _): &(String, &RawValue), (other, _)| one.cmp(other));
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(body: &str) -> RevokeRequest {
        RevokeRequest::parse(body.as_bytes()).unwrap()
    }

    #[test]
    fn each_form_is_parsed() {
        let ada = |id: &str| RevokeRequest::Profile(id.parse().unwrap());
        let identity = |handle: &str, id: &str| {
            RevokeRequest::Found(Lookup::Identity {
                handle: handle.to_owned(),
                id: id.to_owned(),
            })
        };
        for (body, expected) in [
            (r#"{"jti":"a b "}"#, RevokeRequest::Token("a b ".to_owned())),
            (
                r#"{"\u006ati":"\u00e9"}"#,
                RevokeRequest::Token("é".to_owned()),
            ),
            (r#"{"id":"ada-1"}"#, ada("ada-1")),
            (r#" {"id":" ada-1\n"} "#, ada("ada-1")),
            (r#"{"id":1042}"#, ada("1042")),
            (
                r#"{"id":"ada-1","id_handle":"profile_id"}"#,
                RevokeRequest::Found(Lookup::Profile {
                    id: "ada-1".to_owned(),
                }),
            ),
            (
                r#"{"id_handle":"shopify","id":7}"#,
                identity("shopify", "7"),
            ),
            (
                r#"{"id":"../x","id_handle":" shop "}"#,
                identity("shop", "../x"),
            ),
            (r#"{"all":true}"#, RevokeRequest::All),
        ] {
            assert_eq!(parsed(body), expected, "{body}");
        }
    }

    #[test]
    fn any_other_body_is_invalid_and_names_the_field() {
        for (body, field) in [
            ("", "body"),
            (" ", "body"),
            ("{}", "body"),
            ("[]", "body"),
            ("null", "body"),
            ("true", "body"),
            ("{", "body"),
            ("\u{feff}{\"all\":true}", "body"),
            (r#"{"all":true} {}"#, "body"),
            (r#"{"all":true,"all":true}"#, "body"),
            (r#"{"jti":"a","jti":"a"}"#, "body"),
            (r#"{"id":"a","id":"a"}"#, "body"),
            (r#"{"id":"a","id_handle":"b","id_handle":"b"}"#, "body"),
            (r#"{"id":"a","\u0069d":"a"}"#, "body"),
            (r#"{"jti":"a","id":"a"}"#, "body"),
            (r#"{"jti":"a","all":true}"#, "body"),
            (r#"{"id":"a","all":true}"#, "body"),
            (r#"{"id":"a","id_handle":"b","all":true}"#, "body"),
            (r#"{"id":"a","reason":"b"}"#, "body"),
            (r#"{"id_handle":"b"}"#, "body"),
            (r#"{"profile_id":"a"}"#, "body"),
            (r#"{"ID":"a"}"#, "body"),
            (r#"{"all":false}"#, "all"),
            (r#"{"all":1}"#, "all"),
            (r#"{"all":"true"}"#, "all"),
            (r#"{"all":null}"#, "all"),
            (r#"{"jti":""}"#, "jti"),
            (r#"{"jti":7}"#, "jti"),
            (r#"{"jti":null}"#, "jti"),
            (r#"{"jti":["a"]}"#, "jti"),
            (r#"{"jti":"\ud800"}"#, "jti"),
            (r#"{"id":""}"#, "id"),
            (r#"{"id":null}"#, "id"),
            (r#"{"id":true}"#, "id"),
            (r#"{"id":1.5}"#, "id"),
            (r#"{"id":["a"]}"#, "id"),
            (r#"{"id":"a/b"}"#, "id"),
            (r#"{"id":"null"}"#, "id"),
            (r#"{"id":"me"}"#, "id"),
            (r#"{"id":"a b"}"#, "id"),
            (r#"{"id":"\ud800"}"#, "id"),
            (r#"{"id":"","id_handle":"shopify"}"#, "id"),
            (r#"{"id":"a\u0000","id_handle":"shopify"}"#, "id"),
            (r#"{"id":"a","id_handle":""}"#, "id_handle"),
            (r#"{"id":"a","id_handle":null}"#, "id_handle"),
            (r#"{"id":"a","id_handle":7}"#, "id_handle"),
            (&format!(r#"{{"id":"{}"}}"#, "x".repeat(65)), "id"),
        ] {
            let rejection = RevokeRequest::parse(body.as_bytes()).unwrap_err();
            assert_eq!(rejection.kind().status(), 422, "{body}");
            let errors = rejection.errors().unwrap();
            let fields: Vec<&str> = errors.iter().map(|(field, _)| field).collect();
            assert_eq!(fields, [field], "{body}");
        }
    }
}
