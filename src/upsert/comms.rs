//! The names of the comms attribute. Pure.

/// By which means a person is reached.
const CHANNELS: [&str; 5] = ["email", "push", "sms", "phone", "post"];

/// What they agreed to, or refused, for a channel: booleans.
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

/// When somebody agreed.
const MOMENTS: [&str; 2] = ["email_consent_updated_at", "sms_consent_updated_at"];

/// What they agreed to. Published clients disagree on the type: a boolean, a date, a text.
const TERMS: [&str; 2] = ["terms_accepted_at", "terms_accepted_version"];

/// What a recognised field may hold, null aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Flag,
    Moment,
    Terms,
}

/// Every consent field that the service documents.
pub(super) fn documented() -> impl Iterator<Item = String> {
    let flags = CHANNELS
        .iter()
        .flat_map(|channel| CONSENTS.map(|consent| format!("{channel}_{consent}")));
    flags.chain(MOMENTS.iter().chain(&TERMS).map(ToString::to_string))
}

/// What a field of this name holds. A field that an operator added is a flag.
pub(super) fn kind(name: &str) -> Kind {
    if MOMENTS.contains(&name) {
        Kind::Moment
    } else if TERMS.contains(&name) {
        Kind::Terms
    } else {
        Kind::Flag
    }
}

/// Fields that are the tenant's to write: its own findings, and those of a record.
pub(super) fn is_reserved(name: &str) -> bool {
    is_forbidden(name) || has_suffix(name, "_bounced") || has_suffix(name, "_verification")
}

/// Names that are passed on nowhere in a payload: those of a record's owner and times, and those
/// that a reader may take for a path, a wildcard or a prototype.
pub(super) fn is_forbidden(name: &str) -> bool {
    is_one_of(name, &["profile_id", "created_at", "updated_at"]) || has_second_meaning(name)
}

/// Whether a name is one of these. Databases compare names of columns without letter case.
pub(super) fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn has_suffix(name: &str, suffix: &str) -> bool {
    let start = name.len().checked_sub(suffix.len());
    start
        .and_then(|start| name.get(start..))
        .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

/// A member is one level of a document, but Laravel reads dots, brackets and `->` (of a JSON
/// column) in a name as a path, `*` as every item, and the placeholders of its validator as `.` and
/// `*`. PHP has private members behind a NUL, and JavaScript a prototype.
fn has_second_meaning(name: &str) -> bool {
    name.contains(['.', '[', ']', '*', '\0'])
        || ["->", "__dot__", "__asterisk__"]
            .iter()
            .any(|part| name.contains(part))
        || is_one_of(name, &["__proto__"])
}
