//! The documented contract of `POST /profiles`, line by line, over the sandbox.

use omneo_id::sandbox::Sandbox;
use serde_json::{Value, json};

use super::sandbox::{in_front_of, sign_up};
use super::*;

/// Signs up at a new sandbox. Returns the sandbox, the response, and the requests to the tenant.
async fn after(payload: Value) -> (Sandbox, Response<Bytes>, Vec<String>) {
    let sandbox = Sandbox::new();
    let response = sign_up(in_front_of(&sandbox), payload.to_string()).await;
    let requests = sandbox
        .requests()
        .iter()
        .map(|request| format!("{} {}", request.method, request.uri))
        .collect();
    (sandbox, response, requests)
}

fn outcome(response: &Response<Bytes>) -> Option<UpsertOutcome> {
    response.extensions().get().copied()
}

/// The profile that was created last.
fn newest(sandbox: &Sandbox) -> Value {
    sandbox.profiles().pop().unwrap()
}

fn comms(sandbox: &Sandbox, id: &str) -> Value {
    sandbox.profile(id).unwrap()["attributes"]["comms"].clone()
}

#[tokio::test]
async fn a_profile_is_looked_up_by_email() {
    let (_, response, requests) = after(json!({"email": Sandbox::ADA_EMAIL})).await;
    assert_eq!(outcome(&response), Some(UpsertOutcome::Unchanged));
    assert_eq!(
        requests[0],
        "GET /api/v3/profiles?filter%5Bemail%5D=ada.lovelace%40example.com"
    );
}

#[tokio::test]
async fn a_profile_is_looked_up_by_mobile_phone_when_given() {
    let payload = json!({"email": "x@example.com", "mobile_phone": Sandbox::ADA_PHONE});
    let (_, response, requests) = after(payload).await;
    assert_eq!(outcome(&response), Some(UpsertOutcome::Unchanged));
    assert_eq!(
        requests[1],
        "GET /api/v3/profiles?filter%5Bmobile_phone%5D=%2B61412323123"
    );
}

#[tokio::test]
async fn email_is_required() {
    let (_, response, requests) = after(json!({"mobile_phone": Sandbox::ADA_PHONE})).await;
    assert_eq!(response.status(), 422);
    assert!(requests.is_empty());
}

#[tokio::test]
async fn on_a_match_only_comms_of_the_payload_is_applied() {
    let payload = json!({
        "email": Sandbox::ADA_EMAIL, "first_name": "Eve", "mobile_phone": "+61400000000",
        "tags": ["vip"],
        "identities": [{"handle": "shopify", "identifier": "1"}],
        "attributes": {"comms": {"sms_promo": false}, "appearance": {"height": 1}},
    });
    let before = Sandbox::new().profile(Sandbox::ADA_ID).unwrap();
    let (sandbox, _, _) = after(payload).await;
    let ada = sandbox.profile(Sandbox::ADA_ID).unwrap();
    for member in ["first_name", "mobile_phone", "tags", "identities"] {
        assert_eq!(ada[member], before[member], "{member}");
    }
    assert_eq!(
        ada["attributes"]["appearance"],
        before["attributes"]["appearance"]
    );
    assert_eq!(ada["attributes"]["comms"]["sms_promo"], false);
}

#[tokio::test]
async fn without_a_match_every_profile_field_is_forwarded() {
    let payload = json!({"email": "x@example.com", "first_name": "Xenia", "gender": "other",
        "birth_day": 7,
        "tags": ["vip"], "attributes": {"appearance": {"height": 180}}});
    let (sandbox, response, _) = after(payload).await;
    assert_eq!(outcome(&response), Some(UpsertOutcome::Created));
    let profile = newest(&sandbox);
    assert_eq!(profile["first_name"], "Xenia");
    assert_eq!(profile["gender"], "other");
    assert_eq!(profile["birth_day"], 7);
    assert_eq!(profile["tags"], json!(["vip"]));
    assert_eq!(profile["attributes"]["appearance"]["height"], 180);
}

#[tokio::test]
async fn names_default_to_unknown_and_email_promo_is_on() {
    let (sandbox, _, _) = after(json!({"email": "x@example.com"})).await;
    let profile = newest(&sandbox);
    assert_eq!(
        (&profile["first_name"], &profile["last_name"]),
        (&json!("unknown"), &json!("unknown"))
    );
    let comms = &profile["attributes"]["comms"];
    assert_eq!(
        (&comms["email_promo"], &comms["email_optout"]),
        (&json!(true), &json!(false))
    );
}

#[tokio::test]
async fn the_defaults_are_for_creation_only() {
    let payload =
        json!({"email": Sandbox::GRETA_EMAIL, "attributes": {"comms": {"sms_service": true}}});
    let before = comms(&Sandbox::new(), Sandbox::GRETA_ID);
    let (sandbox, _, _) = after(payload).await;
    let now = comms(&sandbox, Sandbox::GRETA_ID);
    assert_eq!(before["email_optout"], true, "who opted out");
    assert_eq!(now["email_optout"], true, "stays so");
    assert_eq!(now["email_promo"], before["email_promo"]);
    assert_eq!(now["sms_service"], true);
}

