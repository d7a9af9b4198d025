//! The crate's own look-ups on idle connections that the tenant closes.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use omneo_id::client::HttpClient;
use omneo_id::{Body, OmneoId, SigningKey};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tower::ServiceExt;

use super::host::with_timeout;
use super::in_memory::{Client, PAGE, Tenant, head, text};
use super::stale::{Seen, body};
use super::tenants::settle;

const ADA: &str = "651300000000000000000001";

/// The tenant's response to a request line.
fn response(head: &str) -> (u16, String) {
    let line = head.lines().next().unwrap();
    let (_, target) = line.split_once("/api/v3").unwrap();
    let profile = format!(r#"{{"id":"{ADA}","email":"ada@example.com"}}"#);
    match (
        line.starts_with("GET"),
        target.trim_end_matches(" HTTP/1.1"),
    ) {
        (_, "/profiles/search-id") => (200, format!(r#"{{"data":{profile}}}"#)),
        (_, "/profiles/availability") => (
            200,
            format!(r#"{{"data":{{"email":{{"profile":{{"id":"{ADA}"}}}}}}}}"#),
        ),
        (false, "/profiles") => (
            422,
            r#"{"errors":{"email":["The email exists"]}}"#.to_owned(),
        ),
        (true, target) if target.ends_with(ADA) => (200, format!(r#"{{"data":{profile}}}"#)),
        // A filter that does not find the profile.
        (true, _) => (200, r#"{"data":[]}"#.to_owned()),
        (false, _) => (200, "{}".to_owned()),
    }
}

/// Responds to the first request on each connection, and closes after it has read the next one. It
/// always responds to creations.
async fn serve_once_per_connection(mut stream: DuplexStream, seen: Seen) {
    let mut is_first = true;
    while let Some(head) = head(&mut stream).await {
        let body = body(&mut stream, &head).await;
        seen.lock().unwrap().push(format!("{head}{body}"));
        if !is_first && !head.starts_with("POST /api/v3/profiles HTTP") {
            return;
        }
        is_first = false;
        let (status, body) = response(&head);
        let length = body.len();
        let response = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(response.as_bytes()).await.unwrap();
    }
}

fn omneo_id(tenant: &Tenant, seen: &Seen) -> OmneoId<Client> {
    let seen = Arc::clone(seen);
    let client = tenant.client(HttpClient::builder(), PAGE, move |stream| {
        serve_once_per_connection(stream, Arc::clone(&seen))
    });
    OmneoId::builder()
        .upstream("https://api.acme.test")
        .unwrap()
        .api_token("the-api-token")
        .signing_key(SigningKey::hs256([7; 32]).unwrap())
        .build_with_client(client)
        .unwrap()
}

async fn post(id: &OmneoId<Client>, path: &str, json: &'static str) -> u16 {
    let request = Request::post(path)
        .header("authorization", "Bearer the-api-token")
        .header("content-type", "application/json")
        .body(Body::from(Bytes::from_static(json.as_bytes())))
        .unwrap();
    let response = with_timeout(path, id.clone().oneshot(request))
        .await
        .unwrap();
    let status = response.status().as_u16();
    text(response).await;
    settle().await;
    status
}

/// How many requests with this start of their head were read.
fn count(seen: &Seen, start: &str) -> usize {
    let seen = seen.lock().unwrap();
    seen.iter().filter(|head| head.starts_with(start)).count()
}

#[tokio::test]
async fn a_lookup_of_the_token_endpoint_is_retried_once() {
    let (tenant, seen) = (Tenant::default(), Seen::default());
    let id = omneo_id(&tenant, &seen);
    for _ in 0..5 {
        let json = r#"{"id":"651300000000000000000001"}"#;
        assert_eq!(post(&id, "/auth/token", json).await, 200);
    }
    assert_eq!(count(&seen, "POST /api/v3/profiles/search-id"), 5 + 4);
}

#[tokio::test]
async fn the_lookups_of_a_sign_up_are_retried_once_and_its_creation_is_not() {
    let (tenant, seen) = (Tenant::default(), Seen::default());
    let id = omneo_id(&tenant, &seen);
    let json = r#"{"email":"ada@example.com","attributes":{"comms":{"email_optout":true}}}"#;
    assert_eq!(post(&id, "/profiles", json).await, 200);
    assert_eq!(count(&seen, "POST /api/v3/profiles/availability"), 2);
    assert_eq!(count(&seen, "POST /api/v3/profiles HTTP"), 1);
    assert!(seen.lock().unwrap().last().unwrap().starts_with("PUT "));
}
