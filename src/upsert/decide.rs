//! The write that follows a look-up: an update, a creation or none.

use bytes::Bytes;

use super::comms;
use super::json::{Json, Object};
use super::policy::CommsPolicy;
use super::schema::PROFILE;
use super::sign_up::SignUp;
use crate::identity::ProfileId;

/// The request that stores a sign-up at the tenant.
///
/// ```
/// use omneo_id::ProfileId;
/// use omneo_id::upsert::{CommsPolicy, Decision, SignUp};
///
/// let policy = CommsPolicy::new();
/// let body = br#"{"email":"ada@example.com","first_name":"Eve","attributes":{"comms":{"sms_promo":false}}}"#;
/// let sign_up = SignUp::parse(body, &policy)?;
///
/// let ada: ProfileId = "3f0c2f6e".parse().unwrap();
/// let Decision::Update { body, .. } = policy.decide(&sign_up, Some(ada)) else { panic!() };
/// assert_eq!(body, r#"{"sms_promo":false}"#); // and no name
/// assert!(matches!(policy.decide(&sign_up, None), Decision::Create { .. }));
/// # Ok::<(), omneo_id::Rejection>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// Updates the comms attribute of a profile: `PUT /profiles/{id}/attributes/comms`.
    Update {
        /// The id of the profile.
        profile: ProfileId,
        /// The recognized consent fields of the payload, as a JSON object.
        body: Bytes,
    },
    /// Creates a profile: `POST /profiles`.
    Create {
        /// The payload with defaults, as a JSON object.
        body: Bytes,
    },
    /// Sends nothing: the profile exists, and the payload has no consent field with a value.
    Nothing,
}

impl CommsPolicy {
    /// Decides how to store a sign-up: `profile` is the profile that the look-up found, if any.
    pub fn decide(&self, sign_up: &SignUp, profile: Option<ProfileId>) -> Decision {
        let Some(profile) = profile else {
            let body = self.create_body(sign_up);
            return Decision::Create { body };
        };
        match self.update_body(sign_up) {
            Some(body) => Decision::Update { profile, body },
            None => Decision::Nothing,
        }
    }

    /// The body of an update: the recognized consent fields with a value, as a flat object. `None`
    /// if there are none. Null and a blank string count as missing.
    pub fn update_body(&self, sign_up: &SignUp) -> Option<Bytes> {
        let members = sign_up.comms().map(|comms| comms.0.as_slice());
        let mut consent = Object(
            members
                .unwrap_or_default()
                .iter()
                .filter(|(name, value)| self.recognizes(name) && !value.is_blank())
                .cloned()
                .collect(),
        );
        if self.defaults_on_update() {
            add_defaults(&mut consent);
        }
        (!consent.0.is_empty()).then(|| to_bytes(&consent))
    }

    /// The body of a creation: the normalized payload without the fields that only the tenant may
    /// write. A missing, null or blank field gets its documented default (names `unknown`,
    /// `email_promo` true, `email_optout` false). The defaults are independent: `email_promo` is
    /// added even if the payload sets `email_optout` to true.
    pub fn create_body(&self, sign_up: &SignUp) -> Bytes {
        let mut profile = without_forbidden(sign_up.payload());
        profile
            .0
            .retain(|(name, _)| !comms::is_one_of(name, &["id", "_method"]));
        for (name, value) in &mut profile.0 {
            let documented = PROFILE.iter().any(|field| field.name == name);
            if documented && value.is_blank() {
                *value = Json::Null;
            }
        }
        for name in ["first_name", "last_name"] {
            if profile.get(name).is_none_or(Json::is_blank) {
                profile.set(name, Json::String("unknown".to_owned()));
            }
        }
        let mut attributes = to_object(profile.get("attributes"));
        let mut consent = to_object(attributes.get("comms"));
        consent
            .0
            .retain(|(name, value)| !comms::is_reserved(name) && !value.is_blank());
        add_defaults(&mut consent);
        attributes.set("comms", Json::Object(consent));
        profile.set("attributes", Json::Object(attributes));
        to_bytes(&profile)
    }
}

/// Adds the documented defaults for missing fields.
fn add_defaults(consent: &mut Object) {
    for (name, default) in [("email_promo", true), ("email_optout", false)] {
        if consent.get(name).is_none() {
            consent.set(name, Json::Bool(default));
        }
    }
}

/// The object without forbidden names at any level.
fn without_forbidden(object: &Object) -> Object {
    let members = object
        .0
        .iter()
        .filter(|(name, _)| !comms::is_forbidden(name))
        .map(|(name, value)| (name.clone(), value_without_forbidden(value)))
        .collect();
    Object(members)
}

fn value_without_forbidden(value: &Json) -> Json {
    match value {
        Json::Object(object) => Json::Object(without_forbidden(object)),
        Json::List(items) => Json::List(items.iter().map(value_without_forbidden).collect()),
        scalar => scalar.clone(),
    }
}

/// A copy of the object, or an empty object for any other value.
fn to_object(value: Option<&Json>) -> Object {
    value.and_then(Json::as_object).cloned().unwrap_or_default()
}

fn to_bytes(object: &Object) -> Bytes {
    // Objects with string keys always serialize.
    serde_json::to_vec(object).unwrap_or_default().into()
}

#[cfg(test)]
mod tests;
