//! The effect of each event.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use omneo_id::revocation::{Receiver, Revocation, RevocationStore, StoreFuture};
use omneo_id::sandbox::Sandbox;
use omneo_id::webhook::{LocationEvent, WebhookOutcome};
use omneo_id::{
    Keyring, RejectionKind, Revocations, SigningKey, Subject, TokenIssuer, TokenVerifier,
    WebhookEndpoint,
};
use serde_json::json;

use super::{DELETED, endpoint, kind, outcome, send, signed, without_event};
use crate::support::SECRET;
use crate::support::logs::Log;

const MERGED: &str = "profile.merged";
const NOW: u64 = 1_700_000_000;

/// A verifier, the tokens of two profiles and of a visitor, and the endpoint of the same process.
struct Process {
    verifier: TokenVerifier,
    ada: String,
    grace: String,
    visitor: String,
    endpoint: WebhookEndpoint,
}

impl Process {
    fn new() -> Self {
        Self::with(Revocations::new().with_clock(|| NOW))
    }

    fn with(revocations: Revocations) -> Self {
        let ring = Keyring::new(SigningKey::hs256(SECRET).unwrap());
        let issuer = TokenIssuer::new(ring.clone()).with_clock(|| NOW);
        let mint = |subject: &Subject| issuer.issue(subject).unwrap().into_token();
        let profile = |id: &str| Subject::Profile(id.parse().unwrap());
        Self {
            ada: mint(&profile(Sandbox::ADA_ID)),
            grace: mint(&profile(Sandbox::GRACE_ID)),
            visitor: mint(&Subject::Anonymous),
            verifier: TokenVerifier::new(ring)
                .with_clock(|| NOW)
                .with_revocations(revocations.clone()),
            endpoint: endpoint().with_revocations(revocations),
        }
    }

    /// Whether the tokens of Ada, of Grace and of the visitor are valid.
    fn valid(&self) -> [bool; 3] {
        [&self.ada, &self.grace, &self.visitor].map(|token| self.verifier.verify(token).is_ok())
    }
}

#[tokio::test]
async fn the_tokens_of_a_deleted_profile_end() {
    let id = Sandbox::ADA_ID;
    for request in [
        signed(DELETED, &json!({ "id": id })),
        signed(
            DELETED,
            &json!({ "event": DELETED, "data": { "id": id, "email": "x" } }),
        ),
        signed(DELETED, &json!({ "id": 7, "profile_id": id })),
        without_event(&json!({ "event": DELETED, "data": { "profile_id": id } })),
    ] {
        let process = Process::new();
        assert_eq!(process.valid(), [true; 3]);
        let response = send(&process.endpoint, request).await;
        assert_eq!(outcome(response).await, WebhookOutcome::TokensEnded);
        assert_eq!(process.valid(), [false, true, true]);
    }
}

#[tokio::test]
async fn only_the_tokens_of_the_loser_of_a_merge_end() {
    let (loser, winner) = (Sandbox::ADA_ID, Sandbox::GRACE_ID);
    for body in [
        json!({ "id": winner, "loser_id": loser }),
        json!({ "data": { "winner": { "id": winner }, "loser": { "id": loser } } }),
        json!({ "winner_id": winner, "losers": [loser] }),
    ] {
        let process = Process::new();
        let response = send(&process.endpoint, signed(MERGED, &body)).await;
        assert_eq!(
            outcome(response).await,
            WebhookOutcome::TokensEnded,
            "{body}"
        );
        assert_eq!(process.valid(), [false, true, true], "{body}");
    }
}

#[tokio::test]
async fn an_event_without_an_effect_ends_no_token() {
    let body = json!({ "id": Sandbox::ADA_ID, "loser_id": Sandbox::GRACE_ID });
    let process = Process::new();
    for event in [
        "profile.created",
        "profile.updated",
        "balance.updated",
        "profile",
        "Profile.Deleted",
        "location.updated",
        "",
    ] {
        let response = send(&process.endpoint, signed(event, &body)).await;
        assert_eq!(outcome(response).await, WebhookOutcome::Ignored, "{event}");
    }
    assert_eq!(process.valid(), [true; 3]);
}

