//! One profile: its stored form and its JSON form.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::phone;

/// Fields that a caller may set, with their values in a new profile.
const FIELDS: [&str; 18] = [
    "title",
    "first_name",
    "last_name",
    "email",
    "mobile_phone",
    "secondary_phone",
    "gender",
    "birth_day",
    "birth_month",
    "birth_year",
    "company",
    "occupation",
    "avatar_url",
    "currency",
    "joined_at",
    "profile_type",
    "region_id",
    "tags",
];

/// The record of one profile and all records below it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Profile {
    pub(crate) id: String,
    pub(crate) fields: Map<String, Value>,
    pub(crate) comms: Map<String, Value>,
    pub(crate) appearance: Map<String, Value>,
    /// Lists of records, by their path below the profile.
    pub(crate) collections: BTreeMap<&'static str, Vec<Value>>,
}

impl Profile {
    pub(crate) fn new(id: String, now: &str) -> Self {
        let mut fields: Map<String, Value> = FIELDS
            .iter()
            .map(|name| ((*name).to_owned(), Value::Null))
            .collect();
        for (name, value) in [
            ("first_name", json!("Unknown")),
            ("last_name", json!("Unknown")),
            ("currency", json!("AUD")),
            ("joined_at", json!(now)),
            ("profile_type", json!("active")),
            ("tags", json!([])),
            ("created_at", json!(now)),
            ("updated_at", json!(now)),
        ] {
            fields.insert(name.to_owned(), value);
        }
        Self {
            comms: super::comms::undecided(&id, now),
            appearance: [
                ("height", Value::Null),
                ("eye_colour", Value::Null),
                ("hair_colour", Value::Null),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .collect(),
            id,
            fields,
            collections: BTreeMap::new(),
        }
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(Value::as_str)
    }

    pub(crate) fn full_name(&self) -> String {
        let name = |field| self.field(field).unwrap_or_default();
        format!("{} {}", name("first_name"), name("last_name"))
            .trim()
            .to_owned()
    }

    pub(crate) fn list(&self, collection: &str) -> &[Value] {
        self.collections.get(collection).map_or(&[], Vec::as_slice)
    }

    /// Sets the fields that a caller may set.
    pub(crate) fn apply_fields(&mut self, input: &Map<String, Value>, now: &str) {
        for name in FIELDS {
            if let Some(value) = input.get(name) {
                self.fields.insert(name.to_owned(), value.clone());
            }
        }
        self.fields.insert("updated_at".to_owned(), now.into());
    }

    /// The JSON form of a profile.
    pub(crate) fn show(&self) -> Value {
        let mut shown = self.fields.clone();
        shown.insert("id".to_owned(), json!(self.id));
        shown.insert("full_name".to_owned(), json!(self.full_name()));
        shown.extend(phone::derived(self.field("mobile_phone")));
        shown.insert("attributes".to_owned(), self.attributes());
        shown.insert("addresses".to_owned(), json!(self.list("addresses")));
        shown.insert("identities".to_owned(), json!(self.list("identities")));
        Value::Object(shown)
    }

    pub(crate) fn attributes(&self) -> Value {
        json!({
            "comms": self.comms,
            "appearance": self.appearance,
            "dates": self.list("attributes/dates"),
            "custom": self.list("attributes/custom"),
        })
    }

    /// The sums of rewards, points and benefits that are still available.
    pub(crate) fn balances(&self) -> Value {
        let sum = |list: &str, field: &str| {
            let values = self
                .list(list)
                .iter()
                .filter_map(|item| item.get(field)?.as_f64());
            // Not `sum`: an empty sum is minus zero.
            values.fold(0.0, |sum, value| sum + value)
        };
        let rewards = sum("rewards", "value_remaining");
        let points = sum("points", "points");
        let benefits = sum("benefits", "value_remaining");
        json!({
            "profile_id": self.id,
            "reward_balance": rewards,
            "point_balance": points,
            "point_balance_dollars": points / 100.0,
            "benefit_balance": benefits,
            "combined_balance_dollars": rewards + points / 100.0 + benefits,
        })
    }
}
