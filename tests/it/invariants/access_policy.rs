//! Denied requests are not executed by a Laravel tenant.

use super::*;
use crate::laravel::executed;

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
            let (method, below) = executed(&forwarded);
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
