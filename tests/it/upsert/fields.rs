//! The documented profile, field by field: validation before the look-up, forwarding on creation,
//! and the fields that an update may change.

use omneo_id::upsert::{Decision, SignUp};
use serde_json::{Value, json};

use super::*;

const CHANNELS: [&str; 5] = ["email", "push", "sms", "phone", "post"];

/// A payload with an e-mail and these members, which may replace the e-mail.
fn payload(members: Value) -> Value {
    let mut payload = json!({"email": "ada@example.com"});
    let Value::Object(members) = members else {
        panic!("{members} is no object");
    };
    payload.as_object_mut().unwrap().extend(members);
    payload
}

/// The invalid fields of a payload.
fn invalid_fields(members: Value) -> Vec<String> {
    let payload = payload(members).to_string();
    match SignUp::parse(payload.as_bytes(), &CommsPolicy::new()) {
        Ok(_) => Vec::new(),
        Err(rejection) => {
            assert_eq!(rejection.kind(), RejectionKind::InvalidFields);
            let errors = rejection.errors().unwrap();
            errors.iter().map(|(field, _)| field.to_owned()).collect()
        }
    }
}

fn decided(members: Value, known: bool) -> Decision {
    let policy = CommsPolicy::new();
    let payload = payload(members).to_string();
    let sign_up = SignUp::parse(payload.as_bytes(), &policy).unwrap();
    policy.decide(&sign_up, known.then(|| "ada-1".parse().unwrap()))
}

/// The body of a creation.
fn created(members: Value) -> Value {
    let Decision::Create { body } = decided(members, false) else {
        panic!("expected a creation");
    };
    serde_json::from_slice(&body).unwrap()
}

/// The body of an update, or null.
fn changed(members: Value) -> Value {
    match decided(members, true) {
        Decision::Update { body, .. } => serde_json::from_slice(&body).unwrap(),
        Decision::Nothing => Value::Null,
        other => panic!("{other:?}"),
    }
}

fn comms(fields: Value) -> Value {
    let mut payload = json!({"attributes": {}});
    payload["attributes"]["comms"] = fields;
    payload
}

/// Asserts that a field rejects the invalid values, accepts the valid ones, and never occurs in an
/// update.
fn field(name: &str, invalid: &[Value], valid: &[Value]) {
    for value in invalid {
        let errors = invalid_fields(json!({name: value}));
        let belongs = |field: &String| field == name || field.starts_with(&format!("{name}."));
        assert!(
            !errors.is_empty() && errors.iter().all(belongs),
            "{name}: {value} {errors:?}"
        );
    }
    for value in valid.iter().chain([&Value::Null]) {
        let members = json!({name: value});
        assert_eq!(invalid_fields(members.clone()), [""; 0], "{name}: {value}");
        assert_eq!(created(members.clone())[name], *value);
        assert_eq!(changed(members), Value::Null, "{name}: {value}");
    }
}

// The profile.

#[test]
fn an_id_cannot_be_chosen() {
    for id in [json!("eve-1"), json!(7), json!({"x": 1}), Value::Null] {
        assert_eq!(created(json!({"id": id}))["id"], Value::Null, "{id}");
        assert_eq!(changed(json!({"id": id})), Value::Null);
    }
}

#[test]
fn an_email_is_required_and_a_string() {
    for email in [
        json!(null),
        json!(""),
        json!(7),
        json!(true),
        json!(["a@b.example"]),
        json!({}),
    ] {
        assert_eq!(
            invalid_fields(json!({"email": email})),
            ["email"],
            "{email}"
        );
    }
    assert_eq!(
        created(json!({"email": " Ada@B.example "}))["email"],
        "ada@b.example"
    );
}

#[test]
fn an_email_is_a_single_address() {
    for email in [
        "ada(comment)@example.com",
        "(comment)ada@example.com",
        "ada@(comment)example.com",
        "Ada <ada@example.com>",
        "<ada@example.com>",
        "ada@example.com,eve@example.com",
        "ada@example.com;eve@example.com",
        "ada@example.com eve@example.com",
        "ada@example.com\r\nbcc: eve@example.com",
        "mailto:ada@example.com",
        "ada@example.com.",
        ".ada@example.com",
        "ada.@example.com",
        "ada@[127.0.0.1]",
        "ada@[IPv6:::1]",
        "ada@localhost",
        "ada\u{ff20}example.com",
        "ada@example\u{3002}com\u{200b}",
        "ada\u{2028}@example.com",
        "\"a\nb\"@example.com",
        "\"a\"b@example.com",
    ] {
        assert_eq!(
            invalid_fields(json!({"email": email})),
            ["email"],
            "{email:?}"
        );
    }
    // A quoted local part is valid, and remains quoted.
    for email in [
        r#""a,b"@example.com"#,
        r#""a%_*b"@example.com"#,
        r#""a@b"@example.com"#,
    ] {
        assert_eq!(created(json!({"email": email}))["email"], email);
    }
}

