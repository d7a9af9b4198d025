use std::fmt;

use super::email;
use super::json::{self, Json, Object};
use super::policy::CommsPolicy;
use super::validate::validate;
use crate::rejection::{Rejection, RejectionKind};

/// A valid payload of `POST /profiles`.
///
/// Its `Debug` output does not contain personal data.
///
/// ```
/// use omneo_id::RejectionKind;
/// use omneo_id::upsert::{CommsPolicy, SignUp};
///
/// let policy = CommsPolicy::new();
/// let sign_up = SignUp::parse(br#"{"email":" Ada@Example.com "}"#, &policy)?;
/// assert_eq!(sign_up.email(), "ada@example.com");
///
/// let twice = SignUp::parse(br#"{"email":"a@b.example","email":"c@d.example"}"#, &policy);
/// assert_eq!(twice.unwrap_err().kind(), RejectionKind::MalformedBody);
/// # Ok::<(), omneo_id::Rejection>(())
/// ```
#[derive(Clone)]
pub struct SignUp {
    email: String,
    email_with_u_labels: Option<String>,
    mobile_phone: Option<String>,
    payload: Object,
}

impl SignUp {
    /// Parses a payload as strict JSON, and validates it against the documented schema of a
    /// profile.
    ///
    /// # Errors
    /// - [`MalformedBody`](RejectionKind::MalformedBody) with the position, if the bytes are not
    ///   JSON, or JSON that readers interpret differently (a duplicate key, half a surrogate pair,
    ///   over 16 levels).
    /// - [`InvalidFields`](RejectionKind::InvalidFields) with every invalid field, if the JSON is
    ///   not an object or violates the schema.
    pub fn parse(bytes: &[u8], policy: &CommsPolicy) -> Result<Self, Rejection> {
        let json = json::parse(bytes).map_err(|malformed| {
            Rejection::new(RejectionKind::MalformedBody)
                .with_message(format!("The request body is malformed: {malformed}."))
        })?;
        let Json::Object(mut payload) = json else {
            return Err(Rejection::new(RejectionKind::InvalidFields)
                .with_message("The request body must be a JSON object."));
        };
        let errors = validate(&mut payload, policy);
        if !errors.is_empty() {
            return Err(Rejection::invalid_fields(errors));
        }
        let Some(email) = text(&payload, "email") else {
            // Unreachable: validation requires the e-mail.
            return Err(Rejection::new(RejectionKind::InvalidFields));
        };
        Ok(Self {
            email_with_u_labels: email::with_u_labels(&email),
            email,
            mobile_phone: text(&payload, "mobile_phone"),
            payload,
        })
    }

    /// The normalized e-mail address: trimmed, the local part in Unicode NFC, the domain in
    /// A-labels (`xn--…`), ASCII letters in lower case.
    pub fn email(&self) -> &str {
        &self.email
    }

    /// The spellings that the tenant may have stored: the [`email`](Self::email), and the same
    /// address with U-labels if its domain has A-labels.
    pub(super) fn emails(&self) -> impl Iterator<Item = &str> + Send {
        std::iter::once(self.email()).chain(self.email_with_u_labels.as_deref())
    }

    /// The mobile phone number in E.164 form, if the payload has one.
    pub fn mobile_phone(&self) -> Option<&str> {
        self.mobile_phone.as_deref()
    }

    /// The complete payload, with normalized addresses.
    pub(super) fn payload(&self) -> &Object {
        &self.payload
    }

    /// The member `attributes.comms`, if it is an object.
    pub(super) fn comms(&self) -> Option<&Object> {
        let attributes = self.payload.get("attributes")?.as_object()?;
        attributes.get("comms")?.as_object()
    }
}

/// A string member that is not blank.
fn text(payload: &Object, name: &str) -> Option<String> {
    let value = payload.get(name).filter(|value| !value.is_blank())?;
    value.as_str().map(str::to_owned)
}

impl fmt::Debug for SignUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignUp(…)")
    }
}
