//! Failures of the tenant and of the inner service.

use super::*;

#[tokio::test]
async fn a_failing_tenant_is_an_error_and_no_write_follows() {
    const FAULTS: [(u16, &str, RejectionKind, u16); 10] = [
        (401, "{}", RejectionKind::TenantCredentials, 502),
        (403, "{}", RejectionKind::TenantCredentials, 502),
        (429, "{}", RejectionKind::TooManyRequests, 429),
        (500, "{}", RejectionKind::TenantFailed, 502),
        (502, "<html>", RejectionKind::TenantFailed, 502),
        (503, "{}", RejectionKind::TenantBusy, 503),
        (504, "{}", RejectionKind::TenantTimeout, 504),
        (302, "", RejectionKind::TenantAnswer, 502),
        (400, "{}", RejectionKind::TenantAnswer, 502),
        (
            200,
            "<html>Welcome to the hotel</html>",
            RejectionKind::TenantAnswer,
            502,
        ),
    ];
    for (status, body, kind, wanted) in FAULTS {
        let look_up = Script::new([(BY_EMAIL, respond(status, body))]);
        let create = Script::new([
            (BY_EMAIL, respond(200, NO_PROFILES)),
            (CREATE, respond(status, body)),
        ]);
        let update = Script::new([
            (BY_EMAIL, respond(200, ADA)),
            (UPDATE, respond(status, body)),
        ]);
        for script in [look_up, create, update] {
            let policy = CommsPolicy::new().conceal_tenant_validation();
            let response = script.sign_up(policy, OPT_OUT).await;
            assert_eq!(rejection_kind(&response), kind, "{status}");
            assert_eq!(response.status().as_u16(), wanted);
            assert_eq!(
                response.body(),
                &format!(r#"{{"message":"{}"}}"#, kind.message())
            );
        }
    }
}

#[tokio::test]
async fn retry_after_is_relayed_in_seconds() {
    for (value, wanted) in [("7", Some("7")), ("soon", None), ("99999999999999", None)] {
        let mut busy = respond(429, "{}");
        busy.headers_mut()
            .insert(header::RETRY_AFTER, value.parse().unwrap());
        let response = Script::new([(BY_EMAIL, busy)])
            .sign_up(CommsPolicy::new(), OPT_OUT)
            .await;
        let after = response.headers().get(header::RETRY_AFTER);
        assert_eq!(after.map(|value| value.to_str().unwrap()), wanted);
    }
}

#[tokio::test]
async fn two_profiles_with_one_address_are_an_error() {
    let two = concat!(
        r#"{"data":[{"id":"a-1","email":"ada@example.com"},{"id":"a-2","#,
        r#""email":"ADA@example.com"}]}"#
    );
    let response = Script::new([(BY_EMAIL, respond(200, two))])
        .sign_up(CommsPolicy::new(), OPT_OUT)
        .await;
    assert_eq!(rejection_kind(&response), RejectionKind::TenantAnswer);
}

#[tokio::test]
async fn an_id_that_is_not_a_segment_never_becomes_a_path() {
    for id in ["../../admin", "ada-1/purge", "search-id", ""] {
        let list =
            serde_json::json!({"data": [{"id": id, "email": "ada@example.com"}]}).to_string();
        let list = respond(200, Box::leak(list.into_boxed_str()));
        let response = Script::new([(BY_EMAIL, list)])
            .sign_up(CommsPolicy::new(), OPT_OUT)
            .await;
        assert_eq!(
            rejection_kind(&response),
            RejectionKind::TenantAnswer,
            "{id}"
        );
    }
}

#[tokio::test]
async fn a_rejection_of_an_inner_layer_is_returned() {
    let rejection = Rejection::new(RejectionKind::TenantUnreachable);
    let refused = rejection.into_response(omneo_id::headers::WireProtocol::Http);
    let response = Script::new([(BY_EMAIL, refused)])
        .sign_up(CommsPolicy::new(), OPT_OUT)
        .await;
    assert_eq!(rejection_kind(&response), RejectionKind::TenantUnreachable);
}

#[tokio::test]
async fn an_error_of_the_inner_service_is_returned_unchanged() {
    let tenant = service_fn(async |_: Sent| Err::<Response<Full<Bytes>>, _>("down"));
    let service = CommsUpsert::new(tenant, CommsPolicy::new());
    assert_eq!(service.oneshot(post(OPT_OUT)).await.unwrap_err(), "down");
}
