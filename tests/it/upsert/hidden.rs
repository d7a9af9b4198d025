//! People whom the tenant refuses to have twice, and whom no look-up shows.

use super::*;

const WHO: &str = "POST /profiles/availability";
const SHOW: &str = "GET /profiles/ada-1";
const BY_ADA: &str =
    r#"{"data":{"email":{"available":false,"profile":{"id":"ada-1","full_name":"A L"}}}}"#;
const BY_NOBODY: &str = r#"{"data":{"email":{"available":true,"profile":null}}}"#;
const PROFILE: &str =
    r#"{"data":{"id":"ada-1","email":"Ada@Example.com","mobile_phone":"+61 412 345 678"}}"#;

/// Looked up twice, refused in between; then `rest`.
fn hidden<const N: usize>(rest: [(&str, Response<Full<Bytes>>); N]) -> Script {
    let script = Script::new(rest);
    let nobody = || (BY_EMAIL.to_owned(), answer(200, NOBODY));
    script.answers.lock().unwrap().extend([
        nobody(),
        (CREATE.to_owned(), answer(422, TAKEN)),
        nobody(),
    ]);
    script
}

fn concealing() -> CommsPolicy {
    CommsPolicy::new().conceal_tenant_validation()
}

#[tokio::test]
async fn whom_the_filters_hide_is_found_by_asking_who_has_the_address() {
    let script = hidden([
        (WHO, answer(200, BY_ADA)),
        (SHOW, answer(200, PROFILE)),
        (UPDATE, answer(200, "{}")),
    ]);
    let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
    assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Updated));
    let bodies = script.bodies();
    assert_eq!(
        bodies[1..],
        [r#"{"email":"ada@example.com"}"#, r#"{"email_optout":true}"#]
    );
}

#[tokio::test]
async fn whom_only_the_phone_proves_is_found_as_well() {
    let by_phone = r#"{"data":{"mobile_phone":{"profile":{"id":"ada-1"}}}}"#;
    let script = Script::new([
        (BY_EMAIL, answer(200, NOBODY)),
        (BY_PHONE, answer(200, NOBODY)),
        (
            CREATE,
            answer(
                422,
                r#"{"errors":{"mobile_phone":["The phone number exists"]}}"#,
            ),
        ),
        (BY_EMAIL, answer(200, NOBODY)),
        (BY_PHONE, answer(200, NOBODY)),
        (WHO, answer(200, BY_NOBODY)),
        (WHO, answer(200, by_phone)),
        (SHOW, answer(200, PROFILE)),
        (UPDATE, answer(200, "{}")),
    ]);
    let payload = r#"{"email":"ada@example.com","mobile_phone":"+61412345678","attributes":{"comms":{"sms_optout":true}}}"#;
    let response = script.sign_up(CommsPolicy::new(), payload).await;
    assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Updated));
    assert_eq!(
        script.bodies()[1..3],
        [
            r#"{"email":"ada@example.com"}"#,
            r#"{"mobile_phone":"+61412345678"}"#
        ]
    );
}

#[tokio::test]
async fn an_address_that_only_the_tenant_takes_for_the_same_is_never_called_taken() {
    for profile in [
        r#"{"data":{"id":"ada-1","email":"\u00e1da@example.com"}}"#,
        r#"{"data":{"id":"eve-1","email":"ada@example.com"}}"#,
        r#"{"data":{"id":"ada-1","email":null}}"#,
    ] {
        let script = || hidden([(WHO, answer(200, BY_ADA)), (SHOW, answer(200, profile))]);
        let response = script().sign_up(CommsPolicy::new(), OPT_OUT).await;
        assert_eq!(rejected(&response), RejectionKind::TenantAnswer);
        let words = RejectionKind::TenantAnswer.message();
        assert_eq!(response.body(), &format!(r#"{{"message":"{words}"}}"#));
        let response = script().sign_up(concealing(), OPT_OUT).await;
        assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Concealed));
        assert_eq!(response.body(), SUCCESS);
    }
}

