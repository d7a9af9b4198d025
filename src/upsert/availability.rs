//! The tenant's availability query, which names the profile that has an address.

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
    let owners: Wrapped<Map<String, Value>> = serde_json::from_slice(body)
        .map_err(|_| unusable_response("the response to an availability query cannot be parsed"))?;
    let (field, _) = key.field();
    match owners
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
    let profile: Wrapped<Candidate> = serde_json::from_slice(body)
        .map_err(|_| unusable_response("the profile cannot be parsed"))?;
    Ok(profile.data.id().as_ref() == Some(id) && key.matches(&profile.data))
}

#[derive(Deserialize)]
struct Wrapped<T> {
    data: T,
}