#[test]
fn only_ascii_letters_of_an_email_are_folded() {
    for (given, kept) in [
        ("K\u{130}M@example.com", "k\u{130}m@example.com"),
        ("k\u{131}m@Example.com", "k\u{131}m@example.com"),
        ("\u{17f}am@example.com", "\u{17f}am@example.com"),
        ("stra\u{1e9e}e@example.com", "stra\u{1e9e}e@example.com"),
        ("\u{410}da@example.com", "\u{410}da@example.com"),
    ] {
        assert_eq!(created(json!({"email": given}))["email"], kept);
    }
}

#[test]
fn a_mobile_phone_is_e164_or_null_and_its_separators_are_removed() {
    let invalid = [
        "0412323123",
        "61412323123",
        "+0",
        "+61%",
        "%2B61412323123",
        "+61_412323123",
    ];
    let invalid = invalid.map(Value::from);
    field("mobile_phone", &invalid, &[json!("+61412323123")]);
    field(
        "mobile_phone",
        &[json!(61_412_323_123_u64), json!([]), json!({})],
        &[],
    );
    assert_eq!(
        created(json!({"mobile_phone": "+61 412-323.123"}))["mobile_phone"],
        "+61412323123"
    );
    assert_eq!(invalid_fields(json!({"mobile_phone": ""})), [""; 0]);
}

#[test]
fn a_secondary_phone_is_e164_or_null_and_is_not_looked_up() {
    field(
        "secondary_phone",
        &[json!("0412323123"), json!(1)],
        &[json!("+61412323123")],
    );
    let sign_up = payload(json!({"secondary_phone": "+61412323123"})).to_string();
    let sign_up = SignUp::parse(sign_up.as_bytes(), &CommsPolicy::new()).unwrap();
    assert_eq!(sign_up.mobile_phone(), None);
}

#[cfg(feature = "sandbox")]
#[tokio::test]
async fn derived_fields_of_a_payload_are_ignored() {
    use omneo_id::sandbox::Sandbox;

    use super::sandbox;

    let sandbox = Sandbox::new();
    let payload = payload(
        json!({"mobile_phone": "+61491570999", "mobile_phone_country": "XX",
            "mobile_phone_national": "1",
        "mobile_phone_national_prefix": "1", "mobile_phone_e164": "+1", "full_name": "Eve",
        "first_name": "Ada", "last_name": "L"}),
    );
    let response = sandbox::sign_up(sandbox::in_front_of(&sandbox), payload.to_string()).await;
    assert_eq!(response.status(), 200);
    let profile = sandbox.profiles().pop().unwrap();
    assert_eq!(profile["full_name"], "Ada L");
    assert_eq!(profile["mobile_phone_country"], "AU");
    assert_eq!(profile["mobile_phone_e164"], "+61491570999");
}

#[test]
fn names_are_strings_and_default_to_unknown() {
    for name in ["first_name", "last_name"] {
        assert_eq!(invalid_fields(json!({name: 1})), [name]);
        assert_eq!(invalid_fields(json!({name: "x".repeat(256)})), [name]);
        assert_eq!(
            created(json!({name: "O’Neil-Ünal 李"}))[name],
            "O’Neil-Ünal 李"
        );
        for nothing in [Value::Null, json!(""), json!(" ")] {
            assert_eq!(created(json!({name: nothing}))[name], "unknown");
        }
        assert_eq!(changed(json!({name: "Eve"})), Value::Null);
    }
}

#[test]
fn gender_is_one_of_four_values_in_lower_case() {
    let words = ["male", "female", "withheld", "other"].map(Value::from);
    assert_eq!(created(json!({"gender": ""}))["gender"], Value::Null);
    field(
        "gender",
        &[
            json!("Male"),
            json!("witheld"),
            json!("x"),
            json!(1),
            json!([]),
        ],
        &words,
    );
}

