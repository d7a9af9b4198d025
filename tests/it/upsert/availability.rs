//! Profiles that no look-up finds, although the tenant rejects their address as taken.

use super::*;

const AVAILABILITY: &str = "POST /profiles/availability";
const SHOW: &str = "GET /profiles/ada-1";
const OWNED_BY_ADA: &str =
    r#"{"data":{"email":{"available":false,"profile":{"id":"ada-1","full_name":"A L"}}}}"#;
const NO_OWNER: &str = r#"{"data":{"email":{"available":true,"profile":null}}}"#;
const PROFILE: &str =
    r#"{"data":{"id":"ada-1","email":"Ada@Example.com","mobile_phone":"+61 412 345 678"}}"#;

/// A script with a look-up, a rejected creation, a second look-up, and then `rest`.
fn hidden<const N: usize>(rest: [(&str, Response<Full<Bytes>>); N]) -> Script {
    let script = Script::new(rest);
    let not_found = || (BY_EMAIL.to_owned(), respond(200, NO_PROFILES));
    script.responses.lock().unwrap().extend([
        not_found(),
        (CREATE.to_owned(), respond(422, TAKEN)),
        not_found(),
    ]);
    script
}

fn concealing() -> CommsPolicy {
    CommsPolicy::new().conceal_tenant_validation()
}

#[tokio::test]
async fn a_profile_hidden_by_the_filters_is_found_by_the_availability_query() {
    // The tenant's documents define `available` in two contradictory ways.
    for owned in [
        OWNED_BY_ADA,
        r#"{"data":{"email":{"available":true,"profile":{"id":"ada-1"}}}}"#,
        r#"{"data":{"email":{"available":null,"profile":{"id":"ada-1"}}}}"#,
    ] {
        let script = hidden([
            (AVAILABILITY, respond(200, owned)),
            (SHOW, respond(200, PROFILE)),
            (UPDATE, respond(200, "{}")),
        ]);
        let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
        assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Updated));
        let bodies = script.bodies();
        assert_eq!(
            bodies[1..],
            [r#"{"email":"ada@example.com"}"#, r#"{"email_optout":true}"#]
        );
    }
}

#[tokio::test]
async fn a_hidden_profile_is_found_by_its_phone() {
    let by_phone = r#"{"data":{"mobile_phone":{"profile":{"id":"ada-1"}}}}"#;
    let script = Script::new([
        (BY_EMAIL, respond(200, NO_PROFILES)),
        (BY_PHONE, respond(200, NO_PROFILES)),
        (
            CREATE,
            respond(
                422,
                r#"{"errors":{"mobile_phone":["The phone number exists"]}}"#,
            ),
        ),
        (BY_EMAIL, respond(200, NO_PROFILES)),
        (BY_PHONE, respond(200, NO_PROFILES)),
        (AVAILABILITY, respond(200, NO_OWNER)),
        (AVAILABILITY, respond(200, by_phone)),
        (SHOW, respond(200, PROFILE)),
        (UPDATE, respond(200, "{}")),
    ]);
    let payload = concat!(
        r#"{"email":"ada@example.com","mobile_phone":"+61412345678","#,
        r#""attributes":{"comms":{"sms_optout":true}}}"#
    );
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
async fn an_address_equal_only_in_the_tenants_collation_is_never_reported_as_taken() {
    for profile in [
        r#"{"data":{"id":"ada-1","email":"\u00e1da@example.com"}}"#,
        r#"{"data":{"id":"eve-1","email":"ada@example.com"}}"#,
        r#"{"data":{"id":"ada-1","email":null}}"#,
        r#"{"data":{"id":"ada-1"}}"#,
    ] {
        let script = || {
            hidden([
                (AVAILABILITY, respond(200, OWNED_BY_ADA)),
                (SHOW, respond(200, profile)),
            ])
        };
        let response = script().sign_up(CommsPolicy::new(), OPT_OUT).await;
        assert_eq!(rejection_kind(&response), RejectionKind::TenantAnswer);
        let message = RejectionKind::TenantAnswer.message();
        assert_eq!(response.body(), &format!(r#"{{"message":"{message}"}}"#));
        let response = script().sign_up(concealing(), OPT_OUT).await;
        assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Concealed));
        assert_eq!(response.body(), SUCCESS);
    }
}

#[tokio::test]
async fn a_free_address_that_the_tenant_rejects_can_be_corrected() {
    let script = || hidden([(AVAILABILITY, respond(200, NO_OWNER))]);
    for free in [
        NO_OWNER,
        r#"{"data":{"email":{"available":false,"profile":null}}}"#,
        r#"{"data":{"email":{"available":null,"profile":null}}}"#,
        r#"{"data":{"mobile_phone":{"profile":{"id":"ada-1"}}}}"#,
    ] {
        let script = hidden([(AVAILABILITY, respond(200, free))]);
        let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
        assert_eq!(
            (response.status().as_u16(), response.body()),
            (422, &Bytes::from(TAKEN))
        );
    }
    let response = script().sign_up(concealing(), OPT_OUT).await;
    assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Concealed));
}

