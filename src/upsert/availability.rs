//! The tenant's availability query, which names the profile that has an address. Pure.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::lookup::{Candidate, INVALID_ID, LookupKey, unusable_response};
use crate::identity::ProfileId;
use crate::rejection::Rejection;

/// The endpoint. A request to it changes nothing.
pub(super) const PATH: &str = "/profiles/availability";

/// The request body for one address.
pub(super) fn request_body(key: LookupKey<'_>) -> Bytes {
    let (field, value) = key.field();
    let members = Map::from_iter([(field.to_owned(), value.into())]);
    Value::Object(members).to_string().into()
}

/// The profile that the response names. Its `available` is not read, because the tenant's documents
/// define it in two contradictory ways.
pub(super) fn parse_profile_id(
    key: LookupKey<'_>,
    body: &[u8],
) -> Result<Option<ProfileId>, Rejection> {
    #[derive(Deserialize)]
    struct Wrapped {
        data: Map<String, Value>,
    }

    let wrapped: Wrapped = serde_json::from_slice(body)
        .map_err(|_| unusable_response("the response to an availability query cannot be parsed"))?;
    let (field, _) = key.field();
    match wrapped
        .data
        .get(field)
        .and_then(|availability| availability.get("profile"))
    {
        None | Some(Value::Null) => Ok(None),
        Some(profile) => {
            let id = profile.get("id").and_then(Value::as_str);
            let id = id.and_then(|id| id.parse().ok());
            id.map(Some).ok_or_else(|| unusable_response(INVALID_ID))
        }
    }
}

/// Whether the response contains the profile with this id, and the profile has the address.
pub(super) fn has_address(
    key: LookupKey<'_>,
    id: &ProfileId,
    body: &[u8],
) -> Result<bool, Rejection> {
    #[derive(Deserialize)]
    struct Wrapped {
        data: Candidate,
    }

    let wrapped: Wrapped = serde_json::from_slice(body)
        .map_err(|_| unusable_response("the profile cannot be parsed"))?;
    Ok(wrapped.data.id().as_ref() == Some(id) && key.matches(&wrapped.data))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: LookupKey<'static> = LookupKey::Email {
        address: "ada@example.com",
        spelling: "ada@example.com",
    };
    const PHONE: LookupKey<'static> = LookupKey::MobilePhone("+61412345678");

    #[test]
    fn a_request_contains_one_address() {
        assert_eq!(request_body(ADA), r#"{"email":"ada@example.com"}"#);
        assert_eq!(request_body(PHONE), r#"{"mobile_phone":"+61412345678"}"#);
    }

    #[test]
    fn the_profile_is_read_for_every_value_of_available() {
        for available in ["true", "false", "null"] {
            let taken = format!(
                r#"{{"data":{{"email":{{"available":{available},"profile":{{"id":"ada-1"}}}}}}}}"#
            );
            let id = parse_profile_id(ADA, taken.as_bytes()).unwrap();
            assert_eq!(id.unwrap().to_string(), "ada-1");
            assert_eq!(parse_profile_id(PHONE, taken.as_bytes()).unwrap(), None);
            let free =
                format!(r#"{{"data":{{"email":{{"available":{available},"profile":null}}}}}}"#);
            assert_eq!(parse_profile_id(ADA, free.as_bytes()).unwrap(), None);
        }
        for unusable in [
            "",
            "{}",
            r#"{"data":[]}"#,
            r#"{"data":{"email":{"profile":{}}}}"#,
            r#"{"data":{"email":{"profile":{"id":"../x"}}}}"#,
        ] {
            assert!(
                parse_profile_id(ADA, unusable.as_bytes()).is_err(),
                "{unusable}"
            );
        }
    }

    #[test]
    fn the_profile_must_have_the_id_and_the_address() {
        let id: ProfileId = "ada-1".parse().unwrap();
        for (profile, wanted) in [
            (r#"{"id":"ada-1","email":"ADA@example.com"}"#, true),
            (r#"{"id":"ada-1","email":"\u00e1da@example.com"}"#, false),
            (r#"{"id":"ada-1"}"#, false),
            (r#"{"id":"eve-1","email":"ada@example.com"}"#, false),
        ] {
            let body = format!(r#"{{"data":{profile}}}"#);
            assert_eq!(
                has_address(ADA, &id, body.as_bytes()).unwrap(),
                wanted,
                "{body}"
            );
        }
        assert!(has_address(ADA, &id, b"{}").is_err());
    }
}
