//! Who has an address by the tenant's own account, after it refused to have it twice. Pure.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::lookup::{By, Candidate, NO_ID, unusable};
use crate::identity::ProfileId;
use crate::rejection::Rejection;

/// Where the tenant is asked. It changes nothing.
pub(super) const PATH: &str = "/profiles/availability";

/// The question about one address.
pub(super) fn question(by: By<'_>) -> Bytes {
    let (field, value) = by.field();
    let members = Map::from_iter([(field.to_owned(), value.into())]);
    Value::Object(members).to_string().into()
}

/// The profile that the tenant names. Only that is read of the answer: what its `available` means,
/// the tenant's documents say in two ways.
pub(super) fn named(by: By<'_>, body: &[u8]) -> Result<Option<ProfileId>, Rejection> {
    #[derive(Deserialize)]
    struct Wrapped {
        data: Map<String, Value>,
    }

    let wrapped: Wrapped = serde_json::from_slice(body)
        .map_err(|_| unusable("the answer to who has an address cannot be read"))?;
    let (field, _) = by.field();
    match wrapped
        .data
        .get(field)
        .and_then(|holder| holder.get("profile"))
    {
        None | Some(Value::Null) => Ok(None),
        Some(profile) => {
            let id = profile.get("id").and_then(Value::as_str);
            let id = id.and_then(|id| id.parse().ok());
            id.map(Some).ok_or_else(|| unusable(NO_ID))
        }
    }
}

/// Whether the profile with this id is the one that was asked for.
pub(super) fn proves(by: By<'_>, id: &ProfileId, body: &[u8]) -> Result<bool, Rejection> {
    #[derive(Deserialize)]
    struct Wrapped<'a> {
        #[serde(borrow)]
        data: Candidate<'a>,
    }

    let wrapped: Wrapped<'_> =
        serde_json::from_slice(body).map_err(|_| unusable("the profile cannot be read"))?;
    Ok(wrapped.data.id().as_ref() == Some(id) && by.is(&wrapped.data))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: By<'static> = By::Email {
        address: "ada@example.com",
        asked: "ada@example.com",
    };
    const PHONE: By<'static> = By::MobilePhone("+61412345678");

    #[test]
    fn each_address_is_asked_about_alone() {
        assert_eq!(question(ADA), r#"{"email":"ada@example.com"}"#);
        assert_eq!(question(PHONE), r#"{"mobile_phone":"+61412345678"}"#);
    }

    #[test]
    fn the_holder_is_read_whatever_available_means() {
        for available in ["true", "false", "null"] {
            let taken = format!(
                r#"{{"data":{{"email":{{"available":{available},"profile":{{"id":"ada-1"}}}}}}}}"#
            );
            let id = named(ADA, taken.as_bytes()).unwrap();
            assert_eq!(id.unwrap().to_string(), "ada-1");
            assert_eq!(named(PHONE, taken.as_bytes()).unwrap(), None);
            let free =
                format!(r#"{{"data":{{"email":{{"available":{available},"profile":null}}}}}}"#);
            assert_eq!(named(ADA, free.as_bytes()).unwrap(), None);
        }
        for doubtful in [
            "",
            "{}",
            r#"{"data":[]}"#,
            r#"{"data":{"email":{"profile":{}}}}"#,
            r#"{"data":{"email":{"profile":{"id":"../x"}}}}"#,
        ] {
            assert!(named(ADA, doubtful.as_bytes()).is_err(), "{doubtful}");
        }
    }

    #[test]
    fn the_profile_itself_is_the_proof() {
        let id: ProfileId = "ada-1".parse().unwrap();
        for (profile, wanted) in [
            (r#"{"id":"ada-1","email":"ADA@example.com"}"#, true),
            (r#"{"id":"ada-1","email":"\u00e1da@example.com"}"#, false),
            (r#"{"id":"ada-1"}"#, false),
            (r#"{"id":"eve-1","email":"ada@example.com"}"#, false),
        ] {
            let body = format!(r#"{{"data":{profile}}}"#);
            assert_eq!(proves(ADA, &id, body.as_bytes()).unwrap(), wanted, "{body}");
        }
        assert!(proves(ADA, &id, b"{}").is_err());
    }
}
