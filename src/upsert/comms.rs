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

/// What nobody may set from outside: the tenant's own findings, and whose attribute it is.
pub(super) fn is_reserved(name: &str) -> bool {
    is_forbidden(name) || name.ends_with("_bounced") || name.ends_with("_verification")
}

/// Names that are passed on nowhere in a payload: whom a record belongs to, when it was written,
/// and what some reader would take for a path or a prototype.
pub(super) fn is_forbidden(name: &str) -> bool {
    matches!(name, "profile_id" | "created_at" | "updated_at") || is_treacherous(name)
}

fn is_treacherous(name: &str) -> bool {
    name == "__proto__" || name.contains(['.', '[', ']', '\0'])
}
