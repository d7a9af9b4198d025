//! Concurrent sign-ups and changes between the look-up and the write.

use super::*;

#[tokio::test]
async fn a_sign_up_that_loses_a_race_updates_the_profile() {
    let phone = r#"{"errors":{"mobile_phone":["The phone number exists"]}}"#;
    let german = r#"{"message":"x","errors":{"email":["Die E-Mail ist bereits vergeben."]}}"#;
    for taken in [TAKEN, phone, german] {
        let script = Script::new([
            (BY_EMAIL, respond(200, NO_PROFILES)),
            (CREATE, respond(422, taken)),
            (BY_EMAIL, respond(200, ADA)),
            (UPDATE, respond(200, "{}")),
        ]);
        let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
        assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Updated));
    }
}

#[tokio::test]
async fn a_profile_deleted_after_the_look_up_is_created_again_once() {
    let script = Script::new([
        (BY_EMAIL, respond(200, ADA)),
        (UPDATE, respond(404, "{}")),
        (BY_EMAIL, respond(200, NO_PROFILES)),
        (CREATE, respond(201, "{}")),
    ]);
    let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
    assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Created));
    let script = Script::new([
        (BY_EMAIL, respond(200, ADA)),
        (UPDATE, respond(404, "{}")),
        (BY_EMAIL, respond(200, ADA)),
        (UPDATE, respond(404, "{}")),
    ]);
    let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
    assert_eq!(rejection_kind(&response), RejectionKind::TenantAnswer);
}

/// A tenant that stores addresses, and rejects duplicates.
#[derive(Clone, Default)]
struct Register {
    people: Arc<Mutex<Vec<String>>>,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Register {
    async fn serve(self, request: Sent) -> Result<Response<Full<Bytes>>, Infallible> {
        let (parts, body) = request.into_parts();
        let body = own_body(body).await;
        tokio::task::yield_now().await;
        self.lines
            .lock()
            .unwrap()
            .push(format!("{} {}", parts.method, parts.uri.path()));
        let mut people = self.people.lock().unwrap();
        let exists = people.iter().any(|email| email == "ada@example.com");
        Ok(match parts.method {
            Method::GET if exists => respond(200, ADA),
            Method::GET => respond(200, NO_PROFILES),
            Method::POST if exists => respond(422, TAKEN),
            Method::POST => {
                let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
                people.push(body["email"].as_str().unwrap().to_owned());
                respond(201, "{}")
            }
            _ => respond(200, "{}"),
        })
    }
}

#[tokio::test]
async fn concurrent_sign_ups_of_one_person_create_one_profile_even_with_one_permit() {
    let register = Register::default();
    let tenant = register.clone();
    let tenant = service_fn(move |request: Sent| tenant.clone().serve(request));
    let tenant = tower::limit::ConcurrencyLimit::new(tenant, 1);
    let mut service = CommsUpsertLayer::new(CommsPolicy::new()).layer(tenant);
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let service = service.ready().await.unwrap();
        waiting.push(tokio::spawn(service.call(post(OPT_OUT))));
    }
    for response in waiting {
        assert_eq!(response.await.unwrap().unwrap().status(), 200);
    }
    let lines = register.lines.lock().unwrap().clone();
    assert_eq!(
        lines
            .iter()
            .filter(|line| *line == "POST /profiles")
            .count(),
        1
    );
    // Five look-ups, one creation, and four look-ups and updates after it.
    assert_eq!(lines.len(), 14, "no creation races another: {lines:?}");
}

#[tokio::test]
async fn racing_processes_create_one_profile_without_errors() {
    let register = Register::default();
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let tenant = register.clone();
        let tenant = service_fn(move |request: Sent| tenant.clone().serve(request));
        let service = CommsUpsert::new(tenant, CommsPolicy::new());
        waiting.push(tokio::spawn(service.oneshot(post(OPT_OUT))));
    }
    for response in waiting {
        assert_eq!(response.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(register.people.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_cancelled_sign_up_does_not_block_the_next() {
    let layer = CommsUpsertLayer::new(CommsPolicy::new());
    let silent = layer.layer(service_fn(|_: Sent| {
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
    }));
    let cancelled = tokio::spawn(silent.oneshot(post(OPT_OUT)));
    tokio::task::yield_now().await;
    cancelled.abort();
    assert!(cancelled.await.is_err());
    let script = Script::new([(BY_EMAIL, respond(200, ADA)), (UPDATE, respond(200, "{}"))]);
    let tenant = script.clone();
    let service = layer.layer(service_fn(move |request: Sent| {
        tenant.clone().play(request)
    }));
    assert_eq!(service.oneshot(post(OPT_OUT)).await.unwrap().status(), 200);
}
