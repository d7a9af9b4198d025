//! The locations of the seed: twelve, two of them unpublished and two permanently closed.

use serde_json::{Value, json};

use super::belongings::CREATED_AT;

/// Handle, city, state, country, time zone, published, closed.
type Shop = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    bool,
    bool,
);

const SHOPS: [Shop; 12] = [
    (
        "melbourne-central",
        "Melbourne",
        "VIC",
        "AU",
        "Australia/Melbourne",
        true,
        false,
    ),
    (
        "fitzroy",
        "Fitzroy",
        "VIC",
        "AU",
        "Australia/Melbourne",
        true,
        false,
    ),
    (
        "sydney-qvb",
        "Sydney",
        "NSW",
        "AU",
        "Australia/Sydney",
        true,
        false,
    ),
    (
        "newtown",
        "Newtown",
        "NSW",
        "AU",
        "Australia/Sydney",
        true,
        true,
    ),
    (
        "brisbane",
        "Brisbane",
        "QLD",
        "AU",
        "Australia/Brisbane",
        true,
        false,
    ),
    ("perth", "Perth", "WA", "AU", "Australia/Perth", true, false),
    (
        "adelaide",
        "Adelaide",
        "SA",
        "AU",
        "Australia/Adelaide",
        false,
        false,
    ),
    (
        "hobart",
        "Hobart",
        "TAS",
        "AU",
        "Australia/Hobart",
        true,
        false,
    ),
    (
        "auckland",
        "Auckland",
        "AUK",
        "NZ",
        "Pacific/Auckland",
        true,
        false,
    ),
    (
        "wellington",
        "Wellington",
        "WGN",
        "NZ",
        "Pacific/Auckland",
        true,
        false,
    ),
    ("malmo", "Malmö", "M", "SE", "Europe/Stockholm", false, true),
    (
        "online",
        "Melbourne",
        "VIC",
        "AU",
        "Australia/Melbourne",
        true,
        false,
    ),
];

pub(super) fn all() -> Vec<Value> {
    SHOPS
        .iter()
        .zip(1_u32..)
        .map(|(shop, number)| location(*shop, number))
        .collect()
}

fn location(
    (handle, city, state, country, timezone, published, closed): Shop,
    number: u32,
) -> Value {
    let hours =
        |day: u32| json!({ "day": day, "open": "09:00", "close": "17:30", "is_closed": day == 0 });
    json!({
        "id": number,
        "type": if handle == "online" { "online" } else { "store" },
        "name": format!("Acme {city}"),
        "handle": handle,
        "description": null,
        "phone": format!("+6139000{number:04}"),
        "email": format!("{handle}@example.com"),
        "timezone": timezone,
        "external_id": format!("LOC-{number:03}"),
        "external_code": format!("{number:03}"),
        "is_published": published,
        "is_permanently_closed": closed,
        "address": {
            "address_line_1": format!("{number} Market Street"), "city": city, "state": state,
            "country": country,
            "latitude": -37.81, "longitude": 144.96,
        },
        "normal_hours": (0..7).map(hours).collect::<Vec<_>>(),
        "special_hours": [],
        "tags": [],
        "custom_fields": [],
        "created_at": CREATED_AT,
        "updated_at": CREATED_AT,
    })
}
