//! `POST /auth/refresh`.

use std::time::Duration;

use http::{Method, StatusCode};
use omneo_id::error::ConfigErrorKind;
use omneo_id::identity::VerifiedToken;
use omneo_id::sandbox::{Fault, Sandbox};
use omneo_id::tenant::{AllowForward, CallAs};
use omneo_id::token::{Refresh, RefreshEndpoint};
use omneo_id::{Body, JwtAuthLayer, RejectionKind, Subject, TokenIssuer, TokenVerifier};
use serde_json::json;
use tower::{Layer, service_fn};

use super::*;

const HOUR: u64 = 60 * 60;

pub(super) fn twelve_hours() -> Refresh {
    Refresh::new(Duration::from_secs(12 * HOUR)).unwrap()
}

fn shop() -> Shop {
    Shop::with(|builder| builder.refresh(twelve_hours()))
}

fn rotating_shop() -> Shop {
    Shop::with(|builder| builder.refresh(twelve_hours().rotate()))
}

#[tokio::test]
async fn the_route_is_off_by_default_like_any_unknown_route() {
    let shop = Shop::open();
    let token = shop.issue(&ada());
    for method in [Method::POST, Method::GET, Method::OPTIONS, Method::DELETE] {
        let mut responses = Vec::new();
        for uri in ["/auth/refresh", "/auth/unknown"] {
            for token in ["", &token] {
                let response = shop.call(request(method.clone(), uri, token)).await;
                responses.push((response.status, response.headers, response.body));
            }
        }
        assert_eq!(responses[0].0, 404);
        assert!(
            responses.iter().all(|response| *response == responses[0]),
            "{method}"
        );
    }
    shop.assert_no_calls();
}

#[tokio::test]
async fn a_refreshed_token_keeps_the_start_of_its_session() {
    let shop = shop();
    let first = shop.mint_for_ada().await;
    let start = shop.clock.now();
    assert_eq!(claims(&first)["auth_time"], json!(null));
    let mut token = first.clone();
    for _ in 0..3 {
        shop.clock.advance(HOUR / 2);
        let response = shop.refresh(&token).await;
        let refreshed = token_of(&response);
        let calls = shop.sandbox.take_requests();
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0].path(), "/api/v3/profiles/search-id");
        assert_eq!(
            calls[0].header("authorization"),
            Some(&*bearer(Sandbox::API_TOKEN))
        );
        assert_eq!(
            calls[0].json(),
            json!({ "type": "profile_id", "id": Sandbox::ADA_ID })
        );
        let (old, new) = (claims(&token), claims(&refreshed));
        assert_eq!(new["auth_time"], start);
        assert_eq!(new["pid"], old["pid"]);
        assert_eq!(new["iat"], shop.clock.now());
        assert_eq!(new["exp"], shop.clock.now() + HOUR);
        assert_ne!(new["jti"], old["jti"]);
        assert_eq!(new.as_object().unwrap().len(), 5);
        assert_eq!(shop.refusal(&token).await, None, "it keeps its exp");
        assert_eq!(shop.refusal(&refreshed).await, None);
        token = refreshed;
    }
    assert_eq!(shop.refusal(&first).await, Some("expired"));
    shop.refresh(&first).await.expect(401);
}

#[tokio::test]
async fn no_token_outlives_its_session() {
    let shop = shop();
    let start = shop.clock.now();
    let mut token = shop.mint_for_ada().await;
    for _ in 0..13 {
        shop.clock.advance(50 * 60);
        token = token_of(&shop.refresh(&token).await);
    }
    // 10:50 hours.
    shop.clock.advance(50 * 60);
    token = token_of(&shop.refresh(&token).await);
    assert_eq!(
        claims(&token)["exp"],
        start + 12 * HOUR,
        "20 minutes, not an hour"
    );
    shop.clock.advance(20 * 60 - 1);
    let last = token_of(&shop.refresh(&token).await);
    assert_eq!(claims(&last)["exp"], start + 12 * HOUR);
    shop.sandbox.take_requests();
    // Within the leeway, the token is valid and its session is over.
    shop.clock.advance(1);
    assert_eq!(shop.refusal(&last).await, None);
    shop.refresh(&last).await.expect(401);
    shop.assert_no_calls();
    shop.clock.advance(5);
    assert_eq!(shop.refusal(&last).await, Some("expired"));
}