#[tokio::test]
async fn both_cases_have_the_same_response_without_profile_data() {
    let mut responses = Vec::new();
    for email in [Sandbox::ADA_EMAIL, "x@example.com"] {
        let (_, response, _) =
            after(json!({"email": email, "attributes": {"comms": {"sms_promo": true}}})).await;
        let headers: Vec<_> = response
            .headers()
            .iter()
            .map(|(name, value)| format!("{name:?}{value:?}"))
            .collect();
        responses.push((response.status(), headers, response.into_body()));
    }
    assert_eq!(responses[0], responses[1]);
    assert_eq!(responses[0].2, SUCCESS);
}

#[tokio::test]
async fn validation_errors_are_the_same_422_for_known_and_new_people() {
    let mut responses = Vec::new();
    for email in [Sandbox::ADA_EMAIL, "x@example.com"] {
        let (_, response, requests) = after(json!({"email": email, "gender": "?"})).await;
        assert!(requests.is_empty());
        responses.push((response.status().as_u16(), response.into_body()));
    }
    let wanted = concat!(
        r#"{"message":"The selected gender is invalid.","#,
        r#""errors":{"gender":["The selected gender is invalid."]}}"#
    );
    assert_eq!(
        responses,
        [(422, Bytes::from(wanted)), (422, Bytes::from(wanted))]
    );
}

#[tokio::test]
async fn the_tenants_own_422_on_creation_is_relayed() {
    let identity =
        json!([{"handle": Sandbox::ADA_IDENTITY_HANDLE, "identifier": Sandbox::ADA_IDENTITY}]);
    let (sandbox, response, _) =
        after(json!({"email": "x@example.com", "identities": identity})).await;
    assert_eq!(response.status(), 422);
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    assert!(
        body["errors"]["identities.0.identifier"].is_array(),
        "{body}"
    );
    assert_eq!(sandbox.profiles().len(), Sandbox::new().profiles().len());
}

#[tokio::test]
async fn a_match_without_comms_is_200_and_no_write() {
    let (sandbox, response, requests) =
        after(json!({"email": Sandbox::ADA_EMAIL, "first_name": "Eve"})).await;
    assert_eq!((response.status().as_u16(), requests.len()), (200, 1));
    assert_eq!(
        comms(&sandbox, Sandbox::ADA_ID),
        comms(&Sandbox::new(), Sandbox::ADA_ID)
    );
}

#[tokio::test]
async fn the_email_takes_precedence_over_the_phone_of_another_profile() {
    let payload = json!({"email": Sandbox::ADA_EMAIL, "mobile_phone": Sandbox::GRACE_PHONE,
        "attributes": {"comms": {"post_feedback": true}}});
    let grace = comms(&Sandbox::new(), Sandbox::GRACE_ID);
    let (sandbox, _, _) = after(payload).await;
    assert_eq!(comms(&sandbox, Sandbox::ADA_ID)["post_feedback"], true);
    assert_eq!(comms(&sandbox, Sandbox::GRACE_ID), grace);
}

#[tokio::test]
async fn consent_timestamps_are_forwarded_and_never_added() {
    const AT: &str = "2024-05-01T10:00:00Z";
    let given = json!({"email": Sandbox::ADA_EMAIL, "attributes": {"comms": {"email_promo": true,
        "email_consent_updated_at": AT}}});
    let (sandbox, _, _) = after(given).await;
    assert_eq!(
        comms(&sandbox, Sandbox::ADA_ID)["email_consent_updated_at"],
        AT
    );
    let (sandbox, _, _) =
        after(json!({"email": "x@example.com", "attributes": {"comms": {"email_promo": true}}}))
            .await;
    assert_eq!(
        newest(&sandbox)["attributes"]["comms"]["email_consent_updated_at"],
        Value::Null
    );
}

#[tokio::test]
async fn a_plus_in_an_address_is_not_decoded_to_a_space() {
    let (sandbox, response, _) =
        after(json!({"email": Sandbox::KIM_EMAIL, "attributes": {"comms": {"sms_promo": true}}}))
            .await;
    assert_eq!(outcome(&response), Some(UpsertOutcome::Updated));
    assert_eq!(comms(&sandbox, Sandbox::KIM_ID)["sms_promo"], true);
}

#[tokio::test]
async fn the_letter_case_of_an_email_is_ignored() {
    for email in [
        Sandbox::GRACE_EMAIL.to_lowercase(),
        Sandbox::GRACE_EMAIL.to_uppercase(),
    ] {
        let (_, response, _) = after(json!({"email": email})).await;
        assert_eq!(outcome(&response), Some(UpsertOutcome::Unchanged));
    }
}
