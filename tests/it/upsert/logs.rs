//! Log events of sign-ups, and the personal data that they never contain.

use super::*;
use crate::support::logs::Log;

/// The log so far. Asserts that it does not contain personal data.
fn text(log: &Log) -> String {
    let text = log.text();
    let lower = text.to_lowercase();
    for secret in ["ada", "eve", "example", "+614"] {
        assert!(!lower.contains(secret), "{secret} in {text}");
    }
    text
}

#[tokio::test]
async fn a_concealed_422_is_logged_with_the_field_names() {
    let (log, _guard) = Log::capture();
    let body = concat!(
        r#"{"message":"ada@example.com is bad","#,
        r#""errors":{"first_name":["ada@example.com is bad"]}}"#
    );
    let script = Script::new([
        (BY_EMAIL, respond(200, NO_PROFILES)),
        (CREATE, respond(422, body)),
    ]);
    let policy = CommsPolicy::new().conceal_tenant_validation();
    script.sign_up(policy, OPT_OUT).await;
    let text = text(&log);
    let event = concat!(
        r#"a sign-up is lost: the tenant rejected the payload,"#,
        r#" and the error is concealed fields=["first_name"]"#
    );
    assert!(text.contains(event), "{text}");
    assert!(text.contains("WARN"), "{text}");
}

#[tokio::test]
async fn two_profiles_with_one_address_are_logged_as_an_error() {
    let (log, _guard) = Log::capture();
    let two = concat!(
        r#"{"data":[{"id":"a-1","email":"ada@example.com"},{"id":"a-2","#,
        r#""email":"ada@example.com"}]}"#
    );
    let script = Script::new([(BY_EMAIL, respond(200, two))]);
    script.sign_up(CommsPolicy::new(), OPT_OUT).await;
    let text = text(&log);
    assert!(
        text.contains("two profiles have the same address"),
        "{text}"
    );
    assert!(text.contains("ERROR"), "{text}");
}

#[tokio::test]
async fn a_taken_address_without_a_matching_profile_is_logged_as_an_error() {
    for (policy, message) in [
        (
            CommsPolicy::new(),
            "an address is taken by a profile with another address",
        ),
        (
            CommsPolicy::new().conceal_tenant_validation(),
            "the tenant's data of the person is ambiguous, and the error is concealed",
        ),
    ] {
        let (log, _guard) = Log::capture();
        let owner = r#"{"data":{"email":{"profile":{"id":"ada-1","full_name":"Ada"}}}}"#;
        let other = r#"{"data":{"id":"ada-1","email":"\u00e1da@example.com"}}"#;
        let script = Script::new([
            (BY_EMAIL, respond(200, NO_PROFILES)),
            (CREATE, respond(422, TAKEN)),
            (BY_EMAIL, respond(200, NO_PROFILES)),
            ("POST /profiles/availability", respond(200, owner)),
            ("GET /profiles/ada-1", respond(200, other)),
        ]);
        script.sign_up(policy, OPT_OUT).await;
        let text = text(&log);
        assert!(text.contains(message), "{text}");
    }
}

#[tokio::test]
async fn a_successful_sign_up_logs_nothing() {
    let (log, _guard) = Log::capture();
    let script = Script::new([(BY_EMAIL, respond(200, ADA)), (UPDATE, respond(200, "{}"))]);
    script.sign_up(CommsPolicy::new(), OPT_OUT).await;
    let script = Script::new([]);
    script
        .sign_up(CommsPolicy::new(), r#"{"email":"ada"}"#)
        .await;
    assert_eq!(text(&log), "");
}