#[test]
fn a_birthday_is_integers() {
    field(
        "birth_day",
        &[json!(0), json!(32), json!("1"), json!(1.5)],
        &[json!(1), json!(31)],
    );
    field(
        "birth_month",
        &[json!(0), json!(13), json!(true)],
        &[json!(1), json!(12)],
    );
    field(
        "birth_year",
        &[json!(1899), json!(2101), json!(-1)],
        &[json!(1900), json!(2024)],
    );
}

#[test]
fn title_company_and_occupation_are_strings() {
    for name in ["title", "company", "occupation"] {
        field(name, &[json!(1), json!([]), json!("a\0b")], &[json!("Dr")]);
    }
}

#[test]
fn an_avatar_is_an_http_url() {
    let invalid = [
        json!("javascript:alert(1)"),
        json!("data:text/html,x"),
        json!("//x"),
        json!(1),
    ];
    field(
        "avatar_url",
        &invalid,
        &[json!("https://cdn.example/a.png")],
    );
}

#[test]
fn a_currency_is_three_capital_letters() {
    field(
        "currency",
        &[json!("aud"), json!("AU"), json!("AU1"), json!(36)],
        &[json!("AUD")],
    );
}

#[test]
fn joined_at_is_a_date_time() {
    field(
        "joined_at",
        &[json!("now"), json!("2023-02-29"), json!(1)],
        &[json!("2024-02-29 10:00:00")],
    );
}

#[test]
fn tags_are_a_list_of_strings() {
    field(
        "tags",
        &[json!("vip"), json!({}), json!([1]), json!([null])],
        &[json!(["vip"]), json!([])],
    );
}

#[test]
fn a_region_is_a_number_or_text() {
    field(
        "region_id",
        &[json!(1.5), json!([]), json!(true)],
        &[json!(4), json!("4")],
    );
}

#[test]
fn addresses_are_a_list_of_objects() {
    field(
        "addresses",
        &[json!({}), json!("x"), json!(["x"])],
        &[json!([{"country": "AU", "is_default": true}])],
    );
}

#[test]
fn dates_are_a_list_of_objects() {
    let valid = json!([{"handle": "wedding", "date": "2020-01-01"}]);
    field("dates_attributes", &[json!([[1]])], &[valid]);
}

#[test]
fn attributes_are_objects() {
    assert_eq!(invalid_fields(json!({"attributes": "x"})), ["attributes"]);
    for (name, invalid) in [("appearance", json!(1)), ("comms", json!(true))] {
        let field = invalid_fields(json!({"attributes": {name: invalid}}));
        assert_eq!(field, [format!("attributes.{name}")]);
    }
    for valid in [
        json!([]),
        json!({"comms": []}),
        json!({"appearance": {"theme": "dark"}, "custom": 7}),
        json!({"comms": {"whatever": "x", "email_bounced": "x"}}),
    ] {
        assert_eq!(invalid_fields(json!({"attributes": valid})), [""; 0]);
    }
}

#[test]
fn a_profile_type_is_one_of_the_documented_values() {
    let words = [
        "temporary",
        "dependant",
        "incomplete",
        "pending",
        "system",
        "active",
        "deleted",
    ];
    field(
        "profile_type",
        &[json!("admin"), json!("Active"), json!(1)],
        &words.map(Value::from),
    );
}

#[test]
fn identities_have_a_handle_and_an_identifier() {
    let invalid = [
        json!({}),
        json!([[]]),
        json!([{"handle": "shop"}]),
        json!([{"identifier": "7"}]),
        json!([{"handle": 1, "identifier": "7"}]),
        json!([{"handle": "shop", "identifier": {}}]),
        json!([{"handle": "shop", "identifier": "7", "is_primary": "yes"}]),
        json!([{"handle": "shop", "identifier": "7", "is_active": 1}]),
    ];
    let valid = json!([{"id": 1, "handle": "shop", "identifier": "7", "is_primary": true,
        "is_active": false}]);
    field("identities", &invalid, &[valid, json!([])]);
    let theirs = json!({"identities": [{"handle": "shop", "identifier": 7, "profile_id": "eve-1",
        "created_at": "x"}]});
    assert_eq!(
        created(theirs)["identities"],
        json!([{"handle": "shop", "identifier": 7}])
    );
}

#[test]
fn balances_are_numbers() {
    for name in [
        "reward_balance",
        "point_balance",
        "point_balance_dollars",
        "benefit_balance",
        "combined_balance_dollars",
    ] {
        field(
            name,
            &[json!("1"), json!(true), json!({})],
            &[json!(1), json!(-0.5)],
        );
    }
}

