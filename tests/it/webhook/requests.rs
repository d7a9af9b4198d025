//! Signature, method, length and time of a request.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use omneo_id::error::ConfigErrorKind;
use omneo_id::sandbox::Sandbox;
use omneo_id::webhook::WebhookOutcome;
use omneo_id::{RejectionKind, WebhookEndpoint};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use serde_json::json;
use tokio::runtime::Builder;

use super::{DELETED, SIGNATURE, endpoint, kind, outcome, send, signed};
use crate::support::body::{Chunks, FrameBody, data};

/// From Python's `hmac`, so that the digest does not depend on the code under test.
const SECRET: &str = "0123456789abcdef0123456789abcdef";
const BODY: &str = r#"{"id":"3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10"}"#;
const DIGEST: &str = "77a61b3bb4fb0de8603aa1fc8ca1adf4ea88f8c122b205cae5cd1a5cd660a9dd";

fn request(digests: &[&str], body: &'static str) -> Request<Full<Bytes>> {
    let mut request = Request::post("/hooks/omneo").header("x-omneo-event", DELETED);
    for digest in digests {
        request = request.header(SIGNATURE, *digest);
    }
    request.body(Full::from(body)).unwrap()
}

#[tokio::test]
async fn a_digest_of_another_implementation_is_accepted() {
    let endpoint = WebhookEndpoint::new(SECRET).unwrap();
    for digest in [DIGEST, &DIGEST.to_uppercase()] {
        let response = send(&endpoint, request(&[digest], BODY)).await;
        assert_eq!(response.status(), 204);
    }
}

#[tokio::test]
async fn a_missing_or_invalid_signature_is_unauthorized_in_one_form() {
    let endpoint = WebhookEndpoint::new(SECRET).unwrap();
    let last = |digit: &str| format!("{}{digit}", &DIGEST[..63]);
    let flipped = last("c");
    let prefixed = format!("sha256={DIGEST}");
    let base64 = "d6YbO7T7DehgOqH8jKGt9OqI+MEisgXK5c0aXNZgqd0=";
    for (digests, body) in [
        (&[][..], BODY),
        (&[""], BODY),
        (&[&flipped], BODY),
        (&[&DIGEST[..62]], BODY),
        (&[&prefixed], BODY),
        (&[base64], BODY),
        (&[DIGEST, DIGEST], BODY),
        (&[DIGEST, &flipped], BODY),
        (&[DIGEST], ""),
        (
            &[DIGEST],
            r#"{"id": "3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10"}"#,
        ),
    ] {
        let response = send(&endpoint, request(digests, body)).await;
        assert_eq!(response.status(), 401, "{digests:?}");
        assert_eq!(kind(&response), Some(RejectionKind::InvalidSignature));
        let headers = response.headers().clone();
        assert_eq!(
            headers["www-authenticate"],
            r#"HMAC-SHA256 realm="omneo-id""#
        );
        assert_eq!(headers["cache-control"], "no-store");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, r#"{"message":"Unauthenticated."}"#, "{digests:?}");
    }
    let other = WebhookEndpoint::new("0123456789abcdef0123456789abcdeF").unwrap();
    assert_eq!(send(&other, request(&[DIGEST], BODY)).await.status(), 401);
}

#[tokio::test]
async fn during_a_rotation_either_secret_is_accepted() {
    let next = || WebhookEndpoint::new("the next secret, in use from tomorrow").unwrap();
    let both = next().add_secret(SECRET).unwrap();
    assert_eq!(send(&both, request(&[DIGEST], BODY)).await.status(), 204);
    let reversed = WebhookEndpoint::new(SECRET).unwrap();
    let reversed = reversed
        .add_secret("the next secret, in use from tomorrow")
        .unwrap();
    assert_eq!(
        send(&reversed, request(&[DIGEST], BODY)).await.status(),
        204
    );
    assert_eq!(send(&next(), request(&[DIGEST], BODY)).await.status(), 401);
}

#[test]
fn short_secrets_and_surrounding_white_space_are_configuration_errors() {
    for weak in [
        "",
        "hunter2",
        "fifteen letters",
        " 0123456789abcdef",
        "0123456789abcdef\n",
    ] {
        let error = WebhookEndpoint::new(weak).unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::WeakSecret, "{weak:?}");
        assert_eq!(
            endpoint().add_secret(weak).unwrap_err().kind(),
            ConfigErrorKind::WeakSecret
        );
        assert!(!format!("{error}{error:?}").contains("0123456789"));
    }
    assert!(WebhookEndpoint::new([7; WebhookEndpoint::MIN_SECRET_LEN]).is_ok());
    let endpoint = WebhookEndpoint::new(SECRET).unwrap();
    assert!(!format!("{endpoint:?}").contains(SECRET));
}

#[tokio::test]
async fn an_unsigned_body_is_not_read() {
    let unread = FrameBody::new([]).then_panic();
    let response = send(&endpoint(), Request::post("/").body(unread).unwrap()).await;
    assert_eq!(response.status(), 401);
}