#[tokio::test]
async fn only_a_token_of_a_session_is_refreshed() {
    let shop = shop();
    let now = shop.clock.now();
    let token = |claims: &Value| {
        let mut all = json!({ "pid": Sandbox::ADA_ID, "exp": now + 600 });
        all.as_object_mut()
            .unwrap()
            .extend(claims.as_object().unwrap().clone());
        shop.sign(&all)
    };
    let anonymous = shop.issue(&Subject::Anonymous);
    for (claims, expected) in [
        (json!({}), None),
        (json!({ "iat": now }), Some(now)),
        (json!({ "iat": now - 600 }), Some(now - 600)),
        (
            json!({ "iat": now, "auth_time": now - 11 * HOUR }),
            Some(now - 11 * HOUR),
        ),
        (
            json!({ "auth_time": now - 11 * HOUR }),
            Some(now - 11 * HOUR),
        ),
        (json!({ "auth_time": (now as f64) - 0.5 }), Some(now - 1)),
        (json!({ "iat": now, "auth_time": now - 12 * HOUR }), None),
        (json!({ "iat": now, "auth_time": 0 }), None),
        // A start in the future, or after `iat`, does not prolong the session.
        (json!({ "iat": now - 60, "auth_time": now }), Some(now - 60)),
        (json!({ "auth_time": now + 9 * HOUR }), Some(now)),
        (json!({ "iat": now, "auth_time": "1" }), None),
        (json!({ "iat": now, "auth_time": null }), None),
        (json!({ "iat": now, "auth_time": -1 }), None),
        (json!({ "iat": now, "auth_time": now, "pid": "null" }), None),
        (json!({ "iat": now, "auth_time": now, "pid": "../x" }), None),
    ] {
        let response = shop.refresh(&token(&claims)).await;
        let calls = shop.sandbox.take_requests();
        match expected {
            Some(start) => {
                let refreshed = self::claims(&token_of(&response));
                assert_eq!(refreshed["auth_time"], start, "{claims}");
            }
            None => {
                assert_eq!(response.status, 401, "{claims}");
                assert_eq!(response.body, r#"{"message":"Unauthenticated."}"#);
                assert!(calls.is_empty(), "{claims}");
            }
        }
    }
    for credential in ["", "x", Sandbox::API_TOKEN, &anonymous] {
        shop.refresh(credential).await.expect(401);
    }
    let grpc = as_grpc(request(Method::POST, "/auth/refresh", &anonymous));
    assert_eq!(shop.call(grpc).await.header("grpc-status"), "16");
    shop.assert_no_calls();
}

#[tokio::test]
async fn a_rotated_token_ends() {
    let shop = rotating_shop();
    let other = shop.issue(&ada());
    let token = shop.issue(&ada());
    let refreshed = token_of(&shop.refresh(&token).await);
    assert_eq!(shop.refusal(&token).await, Some("revoked"));
    assert_eq!(shop.refusal(&refreshed).await, None);
    assert_eq!(shop.refusal(&other).await, None);
    shop.refresh(&token).await.expect(401);
    shop.assert_no_calls();
    token_of(&shop.refresh(&refreshed).await);
}

/// Two tabs of a browser that refresh the token that they share.
#[tokio::test]
async fn one_of_two_concurrent_refreshes_rotates_the_token() {
    let shop = rotating_shop();
    let token = shop.issue(&ada());
    let refresh = || {
        let request = request(Method::POST, "/auth/refresh", &token);
        shop.id.clone().call(request)
    };
    // Both have passed the auth layer, and the tenant responses both.
    let (first, second) = (refresh(), refresh());
    let first = CollectedResponse::collect(first.await.unwrap()).await;
    let second = CollectedResponse::collect(second.await.unwrap()).await;
    let new = token_of(&first);
    assert_eq!(second.status, 401);
    assert_eq!(shop.sandbox.take_requests().len(), 2);
    assert_eq!(shop.refusal(&token).await, Some("revoked"));
    // The token of the first tab stays valid, for the second one too.
    assert_eq!(shop.refusal(&new).await, None);

    // Without rotation, both receive a token.
    let shop = self::shop();
    let token = shop.issue(&ada());
    let both = [token.clone(), token.clone()].map(|token| {
        let request = request(Method::POST, "/auth/refresh", &token);
        shop.id.clone().call(request)
    });
    for response in both {
        let token = token_of(&CollectedResponse::collect(response.await.unwrap()).await);
        assert_eq!(shop.refusal(&token).await, None);
    }
    assert_eq!(shop.refusal(&token).await, None);
}

#[tokio::test]
async fn the_tokens_of_a_profile_that_does_not_exist_end() {
    let shop = shop();
    let (token, other) = (shop.issue(&ada()), shop.issue(&ada()));
    let of_grace = shop.issue(&grace());
    let path = format!("/api/v3/profiles/{}", Sandbox::ADA_ID);
    let delete = request(Method::DELETE, &path, Sandbox::API_TOKEN);
    assert!(
        shop.sandbox
            .clone()
            .oneshot(delete)
            .await
            .unwrap()
            .status()
            .is_success()
    );
    assert_eq!(shop.refusal(&token).await, None);
    let response = shop.refresh(&token).await.expect(401);
    assert_eq!(response.rejection, Some(RejectionKind::InvalidToken));
    assert_eq!(response.body, r#"{"message":"Unauthenticated."}"#);
    assert_eq!(shop.refusal(&token).await, Some("revoked"));
    assert_eq!(shop.refusal(&other).await, Some("revoked"));
    assert_eq!(shop.refusal(&of_grace).await, None);

    // The 401 does not depend on the set.
    for shop in [shop_with_full_set(), shop_with_failing_store()] {
        let token = shop.issue(&ada());
        shop.sandbox.inject(Fault::status(StatusCode::NOT_FOUND));
        shop.refresh(&token).await.expect(401);
    }
}

#[tokio::test]
async fn failures_of_the_tenant_neither_refresh_nor_end_a_token() {
    for shop in [shop(), rotating_shop()] {
        let token = shop.issue(&ada());
        for (status, expected) in [
            (401, 502),
            (403, 502),
            (429, 429),
            (500, 502),
            (503, 503),
            (504, 504),
            (302, 502),
            (204, 502),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            shop.sandbox.inject(Fault::status(status));
            let response = shop.refresh(&token).await;
            assert_eq!(response.status, expected, "{status}");
            assert_eq!(shop.refusal(&token).await, None, "{status}");
        }
        shop.sandbox.inject(Fault::reset());
        shop.refresh(&token).await.expect(502);
        token_of(&shop.refresh(&token).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_tenant_is_a_504() {
    let shop = shop();
    let token = shop.issue(&ada());
    shop.sandbox.inject(Fault::stall());
    shop.refresh(&token).await.expect(504);
    assert_eq!(shop.refusal(&token).await, None);
}

#[tokio::test]
async fn a_rotation_that_cannot_be_stored() {
    // The previous token was not ended: the client tries again with it.
    let shop = shop_with_full_set();
    let token = shop.issue(&ada());
    let response = shop.refresh(&token).await.expect(503);
    assert_eq!(
        response.rejection,
        Some(RejectionKind::RevocationUnavailable)
    );
    assert_eq!(shop.refusal(&token).await, None);
    // It was ended in this process: the client needs the new one.
    let shop = shop_with_failing_store();
    let token = shop.issue(&ada());
    let refreshed = token_of(&shop.refresh(&token).await);
    assert_eq!(shop.refusal(&token).await, Some("revoked"));
    assert_eq!(shop.refusal(&refreshed).await, None);
}

#[tokio::test]
async fn the_body_of_a_refresh_is_not_read() {
    let shop = shop();
    let token = shop.issue(&ada());
    for body in ["{}", "{", r#"{"auth_time":0,"pid":"x"}"#, "\u{0}"] {
        let mut request = request(Method::POST, "/auth/refresh/", &token);
        *request.body_mut() = Full::from(body);
        let refreshed = token_of(&shop.call(request).await);
        assert_eq!(claims(&refreshed)["pid"], Sandbox::ADA_ID);
    }
    for method in [Method::GET, Method::DELETE, Method::PUT] {
        let response = shop.call(request(method, "/auth/refresh", &token)).await;
        assert_eq!(
            (response.status.as_u16(), response.header("allow")),
            (405, "POST, OPTIONS")
        );
    }
    let options = shop
        .call(request(Method::OPTIONS, "/auth/refresh", ""))
        .await;
    assert_eq!(
        (options.status.as_u16(), options.header("allow")),
        (204, "POST, OPTIONS")
    );
}

#[tokio::test]
async fn a_login_after_the_end_of_all_sessions_can_be_refreshed_at_once() {
    let shop = rotating_shop();
    shop.revoke(&json!({ "all": true })).await.expect(204);
    let token = shop.mint_for_ada().await;
    let refreshed = token_of(&shop.refresh(&token).await);
    assert_eq!(shop.refusal(&refreshed).await, None);
    shop.revoke(&json!({ "id": Sandbox::ADA_ID }))
        .await
        .expect(204);
    assert_eq!(shop.refusal(&refreshed).await, Some("revoked"));
    shop.refresh(&refreshed).await.expect(401);
}

/// Issuer and verifier of the endpoint alone, with their set.
struct Parties {
    revocations: Revocations,
    issuer: TokenIssuer,
    verifier: TokenVerifier,
}

impl Parties {
    fn new() -> Self {
        let revocations = Revocations::new();
        Self {
            issuer: TokenIssuer::new(ring()).with_revocations(revocations.clone()),
            verifier: TokenVerifier::new(ring()).with_revocations(revocations.clone()),
            revocations,
        }
    }

    /// The response to a refresh of this token. The tenant awaits `during` before it responds.
    async fn refresh<F>(
        &self,
        refresh: Refresh,
        token: &str,
        during: impl Fn(Revocations) -> F + Clone + Send + 'static,
    ) -> CollectedResponse
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let set = self.revocations.clone();
        let tenant = service_fn(move |request: Request<Body>| {
            let extensions = request.extensions();
            let is_allowed = extensions.get::<AllowForward>().is_some();
            assert!(is_allowed, "the configured API token");
            assert!(extensions.get::<CallAs>().is_none());
            assert!(extensions.get::<VerifiedToken>().is_none());
            assert_eq!(request.headers()["x-request-id"], "7");
            let effect = during(set.clone());
            async move {
                effect.await;
                let json = json!({ "data": { "id": Sandbox::ADA_ID } }).to_string();
                Ok::<_, Infallible>(Response::new(Body::from(Bytes::from(json))))
            }
        });
        let (issuer, set) = (self.issuer.clone(), self.revocations.clone());
        let endpoint = RefreshEndpoint::new(tenant, issuer, set, refresh);
        let service = JwtAuthLayer::new(self.verifier.clone()).layer(endpoint);
        CollectedResponse::collect(send(service, refresh_request(token)).await).await
    }
}

fn refresh_request(token: &str) -> Request<Full<Bytes>> {
    let mut request = request(Method::POST, "/", token);
    request
        .headers_mut()
        .insert("x-request-id", "7".parse().unwrap());
    request
}

#[tokio::test]
async fn the_service_alone_works_behind_the_auth_layer() {
    let parties = Parties::new();
    let token = parties.issuer.issue(&ada()).unwrap();
    let refresh = async |token: &str| {
        let during = |_| async {};
        parties.refresh(twelve_hours(), token, during).await
    };
    let refreshed = token_of(&refresh(token.token()).await);
    let refreshed = parties.verifier.verify(&refreshed).unwrap();
    let first = parties.verifier.verify(token.token()).unwrap();
    assert_eq!(refreshed.subject(), &ada());
    assert_eq!(refreshed.claims().auth_time, first.claims().issued_at);
    assert_eq!(refresh("").await.status, 401);

    let issuer = TokenIssuer::new(ring());
    let bare = RefreshEndpoint::new(
        service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Body::empty()))),
        issuer,
        Revocations::new(),
        twelve_hours(),
    );
    for (method, expected) in [
        (Method::POST, 401),
        (Method::GET, 405),
        (Method::OPTIONS, 204),
    ] {
        let response = send(bare.clone(), request(method, "/", "")).await;
        assert_eq!(response.status(), expected);
    }
}

/// A refresh that is in progress must not outlive a revocation.
#[tokio::test]
async fn a_token_that_ends_while_the_tenant_is_called_is_not_refreshed() {
    let end_profile = |set: Revocations| async move {
        set.revoke_profile(&Sandbox::ADA_ID.parse().unwrap())
            .await
            .unwrap();
    };
    let end_all = |set: Revocations| async move { set.revoke_all().await.unwrap() };
    for refresh in [twelve_hours(), twelve_hours().rotate()] {
        let parties = Parties::new();
        let token = parties.issuer.issue(&ada()).unwrap();
        let response = parties.refresh(refresh, token.token(), end_profile).await;
        assert_eq!(response.status, 401);
        let token = parties.issuer.issue(&ada()).unwrap();
        let response = parties.refresh(refresh, token.token(), end_all).await;
        assert_eq!(response.status, 401);
    }
    let parties = Parties::new();
    let token = parties.issuer.issue(&ada()).unwrap();
    let verified = parties.verifier.verify(token.token()).unwrap();
    let end_token = move |set: Revocations| {
        let verified = verified.clone();
        async move { set.revoke_token(verified.claims()).await.unwrap() }
    };
    let response = parties
        .refresh(twelve_hours(), token.token(), end_token)
        .await;
    assert_eq!(response.status, 401);
}

#[test]
fn an_invalid_age_is_a_configuration_error() {
    for age in [Duration::ZERO, Duration::from_millis(1500), Duration::MAX] {
        let error = Refresh::new(age).unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::InvalidDuration);
    }
}

#[tokio::test]
async fn a_refresh_copies_the_extra_claims_that_the_issuer_may_issue() {
    let shop = Shop::with(|builder| builder.refresh(twelve_hours()).extra_claims(["tier"]));
    let issuer = shop.id.issuer().clone();
    let issuer = issuer.with_extra_claims(["tier", "cart"]).unwrap();
    let extra = json!({ "tier": { "level": 3, "since": 1.50 }, "cart": 7 });
    let token = issuer.issue_with(&ada(), extra).unwrap();
    let mut token = token.into_token();
    for _ in 0..2 {
        token = token_of(&shop.refresh(&token).await);
        let claims = claims(&token);
        assert_eq!(claims["tier"], json!({ "level": 3, "since": 1.50 }));
        assert_eq!(claims.get("cart"), None);
    }
    let ring = shop.id.issuer().keyring().clone();
    let verifier = TokenVerifier::new(ring).with_clock(clock(&shop.clock));
    let verified = verifier.verify(&token).unwrap();
    assert!(verified.claims().auth_time.is_some());
    // A claim that has a field is not an extra claim.
    assert_eq!(verified.claims().get::<u64>("auth_time"), Ok(None));
}
