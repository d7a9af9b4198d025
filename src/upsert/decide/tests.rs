use super::*;

fn sign_up(payload: &str) -> SignUp {
    SignUp::parse(payload.as_bytes(), &CommsPolicy::new()).unwrap()
}

fn updated(policy: &CommsPolicy, comms: &str) -> Option<String> {
    let payload = format!(r#"{{"email":"a@b.example","attributes":{{"comms":{comms}}}}}"#);
    let body = policy.update_body(&sign_up(&payload))?;
    Some(String::from_utf8(body.to_vec()).unwrap())
}

/// The fields and their values are tested in `tests/it/upsert`: `fields`, `names` and
/// `blank_consent`.
#[test]
fn a_creation_keeps_the_order_and_the_numbers_of_the_payload() {
    let sign_up = sign_up(
        r#"{"id":"eve-1","last_name":"L","email":"A@B.example","mobile_phone":"+61 412 345 678",
            "number":1.10000000000000000000001,"x":"",
            "attributes":{"appearance":{"__proto__":1,"k":[{"x.y":1}]},
            "comms":{"sms_promo":true}}}"#,
    );
    assert_eq!(
        CommsPolicy::new().create_body(&sign_up),
        concat!(
            r#"{"last_name":"L","email":"a@b.example","mobile_phone":"+61412345678","#,
            r#""number":1.10000000000000000000001,"x":"","#,
            r#""attributes":{"appearance":{"k":[{}]},"#,
            r#""comms":{"sms_promo":true,"email_promo":true,"email_optout":false}},"#,
            r#""first_name":"unknown"}"#
        )
    );
}

#[test]
fn the_recognized_fields_are_configurable() {
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
