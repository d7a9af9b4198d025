//! Calls stay at or below the profile.

use super::*;

/// Whether a rejection is decided without a call of the tenant.
fn is_refusal(kind: RejectionKind) -> bool {
    !matches!(
        kind,
        RejectionKind::TenantUnreachable
            | RejectionKind::TenantCredentials
            | RejectionKind::TenantAnswer
            | RejectionKind::TenantFailed
            | RejectionKind::TenantBusy
            | RejectionKind::TenantTimeout
    )
}

#[test]
fn every_call_stays_at_or_below_the_profile_without_credentials_of_the_client() {
    let runtime = runtime();
    let shop = Shop::open();
    for_all(|generated| {
        shop.clock.advance(1);
        let tokens = Tokens::issue(&shop.id);
        let Some(request) = generated.request(&tokens) else {
            return Err(TestCaseError::reject("no request"));
        };
        let response: CollectedResponse = runtime.block_on(shop.call(request));
        let forwarded = shop.sandbox.take_requests();
        let status = response.status.as_u16();
        prop_assert!(is_expected(status), "{status}");
        // The token service checks the caller's credential and profile with the tenant.
        if generated.target.windows(4).any(|bytes| bytes == b"auth") {
            let minting = ["/api/v3/auth/verify", "/api/v3/profiles/search-id"];
            prop_assert!(
                forwarded
                    .iter()
                    .all(|forwarded| minting.contains(&forwarded.path()))
            );
            return Ok(());
        }
        if response.rejection.is_some_and(is_refusal) {
            prop_assert!(
                forwarded.is_empty(),
                "rejected, but the tenant was called: {forwarded:?}"
            );
        }
        let path = generated
            .target
            .split(|&byte| byte == b'?')
            .next()
            .unwrap_or_default();
        let is_me_path = path.windows(3).any(|bytes| bytes == b"/me");
        let mut segments = path.split(|&byte| byte == b'/').filter(|s| !s.is_empty());
        let is_collection = segments.next() == Some(b"profiles") && segments.next().is_none();
        if generated.caller != Caller::Ada && is_me_path {
            let profiles =
                |forwarded: &CapturedRequest| forwarded.path().starts_with("/api/v3/profiles");
            prop_assert!(!forwarded.iter().any(profiles), "{forwarded:?}");
        }
        for forwarded in forwarded {
            let path = forwarded.path().as_bytes();
            let own = stays_below(path, &["api", "v3", "profiles", Sandbox::ADA_ID]);
            let stores = stays_below(path, &["api", "v3", "locations"]);
            // A sign-up builds its own requests; the client's values are not part of their paths.
            let is_sign_up = generated.method == Method::POST
                && is_collection
                && path.starts_with(b"/api/v3/profiles");
            prop_assert!(own || stores || is_sign_up, "{}", forwarded.uri);
            let is_read = matches!(forwarded.method, Method::GET | Method::HEAD);
            for (name, _) in query_pairs(forwarded.query().unwrap_or_default().as_bytes()) {
                prop_assert!(!own || name != "identity", "{}", forwarded.uri);
                prop_assert!(is_read || name != "_method", "{}", forwarded.uri);
            }
            prop_assert_eq!(forwarded.headers.get_all("authorization").iter().count(), 1);
            prop_assert_eq!(forwarded.headers.get_all("host").iter().count(), 1);
            prop_assert_eq!(
                &forwarded.headers["authorization"],
                &bearer(Sandbox::API_TOKEN)
            );
            for (name, value) in &forwarded.headers {
                let value = String::from_utf8_lossy(value.as_bytes());
                prop_assert!(!value.contains(&tokens.ada), "{name}");
                prop_assert!(!value.contains(&tokens.anonymous), "{name}");
                prop_assert!(!name.as_str().contains(['_', '.']), "{name}");
            }
            for name in [
                "cookie",
                "x-http-method-override",
                "x-original-url",
                "upgrade",
                "http2-settings",
                "forwarded",
                "via",
                "range",
            ] {
                prop_assert!(!forwarded.headers.contains_key(name), "{name}");
            }
            // Our own header, if the client accepts trailers. The client's header is removed.
            let te = forwarded
                .headers
                .get("te")
                .is_none_or(|te| te == "trailers");
            prop_assert!(te && forwarded.headers.get_all("te").iter().count() <= 1);
        }
        Ok(())
    });
}
