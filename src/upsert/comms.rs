//! The field names of the comms attribute.

use super::schema::Rule;

/// The communication channels.
const CHANNELS: [&str; 5] = ["email", "push", "sms", "phone", "post"];

/// The consents per channel: booleans.
const CONSENTS: [&str; 10] = [
    "optout",
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

/// The times of a consent.
const TIMES: [&str; 2] = ["email_consent_updated_at", "sms_consent_updated_at"];

/// The accepted terms. Published clients send different types: a boolean, a date or a text.
const TERMS: [&str; 2] = ["terms_accepted_at", "terms_accepted_version"];

/// Every consent field that the service documents.
pub(super) fn documented_fields() -> impl Iterator<Item = String> {
    let flags = CHANNELS
        .iter()
        .flat_map(|channel| CONSENTS.map(|consent| format!("{channel}_{consent}")));
    flags.chain(TIMES.iter().chain(&TERMS).map(ToString::to_string))
}

/// The rule for the field with this name. A field that an operator added is a flag.
pub(super) fn rule(name: &str) -> &'static Rule {
    match name {
        _ if TIMES.contains(&name) => &Rule::DateTime,
        _ if TERMS.contains(&name) => &Rule::Terms,
        _ => &Rule::Flag,
    }
}

/// Whether only the tenant may write this field: delivery results, and the fields of a record.
pub(super) fn is_reserved(name: &str) -> bool {
    is_forbidden(name) || has_suffix(name, "_bounced") || has_suffix(name, "_verification")
}

/// Whether a name is removed at every level of a payload: a record's owner and timestamps, and
/// names that a reader may interpret as a path, a wildcard or a prototype.
pub(super) fn is_forbidden(name: &str) -> bool {
    is_one_of(name, &["profile_id", "created_at", "updated_at"]) || is_interpreted(name)
}

/// Whether a name is one of these, ignoring letter case as databases do for column names.
pub(super) fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn has_suffix(name: &str, suffix: &str) -> bool {
    let start = name.len().checked_sub(suffix.len());
    start
        .and_then(|start| name.get(start..))
        .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

/// Whether a framework interprets a name as more than the name of one member. Laravel reads dots,
/// brackets and `->` (of a JSON column) as a path, `*` as every item, and the placeholders of its
/// validator as `.` and `*`. PHP marks private members with a NUL; JavaScript has `__proto__`.
fn is_interpreted(name: &str) -> bool {
    name.contains(['.', '[', ']', '*', '\0'])
        || ["->", "__dot__", "__asterisk__"]
            .iter()
            .any(|part| name.contains(part))
        || is_one_of(name, &["__proto__"])
}
