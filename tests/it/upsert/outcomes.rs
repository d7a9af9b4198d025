//! Existing profiles are updated, new ones created.

use super::*;

#[tokio::test]
async fn an_existing_profile_changes_only_in_consent() {
    let script = Script::new([
        (BY_EMAIL, respond(200, ADA)),
        (UPDATE, respond(200, r#"{"data":{}}"#)),
    ]);
    let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Updated));
    assert_eq!(script.bodies(), [r#"{"email_optout":true}"#]);
}

#[tokio::test]
async fn a_new_profile_is_created_with_defaults() {
    let script = Script::new([
        (BY_EMAIL, respond(200, NO_PROFILES)),
        (CREATE, respond(201, r#"{"data":{"id":"ada-1"}}"#)),
    ]);
    let response = script
        .sign_up(
            CommsPolicy::new(),
            r#"{"email":"ADA@example.com","points":1.10}"#,
        )
        .await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Created));
    assert_eq!(
        script.bodies(),
        [concat!(
            r#"{"email":"ada@example.com","points":1.10,"first_name":"unknown","#,
            r#""last_name":"unknown","attributes":{"comms":{"email_promo":true,"#,
            r#""email_optout":false}}}"#
        )]
    );
}

#[tokio::test]
async fn an_existing_profile_without_new_consent_is_unchanged() {
    let script = Script::new([(BY_EMAIL, respond(200, ADA))]);
    let payload = concat!(
        r#"{"email":"ada@example.com","attributes":{"comms":{"profile_id":"eve","#,
        r#""email_bounced":false}}}"#
    );
    let response = script.sign_up(CommsPolicy::new(), payload).await;
    assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Unchanged));
    let script = Script::new([(BY_EMAIL, respond(200, ADA)), (UPDATE, respond(204, ""))]);
    let policy = CommsPolicy::new().with_defaults_on_update();
    let response = script.sign_up(policy, payload).await;
    assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Updated));
}

#[tokio::test]
async fn the_phone_is_looked_up_only_if_no_email_matches() {
    let payload = concat!(
        r#"{"email":"ada@example.com","mobile_phone":"+61 412-345-678","#,
        r#""attributes":{"comms":{"sms_promo":true}}}"#
    );
    let script = Script::new([(BY_EMAIL, respond(200, ADA)), (UPDATE, respond(200, "{}"))]);
    script.sign_up(CommsPolicy::new(), payload).await;
    let other =
        r#"{"data":[{"id":"ada-1","email":"other@example.com","mobile_phone":"+61412345678"}]}"#;
    let script = Script::new([
        (BY_EMAIL, respond(200, NO_PROFILES)),
        (BY_PHONE, respond(200, other)),
        (UPDATE, respond(200, "{}")),
    ]);
    let response = script.sign_up(CommsPolicy::new(), payload).await;
    assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Updated));
}

#[tokio::test]
async fn similar_addresses_belong_to_new_people() {
    let others = concat!(
        r#"{"data":[{"id":"eve-1","email":"xada@example.com"},{"id":"../x","#,
        r#""email":"ada@example.com.au"}]}"#
    );
    let script = Script::new([
        (BY_EMAIL, respond(200, others)),
        (CREATE, respond(200, "{}")),
    ]);
    let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
    assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Created));
}

#[tokio::test]
async fn a_profile_on_a_larger_page_is_found_and_pages_are_bounded() {
    let more = r#"{"data":[],"links":{"next":"https://elsewhere.example/profiles?page=2"}}"#;
    let longer = format!("{BY_EMAIL}&page%5Bsize%5D=50&page%5Bnumber%5D=1");
    let script = Script::new([
        (BY_EMAIL, respond(200, more)),
        (&longer, respond(200, ADA)),
        (UPDATE, respond(200, "{}")),
    ]);
    script.sign_up(CommsPolicy::new(), OPT_OUT).await;
    let script = Script::new([
        (BY_EMAIL, respond(200, more)),
        (&longer, respond(200, more)),
        (CREATE, respond(200, "{}")),
    ]);
    script.sign_up(CommsPolicy::new(), OPT_OUT).await;
}

#[tokio::test]
async fn no_further_page_is_read_after_a_match() {
    let more = concat!(
        r#"{"data":[{"id":"ada-1","email":"ada@example.com"}],"#,
        r#""meta":{"current_page":1,"last_page":9}}"#
    );
    let script = Script::new([(BY_EMAIL, respond(200, more)), (UPDATE, respond(200, "{}"))]);
    let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn mass_assignment_does_not_change_an_existing_profile() {
    for payload in [
        r#"{"email":"ada@example.com","id":"eve-1","_method":"DELETE","first_name":"Eve"}"#,
        concat!(
            r#"{"email":"ada@example.com","attributes.comms.email_promo":true,"#,
            r#""attributes[comms][email_promo]":true}"#
        ),
        concat!(
            r#"{"email":"ada@example.com","comms":{"email_promo":true},"#,
            r#""attributes":{"attributes":{"comms":{"email_promo":true}}}}"#
        ),
        concat!(
            r#"{"email":"ada@example.com","__proto__":{"attributes":{}},"#,
            r#""attributes":{"comms":{"__proto__":{"email_promo":true}}}}"#
        ),
        concat!(
            r#"{"email":"ada@example.com","#,
            r#""attributes":{"comms":{"comms.email_promo":true,"email_promo[0]":true,"#,
            r#""email_verification":"verified"}}}"#
        ),
    ] {
        let script = Script::new([(BY_EMAIL, respond(200, ADA))]);
        let response = script.sign_up(CommsPolicy::new(), payload).await;
        assert_eq!(response.status(), 200, "{payload}");
    }
}
