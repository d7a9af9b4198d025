//! The records below a profile of the seed: lists, transactions, rewards and the like.

use serde_json::{Value, json};

use super::people::{Consent, Person};
use crate::sandbox::comms;
use crate::sandbox::profile::Profile;
use crate::sandbox::records::identity;
use crate::sandbox::seed::names;
use crate::sandbox::store::{Store, object};

/// The creation time of the seed's records.
pub(super) const CREATED_AT: &str = "2025-02-03 04:05:06";
/// More transactions than fit on one page.
const MANY_TRANSACTIONS: usize = 23;
const STREETS: [&str; 4] = [
    "Flinders Street",
    "George Street",
    "Queen Street",
    "Lambton Quay",
];

pub(super) fn profile(store: &mut Store, index: usize, person: &Person) -> Profile {
    let mut profile = Profile::new(person.id.to_owned(), CREATED_AT);
    let (year, month, day) = match person.birth {
        Some((year, month, day)) => (json!(year), json!(month), json!(day)),
        None => Default::default(),
    };
    let fields = json!({
        "first_name": person.name.0,
        "last_name": person.name.1,
        "email": person.email,
        "mobile_phone": person.phone,
        "gender": person.gender,
        "birth_year": year,
        "birth_month": month,
        "birth_day": day,
        "tags": if index.is_multiple_of(3) { json!(["vip"]) } else { json!([]) },
        "region_id": index % 3 + 1,
    });
    profile.apply_fields(&object(Some(&fields)), CREATED_AT);
    comms::apply(&mut profile.comms, &consent(person.consent), CREATED_AT);
    profile.appearance.extend(object(Some(
        &json!({ "eye_colour": "brown", "height": 150 + index }),
    )));
    let identities = person.identities.iter();
    let identities = identities
        .map(|(handle, identifier)| {
            identity(store.number(), person.id, handle, identifier, CREATED_AT)
        })
        .collect();
    profile.collections.insert("identities", identities);
    for (path, items) in lists_of(index, person) {
        let items = items
            .iter()
            .map(|item| numbered(store, person.id, item))
            .collect();
        profile.collections.insert(path, items);
    }
    profile
}

