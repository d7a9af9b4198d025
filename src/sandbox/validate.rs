//! The validation rules for a profile's input, and the 422 response that lists the violations.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::call::text;
use super::comms;
use super::phone;
use super::profile::Profile;
use super::response::SandboxResponse;
use super::store::{Store, object};

const GENDERS: [&str; 4] = ["male", "female", "withheld", "other"];
pub(crate) const PROFILE_TYPES: [&str; 7] = [
    "temporary",
    "dependant",
    "incomplete",
    "pending",
    "system",
    "active",
    "deleted",
];
const TEXTS: [&str; 7] = [
    "title",
    "first_name",
    "last_name",
    "company",
    "occupation",
    "avatar_url",
    "joined_at",
];
const MAX_TEXT: usize = 255;

/// The violated rules of an input, by field, in the order of the checks.
#[derive(Debug, Default)]
pub(crate) struct Errors(Vec<(String, Vec<String>)>);

impl Errors {
    pub(crate) fn add(&mut self, field: &str, message: impl Into<String>) {
        match self.0.iter_mut().find(|(name, _)| name == field) {
            Some((_, messages)) => messages.push(message.into()),
            None => self.0.push((field.to_owned(), vec![message.into()])),
        }
    }

    /// Adds "the field is required" for each that is missing or null.
    pub(crate) fn require(&mut self, input: &Map<String, Value>, fields: &[&str]) {
        for field in fields {
            if input.get(*field).is_none_or(Value::is_null) {
                self.add(
                    field,
                    format!("The {} field is required.", field_label(field)),
                );
            }
        }
    }

    /// # Errors
    /// The 422, if anything is wrong.
    pub(crate) fn check(self) -> Result<(), SandboxResponse> {
        let count: usize = self.0.iter().map(|(_, messages)| messages.len()).sum();
        let Some(first) = self.0.iter().find_map(|(_, messages)| messages.first()) else {
            return Ok(());
        };
        let message = match count {
            1 => first.clone(),
            2 => format!("{first} (and 1 more error)"),
            more => format!("{first} (and {} more errors)", more - 1),
        };
        let errors: Map<String, Value> = self
            .0
            .into_iter()
            .map(|(field, messages)| (field, json!(messages)))
            .collect();
        let body = json!({ "message": message, "errors": errors });
        Err(SandboxResponse::json(
            StatusCode::UNPROCESSABLE_ENTITY,
            body,
        ))
    }
}

/// A response with one violated rule.
pub(crate) fn invalid(field: &str, message: impl Into<String>) -> SandboxResponse {
    let mut errors = Errors::default();
    errors.add(field, message);
    errors
        .check()
        .err()
        .unwrap_or_else(|| SandboxResponse::status(StatusCode::UNPROCESSABLE_ENTITY))
}

