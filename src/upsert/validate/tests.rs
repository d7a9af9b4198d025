use super::*;
use crate::upsert::SignUp;

/// The validation errors of a payload.
fn errors(payload: &str) -> Vec<(String, Vec<String>)> {
    let Err(rejection) = SignUp::parse(payload.as_bytes(), &CommsPolicy::new()) else {
        return Vec::new();
    };
    let errors = rejection.errors().unwrap();
    errors
        .iter()
        .map(|(field, texts)| (field.to_owned(), texts.to_vec()))
        .collect()
}

/// The one validation error of a payload with an e-mail and this member.
fn member_error(member: &str) -> Option<String> {
    let errors = errors(&format!(r#"{{"email":"ada@example.com",{member}}}"#));
    assert!(errors.len() < 2, "{member}: {errors:?}");
    let (field, texts) = errors.into_iter().next()?;
    Some(format!("{field}: {}", texts.join(" ")))
}

#[test]
fn a_valid_email_is_required() {
    for (payload, wanted) in [
        ("{}", "The email field is required."),
        (r#"{"email":null}"#, "The email field is required."),
        (r#"{"email":" "}"#, "The email field is required."),
        (r#"{"email":7}"#, "The email field must be a string."),
        (
            r#"{"email":["a@b.example"]}"#,
            "The email field must be a string.",
        ),
        (
            r#"{"email":"ada"}"#,
            "The email field must be a valid email address.",
        ),
        (
            r#"{"mobile_phone":"+61412345678"}"#,
            "The email field is required.",
        ),
    ] {
        assert_eq!(
            errors(payload),
            [("email".to_owned(), vec![wanted.to_owned()])],
            "{payload}"
        );
    }
}

/// The message of each rule. `fields` in `tests/it/upsert` checks the rule of each field.
#[test]
fn every_rule_has_its_message() {
    for (member, wanted) in [
        (
            r#""secondary_phone":"x""#,
            "secondary_phone: The secondary phone field must be a phone number with its country \
             code (E.164), such as +61412345678.",
        ),
        (
            r#""mobile_phone":61412345678"#,
            "mobile_phone: The mobile phone field must be a string.",
        ),
        (
            r#""first_name":{}"#,
            "first_name: The first name field must be a string.",
        ),
        (
            r#""company":"a\u0000b""#,
            "company: The company field must be text.",
        ),
        (
            r#""gender":"Male""#,
            "gender: The selected gender is invalid.",
        ),
        (
            r#""birth_day":32"#,
            "birth_day: The birth day field must be between 1 and 31.",
        ),
        (
            r#""birth_month":2.0"#,
            "birth_month: The birth month field must be an integer.",
        ),
        (
            r#""birth_year":99999999999999999999"#,
            "birth_year: The birth year field must be an integer.",
        ),
        (
            r#""avatar_url":"javascript:x""#,
            "avatar_url: The avatar url field must be a valid URL.",
        ),
        (
            r#""currency":"aud""#,
            "currency: The currency field must be an ISO 4217 code, such as AUD.",
        ),
        (
            r#""joined_at":"now""#,
            "joined_at: The joined at field must be a valid date.",
        ),
        (r#""tags":"vip""#, "tags: The tags field must be an array."),
        (r#""tags":[null]"#, "tags.0: The tags.0 field is required."),
        (
            r#""region_id":1.5"#,
            "region_id: The region id field must be a string.",
        ),
        (
            r#""identities":[{"handle":"x"}]"#,
            "identities.0.identifier: The identities.0.identifier field is required.",
        ),
        (
            r#""identities":[{"handle":"x","identifier":"y","is_primary":1}]"#,
            "identities.0.is_primary: The identities.0.is primary field must be true or false.",
        ),
        (
            r#""reward_balance":"7""#,
            "reward_balance: The reward balance field must be a number.",
        ),
        (
            r#""attributes":"x""#,
            "attributes: The attributes field must be an object.",
        ),
        (
            r#""attributes":{"comms":true}"#,
            "attributes.comms: The attributes.comms field must be an object.",
        ),
        (
            r#""attributes":{"comms":{"terms_accepted_at":[]}}"#,
            "attributes.comms.terms_accepted_at: The attributes.comms.terms accepted at field \
             must be a string.",
        ),
    ] {
        assert_eq!(member_error(member).as_deref(), Some(wanted), "{member}");
    }
    let long = format!(r#""first_name":"{}""#, "é".repeat(256));
    assert_eq!(
        member_error(&long).unwrap(),
        "first_name: The first name field must not be greater than 255 characters."
    );
}

#[test]
fn all_errors_are_listed_up_to_a_bound() {
    let found = errors(r#"{"gender":"x","birth_day":0,"attributes":{"comms":{"sms_promo":1}}}"#);
    let fields: Vec<_> = found.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(
        fields,
        ["email", "gender", "birth_day", "attributes.comms.sms_promo"]
    );
    let many = format!(
        r#"{{"email":"a@b.example","tags":[{}1]}}"#,
        "1,".repeat(30_000)
    );
    assert_eq!(errors(&many).len(), MAX_ERRORS);
}
