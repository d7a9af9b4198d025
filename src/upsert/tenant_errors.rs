//! The tenant's 422, made fit to be shown. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::rejection::{FieldErrors, Rejection, RejectionKind};

/// How much of it is passed on: fields, complaints about each, characters of each text.
const MAX_FIELDS: usize = 64;
const MAX_MESSAGES: usize = 8;
const MAX_TEXT: usize = 500;

/// What the tenant found wrong.
pub(super) struct ValidationErrors {
    /// The answer to give if it is relayed.
    pub(super) rejection: Rejection,
    /// Whether it is about the e-mail or the mobile phone: well-formed as they are, somebody else
    /// may have them by now. The tenant's words, in whatever language, are not asked.
    pub(super) is_about_the_address: bool,
}

impl ValidationErrors {
    /// Reads the body of a 422. `prefix` goes before each field, so that the same field has the
    /// same name wherever it was sent.
    pub(super) fn read(body: &[u8], prefix: &str) -> Self {
        let Ok(tenant) = serde_json::from_slice::<TenantErrors>(body) else {
            return Self {
                rejection: RejectionKind::InvalidFields.into(),
                is_about_the_address: false,
            };
        };
        let mut errors = FieldErrors::default();
        let mut is_about_the_address = false;
        // An empty list is what PHP makes of no errors. In a sorted map, the order of the fields
        // does not depend on the features that `serde_json` is built with.
        let fields: BTreeMap<_, _> = tenant.errors.as_object().into_iter().flatten().collect();
        for (field, texts) in fields.into_iter().take(MAX_FIELDS) {
            is_about_the_address |= matches!(field.as_str(), "email" | "mobile_phone");
            for text in strings(texts).take(MAX_MESSAGES) {
                errors.add(format!("{prefix}{}", shown(field)), shown(text));
            }
        }
        let rejection = match errors.is_empty() {
            true => RejectionKind::InvalidFields.into(),
            false => Rejection::invalid_fields(errors),
        };
        Self {
            rejection: match tenant.message.as_str() {
                Some(message) if !message.is_empty() => rejection.with_message(shown(message)),
                _ => rejection,
            },
            is_about_the_address,
        }
    }
}

#[derive(Deserialize)]
struct TenantErrors {
    #[serde(default)]
    message: Value,
    #[serde(default)]
    errors: Value,
}

fn strings(texts: &Value) -> impl Iterator<Item = &str> {
    let list = texts.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().chain([texts]).filter_map(Value::as_str)
}

fn shown(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(MAX_TEXT)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_complaint_is_still_one() {
        for body in ["", "<html>", "[]", r#"{"errors":[]}"#, r#"{"errors":"x"}"#] {
            let complaint = ValidationErrors::read(body.as_bytes(), "");
            assert_eq!(complaint.rejection.kind(), RejectionKind::InvalidFields);
            assert!(!complaint.is_about_the_address, "{body}");
        }
    }

    #[test]
    fn a_flood_of_complaints_is_cut() {
        let list = vec!["x".repeat(1000); 20];
        let errors: serde_json::Map<_, _> = (0..100)
            .map(|n| (format!("f{n}"), list.clone().into()))
            .collect();
        let body = serde_json::json!({"message": "y".repeat(10_000), "errors": errors}).to_string();
        let rejection = ValidationErrors::read(body.as_bytes(), "").rejection;
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