/// The rules for creating a profile, or for changing this one.
pub(crate) fn profile(
    store: &Store,
    input: &Map<String, Value>,
    existing: Option<&Profile>,
) -> Result<(), SandboxResponse> {
    let own = existing.map(|profile| profile.id.as_str());
    let mut errors = Errors::default();
    if existing.is_none() || input.contains_key("email") {
        errors.require(input, &["email"]);
    }
    if let Some(email) = non_null(input, "email") {
        match email.as_str().filter(|email| is_email(email)) {
            None => errors.add("email", "The email must be a valid email address."),
            Some(email) if store.is_taken("email", email, own) => {
                errors.add("email", "The email has already been taken.");
            }
            Some(_) => {}
        }
    }
    for field in ["mobile_phone", "secondary_phone"] {
        let Some(phone) = non_null(input, field) else {
            continue;
        };
        match phone.as_str().filter(|phone| phone::is_e164(phone)) {
            None => errors.add(
                field,
                format!(
                    "The {} field contains an invalid number.",
                    field_label(field)
                ),
            ),
            Some(phone) if field == "mobile_phone" && store.is_taken(field, phone, own) => {
                errors.add(field, "The phone number exists");
            }
            Some(_) => {}
        }
    }
    for field in TEXTS {
        match non_null(input, field).map(Value::as_str) {
            Some(None) => errors.add(
                field,
                format!("The {} must be a string.", field_label(field)),
            ),
            Some(Some(text)) if text.chars().count() > MAX_TEXT => errors.add(
                field,
                format!(
                    "The {} may not be greater than {MAX_TEXT} characters.",
                    field_label(field)
                ),
            ),
            _ => {}
        }
    }
    one_of(&mut errors, input, "gender", &GENDERS);
    one_of(&mut errors, input, "profile_type", &PROFILE_TYPES);
    for (field, least, most) in [
        ("birth_day", 1, 31),
        ("birth_month", 1, 12),
        ("birth_year", 1900, 2100),
    ] {
        if let Some(value) = non_null(input, field) {
            let number = text(value).and_then(|text| text.parse::<i64>().ok());
            if !number.is_some_and(|number| (least..=most).contains(&number)) {
                errors.add(
                    field,
                    format!(
                        "The {} must be between {least} and {most}.",
                        field_label(field)
                    ),
                );
            }
        }
    }
    for field in [
        "attributes",
        "dates_attributes",
        "identities",
        "addresses",
        "tags",
    ] {
        if non_null(input, field).is_some_and(|value| !value.is_array() && !value.is_object()) {
            errors.add(
                field,
                format!("The {} must be an array.", field_label(field)),
            );
        }
    }
    let attributes = object(input.get("attributes"));
    check_comms(
        &mut errors,
        "attributes.comms.",
        &object(attributes.get("comms")),
    );
    check_identities(&mut errors, store, input, own);
    errors.check()
}

/// The comms flags must be booleans; `prefix` precedes each field name in the response.
pub(crate) fn check_comms(errors: &mut Errors, prefix: &str, fields: &Map<String, Value>) {
    for (field, value) in fields {
        if comms::is_flag(field) && !comms::is_boolean(value) {
            let field = format!("{prefix}{field}");
            errors.add(&field, format!("The {field} field must be true or false."));
        }
    }
}

fn check_identities(
    errors: &mut Errors,
    store: &Store,
    input: &Map<String, Value>,
    own: Option<&str>,
) {
    let identities = input
        .get("identities")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    for (index, identity) in identities.enumerate() {
        let member = |name: &str| identity.get(name).and_then(text);
        let (handle, identifier) = (member("handle"), member("identifier"));
        for (name, value) in [("handle", &handle), ("identifier", &identifier)] {
            if value.is_none() {
                let field = format!("identities.{index}.{name}");
                errors.add(&field, format!("The {field} field is required."));
            }
        }
        if let (Some(handle), Some(identifier)) = (handle, identifier) {
            let owner = store.by_identity(&handle, &identifier);
            if owner.is_some_and(|owner| Some(owner.id.as_str()) != own) {
                let field = format!("identities.{index}.identifier");
                errors.add(&field, format!("The {field} has already been taken."));
            }
        }
    }
}

fn one_of(errors: &mut Errors, input: &Map<String, Value>, field: &str, choices: &[&str]) {
    if non_null(input, field)
        .is_some_and(|value| !value.as_str().is_some_and(|text| choices.contains(&text)))
    {
        errors.add(
            field,
            format!("The selected {} is invalid.", field_label(field)),
        );
    }
}

/// A member that is there and not null.
fn non_null<'i>(input: &'i Map<String, Value>, field: &str) -> Option<&'i Value> {
    input.get(field).filter(|value| !value.is_null())
}

fn is_email(text: &str) -> bool {
    let parts = text.split_once('@');
    text.len() <= MAX_TEXT
        && !text
            .chars()
            .any(|character| character.is_whitespace() || character.is_control())
        && parts.is_some_and(|(local, domain)| {
            let outer_dot = domain.starts_with('.') || domain.ends_with('.');
            !local.is_empty() && domain.contains('.') && !domain.contains('@') && !outer_dot
        })
}

fn field_label(field: &str) -> String {
    field.replace('_', " ")
}