#[test]
fn unknown_fields_are_valid_and_do_not_change_existing_profiles() {
    field(
        "shoe_size",
        &[],
        &[json!(42), json!({"eu": [42, "42"]}), json!("42")],
    );
}

// The comms attribute.

#[test]
fn opt_out_and_promotion_of_every_channel_are_booleans_or_null() {
    for channel in CHANNELS {
        for what in ["optout", "promo"] {
            flag(&format!("{channel}_{what}"));
        }
    }
}

#[test]
fn topics_of_every_channel_are_booleans_or_null() {
    for channel in CHANNELS {
        for topic in [
            "discover",
            "benefits",
            "reminders",
            "account",
            "bookings",
            "feedback",
            "location",
            "service",
        ] {
            flag(&format!("{channel}_{topic}"));
        }
    }
}

fn flag(name: &str) {
    for value in [json!(true), json!(false)] {
        let members = comms(json!({name: value}));
        assert_eq!(changed(members.clone()), json!({name: value}), "{name}");
        assert_eq!(created(members)["attributes"]["comms"][name], value);
    }
    assert_eq!(changed(comms(json!({name: null}))), Value::Null, "{name}");
    for value in [json!("true"), json!(1), json!([]), json!({})] {
        let invalid = invalid_fields(comms(json!({name: value})));
        assert_eq!(invalid, [format!("attributes.comms.{name}")], "{value}");
    }
}

#[test]
fn bounces_are_written_by_the_tenant_only() {
    for channel in CHANNELS {
        foreign(&format!("{channel}_bounced"), &json!(false));
    }
}

#[test]
fn verifications_are_written_by_the_tenant_only() {
    for channel in CHANNELS {
        for word in ["not_sent", "sent", "verified"] {
            foreign(&format!("{channel}_verification"), &json!(word));
        }
    }
}

#[test]
fn the_owner_and_timestamps_of_comms_are_read_only() {
    for name in ["profile_id", "created_at", "updated_at"] {
        foreign(name, &json!("eve-1"));
    }
}

/// Asserts that a field is valid, but never forwarded.
fn foreign(name: &str, value: &Value) {
    let members = comms(json!({name: value}));
    assert_eq!(changed(members.clone()), Value::Null, "{name}");
    let created = created(members);
    assert_eq!(created["attributes"]["comms"].get(name), None, "{name}");
}

#[test]
fn accepted_terms_are_a_flag_a_date_or_a_text() {
    for name in ["terms_accepted_at", "terms_accepted_version"] {
        for value in [
            json!(true),
            json!("2024-05-01T10:00:00Z"),
            json!("v2"),
            json!(2),
        ] {
            let members = comms(json!({name: value}));
            assert_eq!(changed(members), json!({name: value}));
        }
        for value in [json!({}), json!([]), json!("x".repeat(256))] {
            let invalid = invalid_fields(comms(json!({name: value})));
            assert_eq!(invalid, [format!("attributes.comms.{name}")]);
        }
    }
}

#[test]
fn the_time_of_a_consent_is_forwarded() {
    for channel in ["email", "sms"] {
        let (promo, at) = (
            format!("{channel}_promo"),
            format!("{channel}_consent_updated_at"),
        );
        let both = json!({promo: true, at.clone(): "2024-05-01T10:00:00Z"});
        assert_eq!(changed(comms(both.clone())), both);
        for value in [json!("soon"), json!(true), json!(1_714_557_600)] {
            let invalid = invalid_fields(comms(json!({at.clone(): value})));
            assert_eq!(invalid, [format!("attributes.comms.{at}")]);
        }
    }
    // The other channels have no documented timestamp.
    assert_eq!(
        changed(comms(json!({"post_consent_updated_at": "2024-05-01"}))),
        Value::Null
    );
}

#[test]
fn null_is_neither_an_opt_out_nor_a_consent() {
    let unanswered = json!({"email_promo": null, "email_optout": null});
    assert_eq!(changed(comms(unanswered.clone())), Value::Null);
    assert_eq!(
        created(comms(unanswered))["attributes"]["comms"],
        json!({"email_promo": true, "email_optout": false})
    );
}

#[test]
fn an_opt_out_in_any_form_is_stored_in_a_new_profile() {
    for refusal in [json!({"email_optout": true}), json!({"email_promo": false})] {
        let created = created(comms(refusal.clone()));
        let comms = &created["attributes"]["comms"];
        let subscribed = comms.get("email_promo") != Some(&json!(false))
            && comms.get("email_optout") != Some(&json!(true));
        assert!(!subscribed, "{refusal}: {comms}");
    }
}
