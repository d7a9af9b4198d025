//! `DELETE /auth/token`.

use http::Method;
use omneo_id::sandbox::Sandbox;
use omneo_id::token::SignOut;
use omneo_id::{JwtAuthLayer, RejectionKind, Revocations, Subject, TokenIssuer, TokenVerifier};
use serde_json::json;
use tower::{Layer, Service};

use super::*;

#[tokio::test]
async fn a_sign_out_ends_its_token_and_no_other() {
    let shop = Shop::open();
    for subject in [ada(), Subject::Anonymous] {
        let (token, other) = (shop.issue(&subject), shop.issue(&subject));
        assert_eq!(shop.refusal(&token).await, None, "cached");
        let response = shop.sign_out(&token).await.expect(204);
        assert!(response.body.is_empty());
        assert_eq!(response.header("cache-control"), "no-store");
        assert_eq!(shop.refusal(&token).await, Some("revoked"));
        assert_eq!(shop.refusal(&other).await, None);
        let repeated = shop.sign_out(&token).await.expect(401);
        assert_eq!(repeated.body, r#"{"message":"Unauthenticated."}"#);
        assert_eq!(repeated.rejection, Some(RejectionKind::InvalidToken));
        shop.assert_no_calls();
    }
}

#[tokio::test]
async fn an_ended_token_is_ended_on_every_route() {
    let shop = Shop::with(|builder| builder.refresh(refresh::twelve_hours()));
    let token = shop.mint_for_ada().await;
    shop.sign_out(&token).await.expect(204);
    for (method, uri) in [
        (Method::GET, "/profiles/me"),
        (Method::DELETE, "/profiles/me"),
        (Method::POST, "/profiles"),
        (Method::GET, "/locations"),
        (Method::GET, "/locations/12"),
        (Method::POST, "/auth/token"),
        (Method::POST, "/auth/revoke"),
        (Method::POST, "/auth/refresh"),
        (Method::DELETE, "/auth/token"),
    ] {
        let response = shop.call(request(method, uri, &token)).await;
        assert_eq!(response.status, 401, "{uri}");
    }
    shop.assert_no_calls();
}

#[tokio::test]
async fn every_spelling_of_the_route_ends_the_token() {
    let shop = Shop::with(|builder| builder.mount("/id/api/v1"));
    for uri in [
        "/id/api/v1/auth/token",
        "/id/api/v1/auth/token/",
        "/id/api/v1//auth//token?x=1",
    ] {
        let token = shop.issue(&ada());
        let response = shop.call(request(Method::DELETE, uri, &token)).await;
        assert_eq!(response.status, 204, "{uri}");
    }
}

#[tokio::test]
async fn only_a_valid_id_token_can_be_ended() {
    let shop = Shop::open();
    let token = shop.issue(&ada());
    for credential in ["", "x", Sandbox::API_TOKEN, &token[1..]] {
        shop.sign_out(credential).await.expect(401);
    }
    shop.clock.advance(2 * 60 * 60);
    shop.sign_out(&token).await.expect(401);
    let rejected = shop
        .call(as_grpc(request(Method::DELETE, "/auth/token", "")))
        .await;
    assert_eq!(
        (rejected.status.as_u16(), rejected.header("grpc-status")),
        (200, "16")
    );
    let mut two = request(Method::DELETE, "/auth/token", &token);
    let value = two.headers()["authorization"].clone();
    two.headers_mut().append("authorization", value);
    assert_eq!(shop.call(two).await.status, 400);
    shop.assert_no_calls();
}

#[tokio::test]
async fn a_token_without_an_id() {
    let shop = Shop::open();
    let now = shop.clock.now();
    // An anonymous one cannot be told apart from others.
    let token = shop.sign(&json!({ "pid": "null", "iat": now, "exp": now + 60 }));
    let response = shop.sign_out(&token).await.expect(422);
    assert!(response.json()["errors"]["jti"].is_array());
    assert_eq!(shop.refusal(&token).await, None);
    // That of a profile is ended with all tokens of the profile that were issued until then.
    let token = shop.sign(&json!({ "pid": Sandbox::ADA_ID, "iat": now, "exp": now + 60 }));
    shop.sign_out(&token).await.expect(204);
    assert_eq!(shop.refusal(&token).await, Some("revoked"));
    shop.assert_no_calls();
}

#[tokio::test]
async fn a_sign_out_that_cannot_be_stored_is_a_503() {
    let shop = shop_with_full_set();
    let token = shop.issue(&ada());
    let response = shop.sign_out(&token).await.expect(503);
    assert_eq!(
        response.rejection,
        Some(RejectionKind::RevocationUnavailable)
    );
    assert_eq!(response.header("retry-after"), "5");
    assert_eq!(shop.refusal(&token).await, None, "it is not ended");
    assert_eq!(shop.id.revocations().stats().rejected, 1);

    let shop = shop_with_failing_store();
    let token = shop.issue(&ada());
    let grpc = as_grpc(request(Method::DELETE, "/auth/token", &token));
    let response = shop.call(grpc).await.expect(200);
    assert_eq!(response.header("grpc-status"), "14");
    assert_eq!(response.header("grpc-retry-pushback-ms"), "5000");
    assert_eq!(shop.refusal(&token).await, Some("revoked"), "ended here");
}

#[tokio::test]
async fn requests_that_pass_the_check_together_are_all_answered_with_204() {
    let shop = Shop::open();
    let token = shop.issue(&ada());
    let sign_out = || {
        let request = request(Method::DELETE, "/auth/token", &token);
        shop.id.clone().call(request)
    };
    // The token is checked by `call`, and ended when the future is polled.
    let (first, second) = (sign_out(), sign_out());
    assert_eq!(first.await.unwrap().status(), 204);
    assert_eq!(second.await.unwrap().status(), 204);
    shop.sign_out(&token).await.expect(401);
}

#[tokio::test]
async fn a_dropped_sign_out_has_no_effect_or_all_of_it() {
    let shop = shop_with(|revocations| revocations.with_store(Store::working()));
    let token = shop.issue(&ada());
    let mut service = shop.id.clone();
    drop(service.call(request(Method::DELETE, "/auth/token", &token)));
    assert_eq!(shop.refusal(&token).await, None);
    let mut future = std::pin::pin!(service.call(request(Method::DELETE, "/auth/token", &token)));
    let pending = std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx)));
    assert!(pending.await.is_pending(), "the store is slow");
    assert_eq!(shop.refusal(&token).await, Some("revoked"), "ended at once");
}

#[tokio::test]
async fn the_service_alone_works_behind_the_auth_layer() {
    let revocations = Revocations::new();
    let service = SignOut::new(revocations.clone());
    for (method, expected) in [
        (Method::DELETE, 401),
        (Method::GET, 405),
        (Method::POST, 405),
        (Method::OPTIONS, 204),
    ] {
        let response = send(service.clone(), request(method.clone(), "/", "")).await;
        assert_eq!(response.status(), expected, "{method}");
        if expected != 401 {
            assert_eq!(response.headers()["allow"], "DELETE");
        }
    }
    let verifier = TokenVerifier::new(ring()).with_revocations(revocations.clone());
    let layered = JwtAuthLayer::new(verifier.clone()).layer(service);
    let token = TokenIssuer::new(ring()).issue(&ada()).unwrap();
    for expected in [204, 401] {
        let request = request(Method::DELETE, "/", token.token());
        assert_eq!(send(layered.clone(), request).await.status(), expected);
    }
    assert!(verifier.verify(token.token()).is_err());
    assert_eq!(revocations.stats().rejected, 0);
}
