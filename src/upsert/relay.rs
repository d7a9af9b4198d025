//! The tenant's 422, made fit to be shown. Pure.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::rejection::{FieldErrors, Rejection, RejectionKind};

/// How much of it is passed on: fields, complaints about each, characters of each text.
const MAX_FIELDS: usize = 64;
const MAX_MESSAGES: usize = 8;
const MAX_TEXT: usize = 500;

/// What the tenant found wrong.
pub(super) struct Complaint {
    /// The answer to give if it is relayed.
    pub(super) rejection: Rejection,
    /// Whether it says that the e-mail or the mobile phone is somebody's already.
    pub(super) taken: bool,
}

impl Complaint {
    /// Reads the body of a 422. `prefix` goes before each field, so that the same field has the
    /// same name wherever it was sent.
    pub(super) fn read(body: &[u8], prefix: &str) -> Self {
        let Ok(tenant) = serde_json::from_slice::<TenantErrors>(body) else {
            return Self {
                rejection: RejectionKind::InvalidFields.into(),
                taken: false,
            };
        };
        let mut errors = FieldErrors::default();
        let mut taken = false;
        for (field, texts) in tenant.errors.iter().take(MAX_FIELDS) {
            for text in strings(texts).take(MAX_MESSAGES) {
                taken |= is_taken(field, text);
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
            taken,
        }
    }
}

#[derive(Deserialize)]
struct TenantErrors {
    #[serde(default)]
    message: Value,
    #[serde(default)]
    errors: Map<String, Value>,
}

fn strings(texts: &Value) -> impl Iterator<Item = &str> {
    let list = texts.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().chain([texts]).filter_map(Value::as_str)
}

/// `The phone number exists`, and `The email has already been taken.` of the tenant's framework.
fn is_taken(field: &str, text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    matches!(field, "email" | "mobile_phone")
        && (text.contains("taken") || text.contains("exists") || text.contains("unique"))
}

fn shown(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(MAX_TEXT)
        .collect()
}