#[tokio::test]
async fn a_body_over_one_mib_is_too_large() {
    let limit = WebhookEndpoint::MAX_BODY_LEN;
    let json = format!(r#"{{"x":"{}"}}"#, "x".repeat(limit - 8));
    assert_eq!(json.len(), limit);
    let longest = Sandbox::webhook("order.created", json).unwrap();
    assert_eq!(
        outcome(send(&endpoint(), longest).await).await,
        WebhookOutcome::Ignored
    );

    // Neither of these bodies is read.
    let unread = || FrameBody::new([]).then_panic();
    let post = || Request::post("/").header(SIGNATURE, DIGEST);
    let declared = post().header("content-length", limit + 1).body(unread());
    let hinted = post().body(unread().with_size_hint(limit as u64 + 1));
    for request in [declared.unwrap(), hinted.unwrap()] {
        let response = send(&endpoint(), request).await;
        assert_eq!(kind(&response), Some(RejectionKind::PayloadTooLarge));
    }
    let made = Arc::new(AtomicUsize::new(0));
    let streamed = Chunks {
        left: 100,
        chunk: vec![b' '; limit / 10].into(),
        made: Arc::clone(&made),
    };
    let response = send(&endpoint(), post().body(streamed).unwrap()).await;
    assert_eq!(response.status(), 413);
    assert_eq!(made.load(std::sync::atomic::Ordering::Relaxed), 11);
}

#[tokio::test]
async fn a_body_that_is_aborted_is_a_bad_request() {
    let aborted = FrameBody::new([data("{"), Err("reset".into())]);
    let request = Request::post("/").header(SIGNATURE, DIGEST);
    let response = send(&endpoint(), request.body(aborted).unwrap()).await;
    assert_eq!(kind(&response), Some(RejectionKind::BodyAborted));
}

#[cfg(feature = "client")]
#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_end_in_time_times_out() {
    use std::time::Duration;

    use tokio::time::Instant;

    let timeout = Duration::from_secs(5);
    let endpoint = endpoint().with_read_timeout(timeout);
    let pending = FrameBody::new([data("{")]).then_pending();
    let request = Request::post("/").header(SIGNATURE, DIGEST);
    let start = Instant::now();
    let response = send(&endpoint, request.body(pending).unwrap()).await;
    assert_eq!(kind(&response), Some(RejectionKind::RequestTimeout));
    assert_eq!(start.elapsed(), timeout);
}

#[tokio::test]
async fn other_methods_are_not_allowed() {
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "post"] {
        let mut request = signed(DELETED, &json!({}));
        *request.method_mut() = method.parse().unwrap();
        let response = send(&endpoint(), request).await;
        assert_eq!(response.status(), 405, "{method}");
        assert_eq!(response.headers()["allow"], "POST");
    }
    let options = Request::options("/").body(Full::default()).unwrap();
    let response = send(&endpoint(), options).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["allow"]),
        (204, &HeaderValue::from_static("POST"))
    );
}

#[tokio::test]
async fn a_grpc_caller_is_rejected_in_grpc() {
    let mut request = request(&[], "");
    let grpc = HeaderValue::from_static("application/grpc");
    request.headers_mut().insert("content-type", grpc);
    let response = send(&endpoint(), request).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["grpc-status"], "16");
}

proptest! {
    /// No request is a fault of the server, whatever its headers and body are.
    #[test]
    fn no_request_is_a_server_error(
        is_signed in any::<bool>(),
        event in prop_oneof![
            Just(DELETED.to_owned()),
            Just("profile.merged".to_owned()),
            Just("location.updated".to_owned()),
            "[ -~]{0,20}",
        ],
        json in json_like(),
        other in vec(any::<u8>(), 0..80),
    ) {
        let body = if other.len() < 40 { json.into_bytes() } else { other.clone() };
        let mut request = Sandbox::webhook("x", body).unwrap();
        let mut headers = HeaderMap::new();
        std::mem::swap(request.headers_mut(), &mut headers);
        headers.insert("x-omneo-event", event.parse().unwrap());
        if !is_signed && let Ok(signature) = HeaderValue::from_bytes(&other) {
            headers.insert(SIGNATURE, signature);
        }
        *request.headers_mut() = headers;
        let runtime = Builder::new_current_thread().build().unwrap();
        let status = runtime.block_on(send(&endpoint(), request)).status();
        assert!(status == 204 || !is_signed && status == 401, "{status}");
    }
}

/// JSON with the members that count, nested and repeated, and damaged JSON.
fn json_like() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        "id",
        "data",
        "loser",
        "losers",
        "winner_id",
        "event",
        "profile"
    ];
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just(format!("{:?}", Sandbox::ADA_ID)),
        Just("\"profile.deleted\"".to_owned()),
        Just("1e999".to_owned()),
        Just("[".repeat(200)),
    ];
    leaf.prop_recursive(3, 20, 4, move |value| {
        let members = vec((name.clone(), value.clone()), 0..4).prop_map(|members| {
            let members: Vec<String> = members
                .into_iter()
                .map(|(name, value)| format!("{name:?}:{value}"))
                .collect();
            format!("{{{}}}", members.join(","))
        });
        let values = vec(value, 0..4).prop_map(|values| format!("[{}]", values.join(",")));
        prop_oneof![members, values]
    })
}
