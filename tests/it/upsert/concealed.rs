//! Ambiguous data of a person with concealment: the response equals that of an unknown person, and
//! the error is logged.

use super::*;

const AVAILABILITY: &str = "POST /profiles/availability";
const SHOW: &str = "GET /profiles/ada-1";
const OWNED_BY_ADA: &str = r#"{"data":{"email":{"profile":{"id":"ada-1"}}}}"#;
const TWO_EMAILS: &str =
    r#"{"data":[{"id":"a-1","email":"ada@example.com"},{"id":"a-2","email":"ADA@example.com"}]}"#;
const TWO_PHONES: &str = concat!(
    r#"{"data":[{"id":"a-1","mobile_phone":"+61412345678"},{"id":"a-2","#,
    r#""mobile_phone":"+61 412 345 678"}]}"#
);
const BAD_ID: &str = r#"{"data":[{"id":7,"email":"ada@example.com"}]}"#;
const PHONE_TOO: &str = concat!(
    r#"{"email":"ada@example.com","mobile_phone":"+61412345678","#,
    r#""attributes":{"comms":{"email_optout":true}}}"#
);

/// Payloads with scripts of a tenant whose data of the person is ambiguous.
fn ambiguous() -> Vec<(&'static str, Script)> {
    let refused = || {
        [
            (BY_EMAIL, respond(200, NO_PROFILES)),
            (CREATE, respond(422, TAKEN)),
            (BY_EMAIL, respond(200, NO_PROFILES)),
        ]
    };
    let after_refusal = |rest: Vec<(&'static str, Response<Full<Bytes>>)>| {
        let script = Script::new([]);
        let mut responses: Vec<Expected> = refused()
            .into_iter()
            .chain(rest)
            .map(|(line, response)| (line.to_owned(), response))
            .collect();
        responses.reverse();
        *script.responses.lock().unwrap() = responses;
        script
    };
    let mut cases = vec![
        (OPT_OUT, Script::new([(BY_EMAIL, respond(200, TWO_EMAILS))])),
        (
            PHONE_TOO,
            Script::new([
                (BY_EMAIL, respond(200, NO_PROFILES)),
                (BY_PHONE, respond(200, TWO_PHONES)),
            ]),
        ),
        (OPT_OUT, Script::new([(BY_EMAIL, respond(200, BAD_ID))])),
        (
            OPT_OUT,
            Script::new([
                (BY_EMAIL, respond(200, ADA)),
                (UPDATE, respond(404, "{}")),
                (BY_EMAIL, respond(200, ADA)),
                (UPDATE, respond(404, "{}")),
            ]),
        ),
    ];
    for profile in [
        r#"{"data":{"id":"ada-1","email":"\u00e1da@example.com"}}"#,
        "[]",
    ] {
        let rest = vec![
            (AVAILABILITY, respond(200, OWNED_BY_ADA)),
            (SHOW, respond(200, profile)),
        ];
        cases.push((OPT_OUT, after_refusal(rest)));
    }
    for (status, body) in [
        (404, "{}"),
        (200, "{}"),
        (200, r#"{"data":{"email":{"profile":{"id":7}}}}"#),
    ] {
        cases.push((
            OPT_OUT,
            after_refusal(vec![(AVAILABILITY, respond(status, body))]),
        ));
    }
    cases
}

#[tokio::test]
async fn the_response_equals_that_of_an_unknown_person() {
    let policy = CommsPolicy::new().conceal_tenant_validation();
    let unknown = Script::new([
        (BY_EMAIL, respond(200, NO_PROFILES)),
        (CREATE, respond(201, "{}")),
    ]);
    let unknown = unknown.sign_up(policy.clone(), OPT_OUT).await;
    for (payload, script) in ambiguous() {
        let response = script.sign_up(policy.clone(), payload).await;
        assert_eq!(response.status(), unknown.status());
        assert_eq!(response.headers(), unknown.headers());
        assert_eq!(response.body(), unknown.body());
        assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Concealed));
        assert!(response.extensions().get::<Rejection>().is_none());
    }
}

#[tokio::test]
async fn without_concealment_it_is_an_error() {
    for (payload, script) in ambiguous() {
        let response = script.sign_up(CommsPolicy::new(), payload).await;
        assert_eq!(rejection_kind(&response), RejectionKind::TenantAnswer);
    }
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn the_error_is_logged_with_and_without_concealment() {
    use crate::support::logs::Log;

    for policy in [
        CommsPolicy::new(),
        CommsPolicy::new().conceal_tenant_validation(),
    ] {
        for (payload, script) in ambiguous() {
            let (log, _guard) = Log::capture();
            script.sign_up(policy.clone(), payload).await;
            let text = log.text();
            assert!(text.contains("ERROR") && text.contains("cause="), "{text}");
            assert!(!text.contains("example") && !text.contains("ada"), "{text}");
        }
    }
}

/// A failure that does not depend on the person is not concealed, because an outage would otherwise
/// lose sign-ups unnoticed.
#[tokio::test]
async fn a_failing_tenant_is_not_concealed() {
    for (status, kind) in [
        (500, RejectionKind::TenantFailed),
        (403, RejectionKind::TenantCredentials),
        (503, RejectionKind::TenantBusy),
        (504, RejectionKind::TenantTimeout),
    ] {
        let script = Script::new([
            (BY_EMAIL, respond(200, NO_PROFILES)),
            (CREATE, respond(422, TAKEN)),
            (BY_EMAIL, respond(200, NO_PROFILES)),
            (AVAILABILITY, respond(status, "{}")),
        ]);
        let policy = CommsPolicy::new().conceal_tenant_validation();
        let response = script.sign_up(policy, OPT_OUT).await;
        assert_eq!(rejection_kind(&response), kind);
    }
}
