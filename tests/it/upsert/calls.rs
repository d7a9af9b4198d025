//! How many calls of the tenant a sign-up costs at most.

use serde_json::json;

use super::*;

/// A tenant with look-alikes on every page, and with an answer of its own to a creation and to an
/// update.
async fn calls(
    payload: &str,
    create: (u16, &'static str),
    update: u16,
    holder: &str,
) -> Vec<String> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&lines);
    let holder = holder.to_owned();
    let tenant = service_fn(move |request: Sent| {
        let line = format!("{} {}", request.method(), request.uri());
        let mut answer = match (request.method().as_str(), request.uri().path()) {
            ("GET", "/profiles") => answer(
                200,
                r#"{"data":[{"id":"x","email":"x@example.net"}],"links":{"next":"https://t.example/2"}}"#,
            ),
            ("POST", "/profiles/availability") => Response::new(Full::from(holder.clone())),
            ("GET", _) => answer(200, r#"{"data":{"id":"ada-1","email":"%@example.net"}}"#),
            ("POST", _) => answer(create.0, create.1),
            _ => answer(update, "{}"),
        };
        answer.headers_mut().clear();
        seen.lock().unwrap().push(line);
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    let service = CommsUpsert::new(tenant, CommsPolicy::new());
    service.oneshot(post(payload)).await.unwrap();
    lines.lock().unwrap().clone()
}

const FREE: &str = r#"{"data":{"email":{"profile":null}}}"#;
const HELD: &str = r#"{"data":{"email":{"profile":{"id":"ada-1"}}}}"#;

#[tokio::test]
async fn a_plain_address_among_look_alikes_costs_three_calls() {
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
async fn the_dearest_sign_up_is_bounded() {
    let comms = json!({"comms": {"email_optout": true}});
    let plain = json!({"email": "%@example.net", "attributes": comms}).to_string();
    // Two pages, refused, one page, asked who, shown, changed.
    let lines = calls(&plain, (422, TAKEN), 200, HELD).await;
    assert_eq!(lines.len(), 7, "{lines:#?}");
    // And deleted meanwhile: one page, refused, one page, asked who, shown, and gone for good.
    let lines = calls(&plain, (422, TAKEN), 404, HELD).await;
    assert!(lines.len() <= 13, "{lines:#?}");
    // Both forms of a domain, and a phone.
    let dearest =
        json!({"email": "a@müller.example", "mobile_phone": "+61412345678", "attributes": comms});
    for (holder, update) in [(FREE, 200), (HELD, 200), (HELD, 404)] {
        let lines = calls(&dearest.to_string(), (422, TAKEN), update, holder).await;
        assert!(lines.len() <= 30, "{lines:#?}");
    }
}