#[tokio::test]
async fn an_unreadable_event_ends_no_token_and_is_logged_once_per_kind() {
    let process = Process::new();
    let (log, _guard) = Log::capture();
    let ada = Sandbox::ADA_ID;
    for _ in 0..3 {
        for request in [
            signed(DELETED, &json!({ "email": "ada@example.com" })),
            signed(MERGED, &json!({ "id": ada })),
            signed(MERGED, &json!({ "winner_id": ada })),
            signed(DELETED, &json!([{ "id": ada }])),
            // The event that the body names contradicts the header, which is not signed.
            signed(
                DELETED,
                &json!({ "event": "profile.updated", "data": { "id": ada } }),
            ),
            signed(MERGED, &json!({ "event": DELETED, "loser_id": ada })),
            without_event(&json!({ "id": ada })),
            Sandbox::webhook(DELETED, r#"{"id":"#).unwrap(),
            Sandbox::webhook(DELETED, "").unwrap(),
        ] {
            let response = send(&process.endpoint.clone(), request).await;
            assert_eq!(outcome(response).await, WebhookOutcome::Unreadable);
        }
    }
    assert_eq!(process.valid(), [true; 3]);
    let text = log.text();
    for message in [
        "names no profile that is gone",
        "names several events",
        "names no event",
        "is not JSON",
    ] {
        assert_eq!(text.matches(message).count(), 1, "{message}: {text}");
    }
    assert_eq!(text.matches("WARN").count(), 4, "{text}");
}

#[tokio::test]
async fn a_rejected_webhook_is_logged_with_its_cause() {
    let (log, _guard) = Log::capture();
    let mut request = signed(DELETED, &json!({ "id": Sandbox::ADA_ID }));
    request.headers_mut().remove(super::SIGNATURE);
    send(&endpoint(), request).await;
    let text = log.text();
    assert!(
        text.contains("invalid_signature") && text.contains("is not signed"),
        "{text}"
    );
    assert!(!text.contains(Sandbox::ADA_ID));
}

#[tokio::test]
async fn without_revocations_a_deleted_profile_has_no_effect() {
    let response = send(
        &endpoint(),
        signed(DELETED, &json!({ "id": Sandbox::ADA_ID })),
    )
    .await;
    assert_eq!(outcome(response).await, WebhookOutcome::Ignored);
}

/// A store that fails while `is_down` is set.
#[derive(Clone, Default)]
struct Store {
    is_down: Arc<AtomicBool>,
}

impl RevocationStore for Store {
    fn write<'a>(&'a self, _: &'a Revocation) -> StoreFuture<'a, ()> {
        Box::pin(async {
            match self.is_down.load(Ordering::Relaxed) {
                true => Err("the store does not respond".into()),
                false => Ok(()),
            }
        })
    }

    fn read_all<'a>(&'a self, _: &'a mut Receiver<'a>) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn a_failing_store_is_a_503_until_the_sender_repeats_the_event() {
    let store = Store::default();
    let revocations = Revocations::new()
        .with_clock(|| NOW)
        .with_store(store.clone());
    let process = Process::with(revocations);
    let request = || signed(DELETED, &json!({ "id": Sandbox::ADA_ID }));
    store.is_down.store(true, Ordering::Relaxed);
    let response = send(&process.endpoint, request()).await;
    assert_eq!(response.status(), 503);
    assert_eq!(kind(&response), Some(RejectionKind::RevocationUnavailable));
    assert!(response.headers().contains_key("retry-after"));
    store.is_down.store(false, Ordering::Relaxed);
    let response = send(&process.endpoint, request()).await;
    assert_eq!(outcome(response).await, WebhookOutcome::TokensEnded);
    assert_eq!(process.valid(), [false, true, true]);
}

#[tokio::test]
async fn every_listener_receives_the_events_of_locations() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let listener = |prefix: &'static str| {
        let seen = Arc::clone(&seen);
        move |event: &LocationEvent| {
            let text = format!("{prefix} {} {:?}", event.name(), event.location_id());
            seen.lock().unwrap().push(text);
        }
    };
    let endpoint = endpoint()
        .add_location_listener(listener("a"))
        .add_location_listener(listener("b"));
    for request in [
        signed("location.updated", &json!({ "data": { "id": 12 } })),
        without_event(&json!({ "event": "location.created", "id": "store-7" })),
        Sandbox::webhook("location.deleted", "not JSON").unwrap(),
    ] {
        let response = send(&endpoint, request).await;
        assert_eq!(outcome(response).await, WebhookOutcome::LocationChanged);
    }
    let response = send(&endpoint, signed("locations.updated", &json!({ "id": 1 }))).await;
    assert_eq!(outcome(response).await, WebhookOutcome::Ignored);
    let expected = [
        "a location.updated Some(\"12\")",
        "b location.updated Some(\"12\")",
        "a location.created Some(\"store-7\")",
        "b location.created Some(\"store-7\")",
        "a location.deleted None",
        "b location.deleted None",
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}