#[tokio::test]
async fn an_address_that_is_free_and_not_liked_can_be_corrected() {
    let script = || hidden([(WHO, answer(200, BY_NOBODY))]);
    let response = script().sign_up(CommsPolicy::new(), OPT_OUT).await;
    assert_eq!(
        (response.status().as_u16(), response.body()),
        (422, &Bytes::from(TAKEN))
    );
    let response = script().sign_up(concealing(), OPT_OUT).await;
    assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Concealed));
}

/// It is asked about each alone, or a bad number would hide that the e-mail is somebody's.
#[tokio::test]
async fn a_number_that_the_tenant_does_not_read_can_be_corrected() {
    const BAD: &str = r#"{"message":"no","errors":{"mobile_phone":["no such number"]}}"#;
    let payload = r#"{"email":"ada@example.com","mobile_phone":"+61412345678"}"#;
    let script = |who, more: Option<_>| {
        let script = Script::new([
            (BY_EMAIL, answer(200, NOBODY)),
            (BY_PHONE, answer(200, NOBODY)),
            (CREATE, answer(422, BAD)),
            (BY_EMAIL, answer(200, NOBODY)),
            (BY_PHONE, answer(200, NOBODY)),
            (WHO, answer(200, who)),
        ]);
        let rest = more.into_iter().chain([(WHO, answer(422, "{}"))]);
        for (line, answer) in rest {
            let mut answers = script.answers.lock().unwrap();
            answers.insert(0, (line.to_owned(), answer));
        }
        script
    };
    let free = script(BY_NOBODY, None);
    let response = free.sign_up(CommsPolicy::new(), payload).await;
    assert_eq!(
        (response.status().as_u16(), response.body()),
        (422, &Bytes::from(BAD))
    );
    let other = r#"{"data":{"id":"ada-1","email":"\u00e1da@example.com"}}"#;
    let held = script(BY_ADA, Some((SHOW, answer(200, other))));
    let response = held.sign_up(CommsPolicy::new(), payload).await;
    assert_eq!(rejected(&response), RejectionKind::TenantAnswer);
}

#[tokio::test]
async fn a_tenant_that_does_not_say_who_is_no_success() {
    let doubts = [
        (404, "{}", RejectionKind::TenantAnswer),
        (403, "{}", RejectionKind::TenantCredentials),
        (500, "{}", RejectionKind::TenantFailed),
        (200, "", RejectionKind::TenantAnswer),
        (200, "<html>", RejectionKind::TenantAnswer),
        (200, r#"{"data":[7]}"#, RejectionKind::TenantAnswer),
        (
            200,
            r#"{"data":{"email":{"profile":{"id":"../admin"}}}}"#,
            RejectionKind::TenantAnswer,
        ),
        (
            200,
            r#"{"data":{"email":{"profile":7}}}"#,
            RejectionKind::TenantAnswer,
        ),
    ];
    for (status, body, kind) in doubts {
        let script = hidden([(WHO, answer(status, body))]);
        let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
        assert_eq!(rejected(&response), kind, "{body}");
    }
    for (status, body) in [(404, "{}"), (200, "{}"), (200, "[]")] {
        let script = hidden([(WHO, answer(200, BY_ADA)), (SHOW, answer(status, body))]);
        let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
        assert_eq!(rejected(&response), RejectionKind::TenantAnswer, "{body}");
    }
}

#[tokio::test]
async fn somebody_hidden_and_then_deleted_does_not_send_it_round_in_circles() {
    let mut steps = vec![];
    for _ in 0..2 {
        steps.extend([
            (BY_EMAIL, answer(200, NOBODY)),
            (CREATE, answer(422, TAKEN)),
            (BY_EMAIL, answer(200, NOBODY)),
            (WHO, answer(200, BY_ADA)),
            (SHOW, answer(200, PROFILE)),
            (UPDATE, answer(404, "{}")),
        ]);
    }
    let steps: [_; 12] = steps.try_into().unwrap();
    let response = Script::new(steps)
        .sign_up(CommsPolicy::new(), OPT_OUT)
        .await;
    assert_eq!(rejected(&response), RejectionKind::TenantAnswer);
}
