//! Concurrent sign-ups of one person, and sign-ups that are cancelled.

use omneo_id::sandbox::{Sandbox, SandboxBody};
use serde_json::{Value, json};
use tokio::task::yield_now;

use super::sandbox::{Shop, tenant};
use super::*;
use crate::support;

/// A tenant that yields before each request takes effect, and before its response arrives.
fn yielding(sandbox: &Sandbox) -> Shop {
    let inner = tenant(sandbox, |_| Box::pin(yield_now()));
    Shop::new(service_fn(move |request: Sent| {
        let inner = inner.clone();
        async move {
            let response: Result<Response<SandboxBody>, String> = inner.oneshot(request).await;
            yield_now().await;
            response
        }
    }))
}

fn payload(email: &str, phone: Option<&str>) -> String {
    json!({"email": email, "mobile_phone": phone, "attributes": {"comms": {"sms_optout": true}}})
        .to_string()
}

fn profiles_with(sandbox: &Sandbox, field: &str, value: &str) -> Vec<Value> {
    let mut profiles = sandbox.profiles();
    profiles.retain(|profile| profile[field] == value);
    profiles
}

/// A service for each of several processes in front of one tenant.
fn services(sandbox: &Sandbox, processes: usize) -> Vec<CommsUpsert<Shop>> {
    let service = || CommsUpsert::new(yielding(sandbox), CommsPolicy::new());
    std::iter::repeat_with(service).take(processes).collect()
}

async fn all_succeed(services: &[CommsUpsert<Shop>], payloads: &[String]) {
    let mut waiting = Vec::new();
    for (index, payload) in payloads.iter().enumerate() {
        let service = services[index % services.len()].clone();
        waiting.push(tokio::spawn(service.oneshot(post(payload))));
    }
    for response in waiting {
        let response = response.await.unwrap().unwrap();
        assert_eq!(response.status(), 200);
    }
}

#[tokio::test]
async fn concurrent_sign_ups_with_one_phone_create_one_profile() {
    const PHONE: &str = "+61491570999";
    let payloads: Vec<_> = (0..6)
        .map(|n| payload(&format!("new{n}@example.com"), Some(PHONE)))
        .collect();
    for processes in [1, 3] {
        let sandbox = Sandbox::new();
        let services = services(&sandbox, processes);
        all_succeed(&services, &payloads).await;
        let found = profiles_with(&sandbox, "mobile_phone", PHONE);
        assert_eq!(found.len(), 1, "{processes} processes");
        assert_eq!(found[0]["attributes"]["comms"]["sms_optout"], true);
    }
}

#[tokio::test]
async fn concurrent_sign_ups_with_one_email_create_one_profile() {
    let payloads: Vec<_> = ["new@example.com", "NEW@example.com", " New@Example.com "]
        .map(|email| payload(email, None))
        .into();
    for processes in [1, 3] {
        let sandbox = Sandbox::new();
        let services = services(&sandbox, processes);
        all_succeed(&services, &payloads).await;
        assert_eq!(profiles_with(&sandbox, "email", "new@example.com").len(), 1);
    }
}

/// Cancels a sign-up after each number of polls, up to the number that completes it, and retries
/// it.
async fn cancel_at_every_point(payload: &str, check: impl Fn(&Sandbox)) {
    for polls in 0.. {
        let sandbox = Sandbox::new();
        let before = sandbox.profiles().len();
        let service = CommsUpsert::new(yielding(&sandbox), CommsPolicy::new());
        let mut cancelled = Box::pin(service.clone().oneshot(post(payload)));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let done = (0..polls).any(|_| cancelled.as_mut().poll(&mut cx).is_ready());
        drop(cancelled);
        let made = sandbox.profiles().len() - before;
        assert!(made <= 1);
        // The retry is not blocked, and completes the sign-up.
        let response = service.oneshot(post(payload)).await.unwrap();
        assert_eq!(response.status(), 200, "after {polls} polls");
        check(&sandbox);
        if done {
            assert!(polls > 4, "the sign-up has several await points");
            return;
        }
    }
}

#[tokio::test]
async fn a_creation_cancelled_at_any_point_and_retried_creates_one_profile() {
    cancel_at_every_point(&payload("new@example.com", None), |sandbox| {
        let found = profiles_with(sandbox, "email", "new@example.com");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0]["attributes"]["comms"]["sms_optout"], true);
    })
    .await;
}

#[tokio::test]
async fn an_update_cancelled_at_any_point_and_retried_is_stored() {
    let seed = Sandbox::new();
    cancel_at_every_point(&payload(Sandbox::ADA_EMAIL, None), |sandbox| {
        assert_eq!(sandbox.profiles().len(), seed.profiles().len());
        let ada = sandbox.profile(Sandbox::ADA_ID).unwrap();
        assert_eq!(ada["attributes"]["comms"]["sms_optout"], true);
    })
    .await;
}

#[cfg(feature = "client")]
#[tokio::test]
async fn two_services_of_one_tenant_create_one_profile() {
    use omneo_id::OmneoId;
    use omneo_id::upstream::RequestBody;

    let shop = support::Shop::open();
    let token = shop.mint_anonymous().await;
    let services = [(); 2].map(|()| {
        let sandbox = shop.sandbox.clone();
        let client = service_fn(move |request: Request<RequestBody>| {
            let sandbox = sandbox.clone();
            async move {
                yield_now().await;
                sandbox.oneshot(request).await
            }
        });
        let clock = shop.clock.clone();
        OmneoId::builder()
            .upstream("https://api.sandbox.getomneo.com")
            .unwrap()
            .api_token(Sandbox::API_TOKEN)
            .signing_key(omneo_id::SigningKey::hs256(support::SECRET).unwrap())
            .clock(move || clock.now())
            .build_with_client(client)
            .unwrap()
    });
    let mut waiting = Vec::new();
    for n in 0..8 {
        let request = Request::post("/profiles")
            .header("authorization", support::bearer(&token))
            .header("content-type", "application/json")
            .body(Full::<Bytes>::from(payload("new@example.com", None)))
            .unwrap();
        waiting.push(tokio::spawn(services[n % 2].clone().oneshot(request)));
    }
    for response in waiting {
        let (parts, body) = response.await.unwrap().unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        assert_eq!(
            (parts.status.as_u16(), body.as_ref()),
            (200, SUCCESS.as_bytes())
        );
    }
    assert_eq!(
        profiles_with(&shop.sandbox, "email", "new@example.com").len(),
        1
    );
    let requests = shop.sandbox.requests();
    let creations = requests
        .iter()
        .filter(|request| request.method == Method::POST);
    assert!(creations.count() > 1, "the creations raced");
}