fn lists_of(index: usize, person: &Person) -> Vec<(&'static str, Vec<Value>)> {
    let street = STREETS
        .get(index % STREETS.len())
        .copied()
        .unwrap_or_default();
    let transactions = if person.id == names::ADA_ID {
        MANY_TRANSACTIONS
    } else {
        2
    };
    let transactions: Vec<Value> = (0..transactions)
        .map(|number| transaction(index, number))
        .collect();
    let mut dates =
        vec![json!({ "name": "Anniversary", "handle": "anniversary", "date": "2015-06-20" })];
    if let Some((year, month, day)) = person.birth {
        let date = format!("{year:04}-{month:02}-{day:02}");
        dates.push(json!({ "name": "Birthday", "handle": "birthday", "date": date }));
    }
    let card = format!("29{index:011}");
    vec![
        (
            "addresses",
            vec![json!({
                "address_line_1": format!("{} {street}", index + 1), "address_line_2": null,
                "city": "Melbourne",
                "state": "VIC", "postcode": "3000", "country": "AU", "is_default": true,
            })],
        ),
        ("attributes/dates", dates),
        (
            "attributes/custom",
            vec![
                json!({ "namespace": "loyalty", "handle": "card_number", "type": "string",
                    "value": card }),
                json!({ "namespace": "preferences", "handle": "shoe_size", "type": "integer",
                    "value": 36 + index % 9 }),
            ],
        ),
        (
            "custom-fields",
            vec![
                json!({ "namespace": "crm", "handle": "segment", "type": "string",
                    "value": "regular" }),
            ],
        ),
        (
            "lists",
            vec![
                list("Wishlist", names::WISHLIST, index),
                list("Favourites", "favourites", index + 7),
            ],
        ),
        (
            "rewards",
            vec![
                json!({ "name": "Welcome", "value": 10, "value_remaining": 10, "status": "active",
                    "expires_at": null }),
                json!({ "name": "Birthday", "value": 25, "value_remaining": 15, "status": "active",
                    "expires_at": null }),
            ],
        ),
        (
            "points",
            vec![
                json!({ "points": 500, "reason": "joined" }),
                json!({ "points": 40 * (index + 1), "reason": "purchase" }),
            ],
        ),
        (
            "benefits",
            vec![
                json!({ "name": "Free coffee", "handle": "coffee", "value": 5,
                    "value_remaining": 5, "status": "active" }),
                json!({ "name": "Early access", "handle": "early", "value": 0,
                    "value_remaining": 0, "status": "active" }),
            ],
        ),
        (
            "redeemable_benefits",
            vec![json!({ "name": "Free coffee", "handle": "coffee", "value": 5 })],
        ),
        (
            "tiers",
            vec![json!({ "name": "Silver", "handle": "silver", "is_current": true })],
        ),
        (
            "group_transactions",
            transactions.iter().take(2).cloned().collect(),
        ),
        (
            "transaction-products",
            vec![json!({ "sku": "TEE-BLK-M", "name": "T-shirt", "quantity": 1 })],
        ),
        ("transactions", transactions),
        ("transactions/claims", vec![]),
        ("transactionitems/list/unassigned", vec![]),
        (
            "regions",
            vec![json!({ "name": "Victoria", "handle": "vic" })],
        ),
        (
            "interactions",
            vec![json!({ "type": "store_visit", "happened_at": CREATED_AT })],
        ),
        (
            "ledgers",
            vec![json!({ "type": "points", "amount": 500, "balance": 500 })],
        ),
        (
            "aggregations",
            vec![json!({ "handle": "lifetime_spend", "value": 120.5 * 2.0 })],
        ),
        (
            "achievements",
            vec![json!({ "name": "First purchase", "handle": "first-purchase" })],
        ),
        (
            "orders",
            vec![
                json!({ "external_id": format!("O-{index:04}"), "status": "shipped", "items": [] }),
            ],
        ),
    ]
}

fn list(name: &str, handle: &str, index: usize) -> Value {
    let item = |id: usize, sku: String| {
        json!({
            "id": id, "sku": sku, "name": "T-shirt", "quantity": 1, "price": 49.95,
        })
    };
    json!({
        "name": name, "handle": handle, "is_public": false, "shares": [], "custom-fields": [],
        "items": [item(1, format!("TEE-{index:03}")), item(2, format!("CAP-{index:03}"))],
    })
}

fn transaction(profile_index: usize, index: usize) -> Value {
    json!({
        "external_id": format!("T-{profile_index:04}-{index:03}"),
        "total": 120.5,
        "currency": "AUD",
        "location_id": index % 12 + 1,
        "transacted_at": format!("2025-01-{:02} 10:30:00", index % 28 + 1),
        "items": [{
            "id": 1, "sku": "TEE-BLK-M", "name": "T-shirt", "quantity": 1, "price": 120.5,
        }],
    })
}

fn numbered(store: &mut Store, owner: &str, item: &Value) -> Value {
    let mut fields = object(Some(item));
    fields.insert("id".to_owned(), json!(store.number()));
    fields.insert("profile_id".to_owned(), json!(owner));
    fields.insert("created_at".to_owned(), json!(CREATED_AT));
    fields.insert("updated_at".to_owned(), json!(CREATED_AT));
    Value::Object(fields)
}

fn consent(consent: Consent) -> serde_json::Map<String, Value> {
    let all = |flag: &str| {
        comms::CHANNELS
            .iter()
            .map(|channel| (format!("{channel}_{flag}"), json!(true)))
            .collect()
    };
    match consent {
        Consent::Undecided => serde_json::Map::new(),
        Consent::Granted => all("promo"),
        Consent::EmailOnly => object(Some(
            &json!({ "email_promo": true, "sms_promo": false, "sms_optout": true }),
        )),
        Consent::Withdrawn => all("optout"),
        Consent::Bounced => object(Some(&json!({ "email_promo": true, "email_bounced": true }))),
    }
}
