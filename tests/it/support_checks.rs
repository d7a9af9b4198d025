//! The test support itself: the search for secrets in logs finds them.

use std::sync::{Arc, Mutex};

use tracing::subscriber::set_default;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

use crate::support::logs::{LogScanner, watched};
use crate::support::{Shop, forbidden};

#[test]
fn secrets_and_personal_data_are_found() {
    for secret in [
        "eyJhbGciOiJIUzI1NiJ9.eyJwaWQiOiJudWxsIn0.c2lnbmF0dXJl",
        "Bearer eyJhbGciOiJub25lIn0.eyJwaWQiOiJ4In0. and more",
        "no such profile: ada.lovelace@example.com",
        "filter%5Bemail%5D=kim%2Bvip%40example.com",
        "phone +61412323123",
        "phone=%2B61412323123",
        "Some(\"sandbox-api-token\")",
        "Bearer 7|4fzKq0pLw8sN1vXyT2uR",
        "full_name: Zoë",
        "{\"name\":\"Ada\"}",
    ] {
        assert!(forbidden::find(secret).is_some(), "{secret}");
    }
    for harmless in [
        "",
        "the tenant's answer contained its API token and was aborted",
        "application/json; a.b.c; 1.2.3",
        "fields=[\"email\", \"first_name\"]",
        "2026-11-23T06:19:07+00:00, +1 more, @ home",
        "65c0ffee-e29b-41d4-a716-446655440000",
        "eyJhbGciOiJIUzI1NiJ9",
    ] {
        assert_eq!(forbidden::find(harmless), None);
    }
}

#[test]
fn a_secret_in_an_event_or_a_span_is_found() {
    let found = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&found);
    let keep = move |text: &str| keep.lock().unwrap().push(text.to_owned());
    let _guard = set_default(registry().with(LogScanner(keep)));
    let next = || found.lock().unwrap().pop();
    let secret = "ada.lovelace@example.com";

    tracing::info!(target: "omneo_id::x", "nothing is wrong here");
    tracing::info!(target: "another_crate", secret, "{secret}");
    assert_eq!(next(), None);
    tracing::trace!(target: "omneo_id::x", "{secret}");
    assert!(next().is_some(), "a message");
    tracing::info!(target: "omneo_id::x", secret, "a field");
    assert!(next().is_some(), "a field");
    tracing::info!(target: "omneo_id::x", secret = ?Some(secret), "a field");
    assert!(next().is_some(), "a field by `Debug`");
    tracing::info_span!(target: "omneo_id", "a", %secret);
    assert!(next().is_some(), "a span");
    let span = tracing::info_span!(target: "omneo_id", "a", secret = tracing::field::Empty);
    assert_eq!(next(), None);
    span.record("secret", secret);
    assert!(next().is_some(), "a field that is recorded later");
}

#[tokio::test]
async fn every_log_record_of_a_request_is_searched() {
    let shop = Shop::open();
    let before = watched();
    shop.get("/profiles/me", "no-token").await;
    // The span, the event of the rejection, and the fields that the span records for it.
    assert!(watched() >= before + 3);
}
