//! What is written, once it is known whether the person has a profile. Pure.

use bytes::Bytes;

use super::comms;
use super::json::{Json, Object};
use super::policy::CommsPolicy;
use super::schema::PROFILE;
use super::sign_up::SignUp;
use crate::identity::ProfileId;

/// What the tenant is to be sent.
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
    /// The profile's comms attribute changes: `PUT /profiles/{id}/attributes/comms`.
    Update {
        /// Whose.
        profile: ProfileId,
        /// The recognised consent fields of the payload, as a JSON object.
        body: Bytes,
    },
    /// The person is new: `POST /profiles`.
    Create {
        /// The payload with defaults, as a JSON object.
        body: Bytes,
    },
    /// The person is known, and the payload answers nothing about consent: nothing is sent.
    Nothing,
}

impl CommsPolicy {
    /// What to write for this payload, if the look-up found this profile or none.
    pub fn decide(&self, sign_up: &SignUp, found: Option<ProfileId>) -> Decision {
        let Some(profile) = found else {
            let body = self.create_body(sign_up);
            return Decision::Create { body };
        };
        match self.update_body(sign_up) {
            Some(body) => Decision::Update { profile, body },
            None => Decision::Nothing,
        }
    }

    /// The recognised consent fields that the payload answers, flat; `None` if there are none. Null
    /// and a blank string are no answer.
    pub fn update_body(&self, sign_up: &SignUp) -> Option<Bytes> {
        let given = sign_up.comms().map(|comms| comms.0.as_slice());
        let mut consent = Object(
            given
                .unwrap_or_default()
                .iter()
                .filter(|(name, value)| self.recognises(name) && !value.is_blank())
                .cloned()
                .collect(),
        );
        if self.defaults_on_update() {
            add_defaults(&mut consent);
        }
        (!consent.0.is_empty()).then(|| to_bytes(&consent))
    }

    /// The payload as a new profile: normalised, without the fields that are the tenant's to write,
    /// and with the defaults that the service documents (names `unknown`, `email_promo` true,
    /// `email_optout` false) where a field is missing, null or blank. Each default stands alone:
    /// beside an `email_optout` that is true, `email_promo` is still added.
    pub fn create_body(&self, sign_up: &SignUp) -> Bytes {
        let mut profile = passable(sign_up.payload());
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
        let mut attributes = object(profile.get("attributes"));
        let mut consent = object(attributes.get("comms"));
        consent
            .0
            .retain(|(name, value)| !comms::is_reserved(name) && !value.is_blank());
        add_defaults(&mut consent);
        attributes.set("comms", Json::Object(consent));
        profile.set("attributes", Json::Object(attributes));
        to_bytes(&profile)
    }
}

/// The documented defaults, for what is not answered.
fn add_defaults(consent: &mut Object) {
    for (name, default) in [("email_promo", true), ("email_optout", false)] {
        if consent.get(name).is_none() {
            consent.set(name, Json::Bool(default));
        }
    }
}

/// The object without forbidden names, at any level.
fn passable(object: &Object) -> Object {
    let members = object
        .0
        .iter()
        .filter(|(name, _)| !comms::is_forbidden(name))
        .map(|(name, value)| (name.clone(), passable_value(value)))
        .collect();
    Object(members)
}

fn passable_value(value: &Json) -> Json {
    match value {
        Json::Object(object) => Json::Object(passable(object)),
        Json::List(items) => Json::List(items.iter().map(passable_value).collect()),
        plain => plain.clone(),
    }
}

fn object(value: Option<&Json>) -> Object {
    value.and_then(Json::as_object).cloned().unwrap_or_default()
}

fn to_bytes(object: &Object) -> Bytes {
    let mut text = String::with_capacity(128);
    object.write(&mut text);
    text.into()
}

#[cfg(test)]
mod tests;
