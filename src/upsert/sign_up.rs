use std::fmt;

use super::email;
use super::json::{Json, Object};
use super::policy::CommsPolicy;
use super::validate::validate;
use crate::rejection::{Rejection, RejectionKind};

/// A payload that was read and found valid: what somebody sent to `POST /profiles`.
///
/// Its `Debug` shows nothing of the person.
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
    /// Reads a payload: strict JSON, then the documented schema of a profile.
    ///
    /// # Errors
    /// [`MalformedBody`](RejectionKind::MalformedBody), saying where, if the bytes are no JSON or
    /// could be read in two ways (a key twice, half a surrogate pair, over 16 levels);
    /// [`InvalidFields`](RejectionKind::InvalidFields), with every field to blame, if it is no
    /// object or breaks the schema.
    pub fn parse(bytes: &[u8], policy: &CommsPolicy) -> Result<Self, Rejection> {
        let json = Json::parse(bytes).map_err(|malformed| {
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
        let given = |name| {
            let value = payload.get(name).filter(|value| !value.is_blank())?;
            value.as_str().map(str::to_owned)
        };
        let Some(email) = given("email") else {
            // Validation has refused it already.
            return Err(Rejection::new(RejectionKind::InvalidFields));
        };
        Ok(Self {
            email_with_u_labels: email::with_u_labels(&email),
            email,
            mobile_phone: given("mobile_phone"),
            payload,
        })
    }

    /// The e-mail address in its one form: trimmed, the local part in Unicode NFC, the domain in
    /// A-labels (`xn--…`), ASCII letters in lower case.
    pub fn email(&self) -> &str {
        &self.email
    }

    /// The forms in which the tenant may have stored the address: the [`email`](Self::email), and
    /// the same with U-labels if its domain has any.
    pub(super) fn emails(&self) -> impl Iterator<Item = &str> + Send {
        std::iter::once(self.email()).chain(self.email_with_u_labels.as_deref())
    }

    /// The mobile phone number in E.164 form, if one was given.
    pub fn mobile_phone(&self) -> Option<&str> {
        self.mobile_phone.as_deref()
    }

    /// All of it, its addresses in their one form.
    pub(super) fn payload(&self) -> &Object {
        &self.payload
    }

    /// `attributes.comms`, if there is one.
    pub(super) fn comms(&self) -> Option<&Object> {
        let attributes = self.payload.get("attributes")?.as_object()?;
        attributes.get("comms")?.as_object()
    }
}

impl fmt::Debug for SignUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignUp(…)")
    }
}
