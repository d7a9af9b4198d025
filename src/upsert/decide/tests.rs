use super::*;

fn sign_up(payload: &str) -> SignUp {
    SignUp::parse(payload.as_bytes(), &CommsPolicy::new()).unwrap()
}

fn created(payload: &str) -> String {
    let body = CommsPolicy::new().create_body(&sign_up(payload));
    String::from_utf8(body.to_vec()).unwrap()
}

fn updated(policy: &CommsPolicy, comms: &str) -> Option<String> {
    let payload = format!(r#"{{"email":"a@b.example","attributes":{{"comms":{comms}}}}}"#);
    let body = policy.update_body(&sign_up(&payload))?;
    Some(String::from_utf8(body.to_vec()).unwrap())
}

#[test]
fn a_creation_adds_the_documented_defaults() {
    const COMMS: &str = r#""attributes":{"comms":{"email_promo":true,"email_optout":false}}"#;
    for (payload, wanted) in [
        (
            r#"{"email":"A@B.example"}"#,
            r#"{"email":"a@b.example","first_name":"unknown","last_name":"unknown",COMMS}"#,
        ),
        (
            r#"{"email":"a@b.example","first_name":" ","last_name":null,"attributes":null}"#,
            r#"{"email":"a@b.example","first_name":"unknown","last_name":"unknown",COMMS}"#,
        ),
        (
            r#"{"first_name":"Ada","last_name":"L","email":"a@b.example","attributes":[]}"#,
            r#"{"first_name":"Ada","last_name":"L","email":"a@b.example",COMMS}"#,
        ),
        (
            concat!(
                r#"{"first_name":"Ada","last_name":"L","email":"a@b.example","#,
                r#""mobile_phone":"+61 412 345 678","gender":"","x":""}"#
            ),
            concat!(
                r#"{"first_name":"Ada","last_name":"L","email":"a@b.example","#,
                r#""mobile_phone":"+61412345678","gender":null,"x":"",COMMS}"#
            ),
        ),
    ] {
        assert_eq!(
            created(payload),
            wanted.replace("COMMS", COMMS),
            "{payload}"
        );
    }
}

#[test]
fn a_creation_keeps_the_consent_of_the_payload() {
    for (given, wanted) in [
        (
            r#"{"email_promo":false}"#,
            r#"{"email_promo":false,"email_optout":false}"#,
        ),
        (
            r#"{"email_optout":true}"#,
            r#"{"email_optout":true,"email_promo":true}"#,
        ),
        (
            r#"{"email_promo":null,"email_optout":" ","sms_promo":null}"#,
            r#"{"email_promo":true,"email_optout":false}"#,
        ),
        (
            r#"{"sms_promo":true}"#,
            r#"{"sms_promo":true,"email_promo":true,"email_optout":false}"#,
        ),
    ] {
        let payload = format!(r#"{{"email":"a@b.example","attributes":{{"comms":{given}}}}}"#);
        let wanted = format!(r#""attributes":{{"comms":{wanted}}}"#);
        assert!(
            created(&payload).contains(&wanted),
            "{given}: {}",
            created(&payload)
        );
    }
}

#[test]
fn a_creation_keeps_every_field_that_is_not_reserved() {
    let body = created(
        r#"{"id":"eve-1","_method":"DELETE","__proto__":{"x":1},"profile_id":"eve-1",
            "email":"a@b.example",
        "first_name":"A","last_name":"B","a.b":1,"attributes[comms]":1,"created_at":"x",
        "number":1.10000000000000000000001,
        "identities":[{"handle":"h","identifier":"i","profile_id":"eve-1","id":4}],
        "attributes":{"appearance":{"__proto__":1,"k":[{"x.y":1}]},"comms":{"profile_id":"eve-1",
        "email_bounced":false,
        "email_verification":"verified","updated_at":"x","email_promo":true,"email_optout":false,
        "unknown":"kept"}}}"#,
    );
    assert_eq!(
        body,
        concat!(
            r#"{"email":"a@b.example","first_name":"A","last_name":"B","#,
            r#""number":1.10000000000000000000001,"#
        )
        .to_owned()
            + concat!(
                r#""identities":[{"handle":"h","identifier":"i","id":4}],"#,
                r#""attributes":{"appearance":{"k":[{}]},"#
            )
            + r#""comms":{"email_promo":true,"email_optout":false,"unknown":"kept"}}}"#
    );
}

#[test]
fn an_update_contains_recognised_consent_only() {
    let policy = CommsPolicy::new();
    for (given, wanted) in [
        (r#"{"email_optout":true}"#, Some(r#"{"email_optout":true}"#)),
        (
            r#"{"sms_promo":null,"post_service":false}"#,
            Some(r#"{"post_service":false}"#),
        ),
        (
            r#"{"x":1,"email_consent_updated_at":"2024-01-01T00:00:00Z"}"#,
            Some(r#"{"email_consent_updated_at":"2024-01-01T00:00:00Z"}"#),
        ),
        (
            r#"{"profile_id":"eve","created_at":"x","updated_at":"x","email_bounced":false,
                "sms_verification":"verified",
            "__proto__":{"email_promo":true},"email_promo.x":true,"email_promo[]":true,
            "Email_promo":true,"comms":{"email_promo":true}}"#,
            None,
        ),
        ("{}", None),
        ("null", None),
    ] {
        assert_eq!(updated(&policy, given).as_deref(), wanted, "{given}");
    }
}

#[test]
fn an_update_adds_defaults_only_if_configured() {
    let policy = CommsPolicy::new().with_defaults_on_update();
    assert_eq!(
        updated(&policy, "{}").as_deref(),
        Some(r#"{"email_promo":true,"email_optout":false}"#)
    );
    assert_eq!(
        updated(&policy, r#"{"email_optout":true}"#).as_deref(),
        Some(r#"{"email_optout":true,"email_promo":true}"#)
    );
}

#[test]
fn the_recognised_fields_are_configurable() {
    let policy = CommsPolicy::new().with_fields(["sms_promo"]).unwrap();
    let policy = policy.add_field("whatsapp_promo").unwrap();
    assert_eq!(
        updated(
            &policy,
            r#"{"email_promo":true,"sms_promo":true,"whatsapp_promo":false}"#
        )
        .as_deref(),
        Some(r#"{"sms_promo":true,"whatsapp_promo":false}"#)
    );
    for name in [
        "",
        "profile_id",
        "sms_bounced",
        "x_verification",
        "__proto__",
        "a.b",
        "a[b]",
        "a->b",
        "SMS_Bounced",
    ] {
        assert!(CommsPolicy::new().add_field(name).is_err(), "{name}");
    }
}