/// The availability of each address is queried separately. In a common query, an invalid number
/// would hide the owner of the e-mail.
#[tokio::test]
async fn a_phone_number_that_the_tenant_rejects_can_be_corrected() {
    const BAD: &str = r#"{"message":"no","errors":{"mobile_phone":["no such number"]}}"#;
    let payload = r#"{"email":"ada@example.com","mobile_phone":"+61412345678"}"#;
    let script = |owner, more: Option<_>| {
        let script = Script::new([
            (BY_EMAIL, respond(200, NO_PROFILES)),
            (BY_PHONE, respond(200, NO_PROFILES)),
            (CREATE, respond(422, BAD)),
            (BY_EMAIL, respond(200, NO_PROFILES)),
            (BY_PHONE, respond(200, NO_PROFILES)),
            (AVAILABILITY, respond(200, owner)),
        ]);
        let rest = more.into_iter().chain([(AVAILABILITY, respond(422, "{}"))]);
        for (line, response) in rest {
            let mut responses = script.responses.lock().unwrap();
            responses.insert(0, (line.to_owned(), response));
        }
        script
    };
    let free = script(NO_OWNER, None);
    let response = free.sign_up(CommsPolicy::new(), payload).await;
    assert_eq!(
        (response.status().as_u16(), response.body()),
        (422, &Bytes::from(BAD))
    );
    let other = r#"{"data":{"id":"ada-1","email":"\u00e1da@example.com"}}"#;
    let held = script(OWNED_BY_ADA, Some((SHOW, respond(200, other))));
    let response = held.sign_up(CommsPolicy::new(), payload).await;
    assert_eq!(rejection_kind(&response), RejectionKind::TenantAnswer);
}

#[tokio::test]
async fn an_unusable_availability_response_is_an_error() {
    let unusable = [
        (404, "{}", RejectionKind::TenantAnswer),
        (403, "{}", RejectionKind::TenantCredentials),
        (500, "{}", RejectionKind::TenantFailed),
        (200, "", RejectionKind::TenantAnswer),
        (200, "<html>", RejectionKind::TenantAnswer),
        (200, "{}", RejectionKind::TenantAnswer),
        (200, r#"{"data":[]}"#, RejectionKind::TenantAnswer),
        (
            200,
            r#"{"data":{"email":{"profile":{}}}}"#,
            RejectionKind::TenantAnswer,
        ),
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
    for (status, body, kind) in unusable {
        let script = hidden([(AVAILABILITY, respond(status, body))]);
        let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
        assert_eq!(rejection_kind(&response), kind, "{body}");
    }
    for (status, body) in [(404, "{}"), (200, "{}"), (200, "[]")] {
        let script = hidden([
            (AVAILABILITY, respond(200, OWNED_BY_ADA)),
            (SHOW, respond(status, body)),
        ]);
        let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
        assert_eq!(
            rejection_kind(&response),
            RejectionKind::TenantAnswer,
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_hidden_profile_that_is_deleted_does_not_cause_a_loop() {
    let mut steps = vec![];
    for _ in 0..2 {
        steps.extend([
            (BY_EMAIL, respond(200, NO_PROFILES)),
            (CREATE, respond(422, TAKEN)),
            (BY_EMAIL, respond(200, NO_PROFILES)),
            (AVAILABILITY, respond(200, OWNED_BY_ADA)),
            (SHOW, respond(200, PROFILE)),
            (UPDATE, respond(404, "{}")),
        ]);
    }
    let steps: [_; 12] = steps.try_into().unwrap();
    let response = Script::new(steps)
        .sign_up(CommsPolicy::new(), OPT_OUT)
        .await;
    assert_eq!(rejection_kind(&response), RejectionKind::TenantAnswer);
}
