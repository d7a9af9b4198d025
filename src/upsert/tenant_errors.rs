//! Validation errors in the tenant's 422 response, bounded and sanitized for the client.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::rejection::{FieldErrors, Rejection, RejectionKind};

/// Fields that are relayed. The documented profile has fewer.
const MAX_FIELDS: usize = 64;

/// Messages per field that are relayed.
const MAX_MESSAGES: usize = 8;

/// Characters of a field name or message that are relayed: a few sentences.
const MAX_TEXT: usize = 500;

/// The tenant's validation errors.
pub(super) struct ValidationErrors {
    /// The rejection that relays the errors to the client.
    pub(super) rejection: Rejection,
    /// Whether an error is about the e-mail or the mobile phone. Their format is valid, so another
    /// profile may have the address by now. The message is not evaluated: its language varies.
    pub(super) is_about_the_address: bool,
}

impl ValidationErrors {
    /// Parses the body of a 422. `prefix` is prepended to each field name, so that a field has the
    /// same name for a creation and for an update.
    pub(super) fn parse(body: &[u8], prefix: &str) -> Self {
        let Ok(tenant) = serde_json::from_slice::<ErrorBody>(body) else {
            return Self {
                rejection: RejectionKind::InvalidFields.into(),
                is_about_the_address: false,
            };
        };
        let mut errors = FieldErrors::default();
        let mut is_about_the_address = false;
        // PHP encodes an empty map of errors as `[]`. The sorted map makes the order of the fields
        // independent of the features of `serde_json`.
        let fields: BTreeMap<_, _> = tenant.errors.as_object().into_iter().flatten().collect();
        for (field, texts) in fields.into_iter().take(MAX_FIELDS) {
            is_about_the_address |= matches!(field.as_str(), "email" | "mobile_phone");
            for text in strings(texts).take(MAX_MESSAGES) {
                errors.add(format!("{prefix}{}", sanitized(field)), sanitized(text));
            }
        }
        let rejection = match errors.is_empty() {
            true => RejectionKind::InvalidFields.into(),
            false => Rejection::invalid_fields(errors),
        };
        Self {
            rejection: match tenant.message.as_str() {
                Some(message) if !message.is_empty() => rejection.with_message(sanitized(message)),
                _ => rejection,
            },
            is_about_the_address,
        }
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default)]
    message: Value,
    #[serde(default)]
    errors: Value,
}

/// The strings of a list, or a string by itself.
fn strings(texts: &Value) -> impl Iterator<Item = &str> {
    let list = texts.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().chain([texts]).filter_map(Value::as_str)
}

/// The text without control characters, cut to [`MAX_TEXT`] characters.
fn sanitized(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(MAX_TEXT)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unparsable_422_is_a_rejection_without_fields() {
        for body in ["", "<html>", "[]", r#"{"errors":[]}"#, r#"{"errors":"x"}"#] {
            let errors = ValidationErrors::parse(body.as_bytes(), "");
            assert_eq!(errors.rejection.kind(), RejectionKind::InvalidFields);
            assert!(!errors.is_about_the_address, "{body}");
        }
    }

    #[test]
    fn fields_messages_and_texts_are_bounded() {
        let list = vec!["x".repeat(1000); 20];
        let errors: serde_json::Map<_, _> = (0..100)
            .map(|n| (format!("f{n}"), list.clone().into()))
            .collect();
        let body = serde_json::json!({"message": "y".repeat(10_000), "errors": errors}).to_string();
        let rejection = ValidationErrors::parse(body.as_bytes(), "").rejection;
        let errors = rejection.errors().unwrap();
        assert_eq!(errors.iter().count(), MAX_FIELDS);
        assert!(
            errors
                .iter()
                .all(|(_, texts)| texts.len() == MAX_MESSAGES && texts[0].len() == MAX_TEXT)
        );
        assert_eq!(rejection.message().len(), MAX_TEXT);
    }
}
