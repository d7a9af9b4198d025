//! Phone numbers: validation, and the fields that the tenant derives.

use serde_json::{Value, json};

/// Calling codes, their country and trunk prefix.
const COUNTRIES: [(&str, &str, &str); 7] = [
    ("+61", "AU", "0"),
    ("+64", "NZ", "0"),
    ("+44", "GB", "0"),
    ("+49", "DE", "0"),
    ("+33", "FR", "0"),
    ("+46", "SE", "0"),
    ("+1", "US", ""),
];

/// `+`, then 8 to 15 digits of which the first is not zero.
pub(crate) fn is_e164(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (8..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

/// The read-only fields beside `mobile_phone`.
pub(crate) fn derived(phone: Option<&str>) -> [(String, Value); 4] {
    let parsed = phone.and_then(|phone| {
        COUNTRIES.iter().find_map(|(code, country, trunk)| {
            let subscriber = phone.strip_prefix(code)?;
            Some((country, trunk, format!("{trunk}{subscriber}")))
        })
    });
    [
        (
            "mobile_phone_country",
            parsed.as_ref().map(|(country, ..)| json!(country)),
        ),
        (
            "mobile_phone_national",
            parsed.as_ref().map(|(.., national)| json!(national)),
        ),
        (
            "mobile_phone_national_prefix",
            parsed.as_ref().map(|(_, trunk, _)| json!(trunk)),
        ),
        ("mobile_phone_e164", phone.map(|phone| json!(phone))),
    ]
    .map(|(name, value)| (name.to_owned(), value.unwrap_or_default()))
}
