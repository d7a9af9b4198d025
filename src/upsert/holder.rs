//! Who has an address by the tenant's own account, after it refused to have it twice. Pure.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::lookup::{By, Candidate, id_of, unusable};
use super::sign_up::SignUp;
use crate::identity::ProfileId;
use crate::rejection::Rejection;

/// Where the tenant is asked. It reads and writes nothing.
pub(super) const PATH: &str = "/profiles/availability";

/// The question: everything that somebody can be found by.
pub(super) fn question(sign_up: &SignUp) -> Bytes {
    let members: Map<_, _> = By::each(sign_up)
        .map(By::field)
        .map(|(field, value)| (field.to_owned(), value.into()))
        .collect();
    Value::Object(members).to_string().into()
}

/// Who has what, as the tenant tells it.
pub(super) struct Holders(Map<String, Value>);

impl Holders {
    pub(super) fn read(body: &[u8]) -> Result<Self, Rejection> {
        #[derive(Deserialize)]
        struct Wrapped {
            data: Map<String, Value>,
        }

        let wrapped: Wrapped = serde_json::from_slice(body)
            .map_err(|_| unusable("the answer to who has an address cannot be read"))?;
        Ok(Self(wrapped.data))
    }

    /// The profile that has it. Only that is read: what the tenant's `available` means, its
    /// documents say in two ways.
    pub(super) fn of(&self, by: By<'_>) -> Result<Option<ProfileId>, Rejection> {
        let (field, _) = by.field();
        match self.0.get(field).and_then(|holder| holder.get("profile")) {
            None | Some(Value::Null) => Ok(None),
            Some(profile) => id_of(profile.get("id").unwrap_or(&Value::Null)).map(Some),
        }
    }
}

/// Whether the profile with this id is the one that was asked for.
pub(super) fn proves(by: By<'_>, id: &ProfileId, body: &[u8]) -> Result<bool, Rejection> {
    #[derive(Deserialize)]
    struct Wrapped {
        data: Candidate,
    }

    let wrapped: Wrapped =
        serde_json::from_slice(body).map_err(|_| unusable("the profile cannot be read"))?;
    Ok(id_of(&wrapped.data.id)? == *id && by.is(&wrapped.data))
}
