//! Consent fields that are null or blank count as missing. An update does not contain them, and a
//! creation replaces them with the documented defaults.

use omneo_id::upsert::{Decision, SignUp};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

const CHANNELS: [&str; 5] = ["email", "push", "sms", "phone", "post"];
const TOPICS: [&str; 10] = [
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
const OTHERS: [&str; 4] = [
    "email_consent_updated_at",
    "sms_consent_updated_at",
    "terms_accepted_at",
    "terms_accepted_version",
];

fn documented() -> impl Iterator<Item = String> {
    let flags = CHANNELS
        .iter()
        .flat_map(|channel| TOPICS.map(|topic| format!("{channel}_{topic}")));
    flags.chain(OTHERS.map(str::to_owned))
}

/// Null, and texts that the tenant's framework trims to an empty string and stores as null.
fn blanks() -> [Value; 6] {
    ["", " ", "\t\n", "\u{a0}", "\u{200b}", "\u{feff}"].map(|text| match text {
        "" => Value::Null,
        "\t\n" => json!(""),
        blank => json!(blank),
    })
}

fn payload(attributes: &Value) -> String {
    json!({"email": "ada@example.com", "attributes": attributes}).to_string()
}

fn created(payload: &str) -> Value {
    let policy = CommsPolicy::new();
    let sign_up = SignUp::parse(payload.as_bytes(), &policy).unwrap();
    let Decision::Create { body } = policy.decide(&sign_up, None) else {
        panic!("expected a creation");
    };
    serde_json::from_slice(&body).unwrap()
}

fn changed(policy: &CommsPolicy, payload: &str) -> Option<Value> {
    let sign_up = SignUp::parse(payload.as_bytes(), policy).unwrap();
    match policy.decide(&sign_up, Some("ada-1".parse().unwrap())) {
        Decision::Update { body, .. } => Some(serde_json::from_slice(&body).unwrap()),
        Decision::Nothing => None,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_update_without_a_value_is_not_sent() {
    let all = |value: Value| -> Value {
        let fields: Map<_, _> = documented().map(|name| (name, value.clone())).collect();
        json!({"comms": fields})
    };
    let mut payloads: Vec<_> = blanks().map(|blank| payload(&all(blank))).into();
    payloads.push(payload(&json!({"comms": null})));
    payloads.push(payload(&json!({"comms": ""})));
    payloads.push(payload(&json!({"comms": []})));
    payloads.push(payload(&json!({"comms": {}})));
    payloads.push(payload(&json!({"comms": {"Email_promo": true}})));
    payloads.push(payload(&Value::Null));
    payloads.push(payload(&json!("")));
    for name in documented() {
        payloads.push(payload(&json!({"comms": {name: null}})));
    }
    for payload in payloads {
        let script = Script::new([(BY_EMAIL, respond(200, ADA))]);
        let response = script.sign_up(CommsPolicy::new(), &payload).await;
        assert_eq!(
            (response.status().as_u16(), response.body().as_ref()),
            (200, SUCCESS.as_bytes()),
            "{payload}"
        );
        assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Unchanged));
    }
}

#[tokio::test]
async fn an_update_contains_the_fields_with_a_value_only() {
    let script = Script::new([(BY_EMAIL, respond(200, ADA)), (UPDATE, respond(200, "{}"))]);
    let comms = json!({"email_promo": null, "email_optout": "", "sms_promo": false,
        "terms_accepted_version": " "});
    let payload = payload(&json!({"comms": comms}));
    script.sign_up(CommsPolicy::new(), &payload).await;
    assert_eq!(script.bodies(), [r#"{"sms_promo":false}"#]);
}

#[test]
fn a_creation_with_blank_consent_has_the_documented_defaults() {
    let defaults = json!({"email_promo": true, "email_optout": false});
    for blank in blanks() {
        let fields: Map<_, _> = documented().map(|name| (name, blank.clone())).collect();
        for attributes in [
            json!({"comms": fields}),
            json!({"comms": blank}),
            json!([]),
            blank,
        ] {
            let body = created(&payload(&attributes));
            assert_eq!(body["attributes"]["comms"], defaults, "{attributes}");
        }
    }
}

#[test]
fn an_undocumented_field_is_not_created_as_null() {
    let comms = json!({"whatsapp_promo": null, "whatsapp_optout": false});
    let body = created(&payload(&json!({"comms": comms})));
    assert_eq!(
        body["attributes"]["comms"],
        json!({"whatsapp_optout": false, "email_promo": true, "email_optout": false})
    );
}

#[test]
fn the_defaults_of_a_creation_are_independent() {
    for (given, wanted) in [
        (
            json!({"email_optout": true}),
            json!({"email_optout": true, "email_promo": true}),
        ),
        (
            json!({"email_optout": true, "email_promo": null}),
            json!({"email_optout": true, "email_promo": true}),
        ),
        (
            json!({"email_promo": false}),
            json!({"email_promo": false, "email_optout": false}),
        ),
        (
            json!({"email_promo": false, "email_optout": ""}),
            json!({"email_promo": false, "email_optout": false}),
        ),
    ] {
        let body = created(&payload(&json!({"comms": given})));
        assert_eq!(body["attributes"]["comms"], wanted, "{given}");
    }
}

#[test]
fn a_blank_name_is_replaced_with_unknown() {
    for name in ["first_name", "last_name"] {
        for blank in blanks() {
            let body = created(&json!({"email": "ada@example.com", name: blank}).to_string());
            assert_eq!(body[name], "unknown", "{blank}");
        }
    }
}

#[test]
fn defaults_on_an_update_apply_to_blank_fields() {
    let policy = CommsPolicy::new().with_defaults_on_update();
    let blank = payload(&json!({"comms": {"email_promo": null, "email_optout": ""}}));
    assert_eq!(
        changed(&policy, &blank),
        Some(json!({"email_promo": true, "email_optout": false}))
    );
    let missing = payload(&json!({"comms": {}}));
    assert_eq!(
        changed(&policy, &missing),
        Some(json!({"email_promo": true, "email_optout": false}))
    );
    let opted_out = payload(&json!({"comms": {"email_optout": true}}));
    assert_eq!(
        changed(&policy, &opted_out),
        Some(json!({"email_optout": true, "email_promo": true}))
    );
}

#[cfg(feature = "sandbox")]
#[tokio::test]
async fn null_fields_keep_an_opt_out() {
    use omneo_id::sandbox::Sandbox;

    let sandbox = Sandbox::new();
    let comms = || sandbox.profile(Sandbox::GRETA_ID).unwrap()["attributes"]["comms"].clone();
    let before = comms();
    assert_eq!(before["email_optout"], true);
    let payload = json!({"email": Sandbox::GRETA_EMAIL,
        "attributes": {"comms": {"email_promo": null, "email_optout": null}}});
    let service = sandbox::in_front_of(&sandbox);
    let response = sandbox::sign_up(service, payload.to_string()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(comms(), before);
}

fn consent() -> impl Strategy<Value = Map<String, Value>> {
    let names = proptest::sample::select(documented().collect::<Vec<_>>());
    let values = proptest::sample::select(vec![
        Value::Null,
        json!(""),
        json!(" "),
        json!("2024-05-01"),
        json!(true),
        json!(false),
    ]);
    proptest::collection::btree_map(names, values, 0..8)
        .prop_map(|fields| fields.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Compares with a naive model: fields with a value are written, and a creation adds the
    /// defaults.
    #[test]
    fn only_fields_with_a_value_are_written(mut given in consent()) {
        given.retain(|name, value| {
            let is_flag = !OTHERS.contains(&name.as_str());
            let is_text = value.as_str().is_some_and(|text| !text.trim().is_empty());
            match name.ends_with("_updated_at") {
                true => is_text || !value.is_boolean(),
                false => !(is_flag && is_text),
            }
        });
        let with_value: Map<String, Value> = given
            .clone()
            .into_iter()
            .filter(|(_, value)| value.is_boolean() || value == "2024-05-01")
            .collect();
        let payload = payload(&json!({"comms": given}));
        let wanted = (!with_value.is_empty()).then(|| Value::Object(with_value.clone()));
        prop_assert_eq!(changed(&CommsPolicy::new(), &payload), wanted);
        let mut wanted = json!({"email_promo": true, "email_optout": false});
        wanted.as_object_mut().unwrap().extend(with_value);
        prop_assert_eq!(&created(&payload)["attributes"]["comms"], &wanted);
    }
}
