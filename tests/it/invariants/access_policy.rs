//! Denied requests are not executed by a Laravel tenant.

use super::*;

/// The action of a Laravel tenant: the effective method, and the segments below the profile.
fn laravel(forwarded: &CapturedRequest) -> (String, Vec<String>) {
    let mut method = forwarded.method.as_str().to_ascii_uppercase();
    if method == "POST" {
        let media = forwarded
            .header("content-type")
            .unwrap_or_default()
            .to_ascii_lowercase();
        let field = |text: &[u8]| {
            let mut pairs = query_pairs(text).into_iter();
            pairs.find_map(|(name, value)| (name == "_method").then_some(value))
        };
        let named = if media.contains("/json") || media.contains("+json") {
            let json: Value = serde_json::from_slice(&forwarded.body).unwrap_or_default();
            json["_method"].as_str().map(str::to_owned)
        } else if media.starts_with("application/x-www-form-urlencoded") {
            field(&forwarded.body)
        } else {
            None
        };
        let named = named.or_else(|| field(forwarded.query().unwrap_or_default().as_bytes()));
        method = named.map_or(method, |named| named.to_ascii_uppercase());
    }
    let path = forwarded
        .path()
        .split('/')
        .skip(5)
        .filter(|segment| !segment.is_empty());
    let decoded = path.map(|segment| {
        let mut bytes = Vec::new();
        let mut rest = segment.as_bytes();
        while let [first, tail @ ..] = rest {
            let code = (*first == b'%').then(|| {
                std::str::from_utf8(tail.get(..2)?)
                    .ok()
                    .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            });
            match code.flatten() {
                Some(byte) => {
                    bytes.push(byte);
                    rest = &tail[2..];
                }
                None => {
                    bytes.push(*first);
                    rest = tail;
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    });
    (method, decoded.collect())
}

#[test]
fn a_denied_request_is_never_executed() {
    let policy = AccessPolicy::allow_all()
        .deny("DELETE", "/")
        .unwrap()
        .deny("*", "/purge")
        .unwrap()
        .deny("DELETE, PUT", "/lists/**")
        .unwrap();
    let runtime = runtime();
    let shop = Shop::with(|builder| builder.access_policy(policy));
    for_all(|generated| {
        shop.clock.advance(1);
        let tokens = Tokens::issue(&shop.id);
        let Some(request) = generated.request(&tokens) else {
            return Err(TestCaseError::reject("no request"));
        };
        let response: CollectedResponse = runtime.block_on(shop.call(request));
        prop_assert!(is_expected(response.status.as_u16()), "{}", response.status);
        for forwarded in shop.sandbox.take_requests() {
            if !forwarded
                .path()
                .starts_with(&format!("/api/v3/profiles/{}", Sandbox::ADA_ID))
            {
                continue;
            }
            let (method, below) = laravel(&forwarded);
            let below: Vec<&str> = below.iter().map(String::as_str).collect();
            let denied = match below.as_slice() {
                [] => method == "DELETE",
                [only] if only.eq_ignore_ascii_case("purge") => true,
                ["lists", ..] => method == "DELETE" || method == "PUT",
                _ => false,
            };
            prop_assert!(!denied, "{method} {below:?}");
        }
        prop_assert!(shop.sandbox.profile(Sandbox::ADA_ID).is_some());
        Ok(())
    });
    let token = Tokens::issue(&shop.id).ada;
    let response = runtime.block_on(shop.get("/profiles/me", &token));
    assert_eq!(response.status, StatusCode::OK);
    assert!(json!(response.json()["data"]["id"]) == json!(Sandbox::ADA_ID));
}
