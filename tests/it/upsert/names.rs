//! Names of members that a reader may interpret as a path, an operator or a prototype are never
//! forwarded, at any depth.

use serde_json::{Value, json};

use super::*;

/// Grouped by the reader that interprets them.
const NAMES: &[&str] = &[
    // Laravel's `data_get` and similar functions, and form fields of PHP.
    "attributes.tier",
    "attributes[tier]",
    "[tier",
    "tier]",
    // Eloquent's JSON columns, and MySQL's operators.
    "attributes->tier",
    "attributes->comms->email_optout",
    "->tier",
    "tier->",
    "attributes->>tier",
    // Wildcards and placeholders of Laravel's validator.
    "*",
    "attributes.*",
    "identities*",
    "attributes__dot__tier",
    "__asterisk__",
    // Members of objects in PHP and in JavaScript.
    "\0tier",
    "tier\0",
    "\0*\0tier",
    "__proto__",
    "__PROTO__",
    // Column names, which a database compares ignoring letter case.
    "profile_id",
    "Profile_ID",
    "created_at",
    "CREATED_AT",
    "Updated_At",
];

/// Names without a second interpretation.
const PLAIN: &[&str] = &[
    "tier",
    "a-b",
    "a>b",
    "a-",
    ">",
    "ns:handle",
    "größe",
    "a b",
    "_dot_",
    "proto",
    "a_b",
    "x_at",
    "1",
];

/// Names of the comms attribute that only the tenant writes, in any letter case.
const RESERVED: &[&str] = &[
    "email_bounced",
    "Email_Bounced",
    "sms_verification",
    "SMS_VERIFICATION",
];

async fn created(members: &Value) -> Value {
    let mut payload = json!({"email": "ada@example.com"});
    payload
        .as_object_mut()
        .unwrap()
        .extend(members.as_object().unwrap().clone());
    let script = Script::new([
        (BY_EMAIL, respond(200, NO_PROFILES)),
        (CREATE, respond(201, "{}")),
    ]);
    let response = script
        .sign_up(CommsPolicy::new(), &payload.to_string())
        .await;
    assert_eq!(response.status(), 200, "{members}");
    serde_json::from_str(&script.bodies()[0]).unwrap()
}

fn nested(name: &str) -> [Value; 6] {
    [
        json!({name: 1}),
        json!({"attributes": {name: 1}}),
        json!({"attributes": {"comms": {name: true}}}),
        json!({"attributes": {"appearance": {"x": {name: 1}}}}),
        json!({"identities": [{"handle": "h", "identifier": "i", name: 1}]}),
        json!({"x": [[{name: {name: 1}}]]}),
    ]
}

fn has_name(value: &Value, name: &str) -> bool {
    match value {
        Value::Object(members) => {
            members.contains_key(name) || members.values().any(|value| has_name(value, name))
        }
        Value::Array(items) => items.iter().any(|item| has_name(item, name)),
        _ => false,
    }
}

#[tokio::test]
async fn interpreted_names_are_removed_at_every_level() {
    for name in NAMES {
        for members in nested(name) {
            let body = created(&members).await;
            assert!(!has_name(&body, name), "{name:?}: {body}");
        }
        assert!(CommsPolicy::new().add_field(*name).is_err(), "{name:?}");
    }
    for name in RESERVED {
        let body = created(&json!({"attributes": {"comms": {*name: true}}})).await;
        assert!(!has_name(&body, name), "{name:?}: {body}");
        assert!(CommsPolicy::new().add_field(*name).is_err(), "{name:?}");
    }
    for name in ["id", "ID", "Id", "_method", "_METHOD"] {
        let body = created(&json!({name: "x"})).await;
        assert!(!has_name(&body, name), "{name:?}: {body}");
    }
}

#[tokio::test]
async fn every_other_name_is_forwarded() {
    for name in PLAIN {
        for members in nested(name) {
            let body = created(&members).await;
            assert!(has_name(&body, name), "{name:?}: {body}");
        }
    }
}

#[tokio::test]
async fn interpreted_names_do_not_change_an_existing_profile() {
    for name in NAMES {
        let payload = json!({"email": "ada@example.com", "attributes": {"comms": {*name: true}},
            *name: {"comms": {"email_promo": true}}});
        let script = Script::new([(BY_EMAIL, respond(200, ADA))]);
        let response = script
            .sign_up(CommsPolicy::new(), &payload.to_string())
            .await;
        assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Unchanged));
    }
}
