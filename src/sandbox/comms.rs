//! The communication preferences: their fields and default values.

use serde_json::{Map, Value};

pub(crate) const CHANNELS: [&str; 5] = ["email", "push", "sms", "phone", "post"];
const FLAGS: [&str; 11] = [
    "optout",
    "bounced",
    "promo",
    "discover",
    "benefits",
    "reminders",
    "account",
    "bookings",
    "feedback",
    "location",
    "service",
];
const TEXTS: [&str; 8] = [
    "email_verification",
    "sms_verification",
    "phone_verification",
    "post_verification",
    "terms_accepted_at",
    "terms_accepted_version",
    "email_consent_updated_at",
    "sms_consent_updated_at",
];

/// Whether the field is one of the attribute's booleans.
pub(crate) fn is_flag(field: &str) -> bool {
    field
        .split_once('_')
        .is_some_and(|(channel, flag)| CHANNELS.contains(&channel) && FLAGS.contains(&flag))
}

/// A new attribute: every field is present and null.
pub(crate) fn undecided(profile_id: &str, now: &str) -> Map<String, Value> {
    let flags = CHANNELS
        .iter()
        .flat_map(|channel| FLAGS.iter().map(move |flag| format!("{channel}_{flag}")));
    let mut comms: Map<String, Value> = flags.map(|field| (field, Value::Null)).collect();
    comms.extend(TEXTS.iter().map(|field| ((*field).to_owned(), Value::Null)));
    comms.insert("profile_id".to_owned(), profile_id.into());
    comms.insert("created_at".to_owned(), now.into());
    comms.insert("updated_at".to_owned(), now.into());
    comms
}

/// Sets the known fields; unknown and read-only fields are ignored.
pub(crate) fn apply(comms: &mut Map<String, Value>, changes: &Map<String, Value>, now: &str) {
    for (field, value) in changes {
        if is_flag(field) {
            comms.insert(field.clone(), flag(value));
        } else if TEXTS.contains(&field.as_str()) {
            comms.insert(field.clone(), value.clone());
        }
    }
    comms.insert("updated_at".to_owned(), now.into());
}

/// The values that the framework accepts as a boolean.
pub(crate) fn is_boolean(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) => true,
        Value::Number(number) => matches!(number.as_i64(), Some(0 | 1)),
        Value::String(text) => matches!(text.as_str(), "0" | "1"),
        _ => false,
    }
}

fn flag(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::Bool(number.as_i64() == Some(1)),
        Value::String(text) => Value::Bool(text == "1"),
        other => other.clone(),
    }
}
