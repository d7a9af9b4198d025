//! The maximum number of tenant calls of a sign-up.

use serde_json::json;

use super::*;

/// Signs up at a tenant with similar addresses on every page, and with these responses to a
/// creation and an update. Returns the request lines.
async fn calls(
    payload: &str,
    create: (u16, &'static str),
    update: u16,
    owner: &str,
) -> Vec<String> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&lines);
    let owner = owner.to_owned();
    let tenant = service_fn(move |request: Sent| {
        let line = format!("{} {}", request.method(), request.uri());
        let mut response = match (request.method().as_str(), request.uri().path()) {
            ("GET", "/profiles") => respond(
                200,
                r#"{"data":[{"id":"x","email":"x@example.net"}],"links":{"next":"https://t.test/2"}}"#,
            ),
            ("POST", "/profiles/availability") => Response::new(Full::from(owner.clone())),
            ("GET", _) => respond(200, r#"{"data":{"id":"ada-1","email":"%@example.net"}}"#),
            ("POST", _) => respond(create.0, create.1),
            _ => respond(update, "{}"),
        };
        response.headers_mut().clear();
        seen.lock().unwrap().push(line);
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let service = CommsUpsert::new(tenant, CommsPolicy::new());
    service.oneshot(post(payload)).await.unwrap();
    lines.lock().unwrap().clone()
}

const FREE: &str = r#"{"data":{"email":{"profile":null}}}"#;
const TAKEN_BY_ADA: &str = r#"{"data":{"email":{"profile":{"id":"ada-1"}}}}"#;

#[tokio::test]
async fn a_plain_address_among_similar_ones_costs_three_calls() {
    for email in ["%@example.net", "_@example.net", "ada@example.net"] {
        let payload = json!({"email": email}).to_string();
        let lines = calls(&payload, (201, "{}"), 200, FREE).await;
        assert_eq!(lines.len(), 3, "{lines:#?}");
    }
}

#[tokio::test]
async fn pages_are_small() {
    let lines = calls(r#"{"email":"%@example.net"}"#, (201, "{}"), 200, FREE).await;
    let sizes: Vec<u32> = lines
        .iter()
        .filter_map(|line| line.split("page%5Bsize%5D=").nth(1))
        .map(|rest| rest.split('&').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(sizes.len(), 1);
    assert!(sizes.iter().all(|size| *size <= 50), "{sizes:?}");
}

#[tokio::test]
async fn the_most_expensive_sign_up_is_bounded() {
    let comms = json!({"comms": {"email_optout": true}});
    let plain = json!({"email": "%@example.net", "attributes": comms}).to_string();
    // Two pages, a rejected creation, one page, the availability, the profile, the update.
    let lines = calls(&plain, (422, TAKEN), 200, TAKEN_BY_ADA).await;
    assert_eq!(lines.len(), 7, "{lines:#?}");
    // The profile is deleted: one page, a rejected creation, one page, the availability, the
    // profile, and a second 404.
    let lines = calls(&plain, (422, TAKEN), 404, TAKEN_BY_ADA).await;
    assert!(lines.len() <= 13, "{lines:#?}");
    // Both forms of a domain, and a phone number.
    let most_expensive =
        json!({"email": "a@müller.example", "mobile_phone": "+61412345678", "attributes": comms});
    for (owner, update) in [(FREE, 200), (TAKEN_BY_ADA, 200), (TAKEN_BY_ADA, 404)] {
        let lines = calls(&most_expensive.to_string(), (422, TAKEN), update, owner).await;
        assert!(lines.len() <= 30, "{lines:#?}");
    }
}
