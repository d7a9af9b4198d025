//! The responses to sign-ups, to valid and invalid ones.

use super::request_body::chunked;
use super::*;

#[tokio::test]
async fn every_outcome_has_the_same_response() {
    let scripts = [
        Script::new([
            (BY_EMAIL, respond(200, ADA)),
            (UPDATE, respond(200, r#"{"data":{"email":"x"}}"#)),
        ]),
        Script::new([
            (BY_EMAIL, respond(200, NO_PROFILES)),
            (CREATE, respond(201, r#"{"data":{"id":"x"}}"#)),
        ]),
        Script::new([
            (BY_EMAIL, respond(200, NO_PROFILES)),
            (CREATE, respond(422, TAKEN)),
            (BY_EMAIL, respond(200, ADA)),
            (UPDATE, respond(204, "")),
        ]),
        Script::new([
            (BY_EMAIL, respond(200, NO_PROFILES)),
            (CREATE, respond(422, r#"{"message":"no"}"#)),
        ]),
    ];
    let policy = CommsPolicy::new().conceal_tenant_validation();
    let mut responses = Vec::new();
    for script in scripts {
        responses.push(script.sign_up(policy.clone(), OPT_OUT).await);
    }
    let script = Script::new([(BY_EMAIL, respond(200, ADA))]);
    responses.push(
        script
            .sign_up(policy, r#"{"email":"ada@example.com"}"#)
            .await,
    );
    for response in responses {
        assert_eq!(response.status(), 200);
        assert_eq!(response.version(), http::Version::HTTP_11);
        let headers: Vec<_> = response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        assert_eq!(
            headers,
            [
                ("content-type", &b"application/json"[..]),
                ("cache-control", b"no-store")
            ]
        );
        assert_eq!(response.body(), SUCCESS);
    }
}

#[tokio::test]
async fn validation_errors_of_the_tenant_are_relayed_as_strings_only() {
    let body = concat!(
        r#"{"message":"Bad\u0007 name","errors":{"first_name":["Too short",7,"#,
        r#"{"x":1}],"y":"plain","z":null},"trace":"secret"}"#
    );
    let script = Script::new([
        (BY_EMAIL, respond(200, NO_PROFILES)),
        (CREATE, respond(422, body)),
    ]);
    let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
    assert_eq!(response.status(), 422);
    assert_eq!(
        response.body(),
        r#"{"message":"Bad name","errors":{"first_name":["Too short"],"y":["plain"]}}"#
    );
}

#[tokio::test]
async fn a_field_has_the_same_name_on_update_and_on_creation() {
    let body = r#"{"message":"no","errors":{"email_optout":["no"]}}"#;
    let script = Script::new([(BY_EMAIL, respond(200, ADA)), (UPDATE, respond(422, body))]);
    let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
    assert_eq!(
        response.body(),
        r#"{"message":"no","errors":{"attributes.comms.email_optout":["no"]}}"#
    );
}

#[tokio::test]
async fn an_invalid_payload_is_rejected_before_the_look_up() {
    for (payload, status, wanted) in [
        ("", 400, r#"{"message":"The request body is empty."}"#),
        (
            "{",
            400,
            r#"{"message":"The request body is malformed: no JSON at line 1, column 1."}"#,
        ),
        (
            r#"{"email":"a@b.example","email":"c@d.example"}"#,
            400,
            r#"{"message":"The request body is malformed: a key occurs twice at email."}"#,
        ),
        (
            "[]",
            422,
            r#"{"message":"The request body must be a JSON object."}"#,
        ),
        (
            r#"{"gender":1}"#,
            422,
            concat!(
                r#"{"message":"The email field is required.","#,
                r#""errors":{"email":["The email field is required."],"#,
                r#""gender":["The selected gender is invalid."]}}"#
            ),
        ),
    ] {
        let script = Script::new([]);
        let response = script.sign_up(CommsPolicy::new(), payload).await;
        assert_eq!(
            (response.status().as_u16(), response.body().as_ref()),
            (status, wanted.as_bytes()),
            "{payload}"
        );
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn a_sign_up_without_a_subject_or_trusted_caller_is_rejected() {
    let mut request = chunked(0, None);
    request.extensions_mut().clear();
    let response = Script::new([]).send(CommsPolicy::new(), request).await;
    assert_eq!(rejection_kind(&response), RejectionKind::MissingCredentials);
    assert_eq!(
        response.headers()["www-authenticate"],
        r#"Bearer realm="omneo-id""#
    );

    let script = Script::new([(BY_EMAIL, respond(200, ADA))]);
    let mut request = post(r#"{"email":"ada@example.com"}"#);
    request.extensions_mut().clear();
    request.extensions_mut().insert(TrustedCaller);
    assert_eq!(script.send(CommsPolicy::new(), request).await.status(), 200);
}
