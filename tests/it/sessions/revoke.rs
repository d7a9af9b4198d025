//! `POST /auth/revoke`.

use std::time::Duration;

use http::{Method, StatusCode};
use omneo_id::sandbox::{Fault, Sandbox};
use omneo_id::token::RevokeEndpoint;
use omneo_id::{ApiToken, Body, RejectionKind, Revocations, Subject, TokenEndpoint};
use serde_json::json;
use tower::service_fn;

use super::*;

fn revoke(token: &str, body: &Value) -> Request<Full<Bytes>> {
    json_body(request(Method::POST, "/auth/revoke", token), body)
}

#[tokio::test]
async fn each_form_ends_the_tokens_that_it_names() {
    let identity = json!({
        "id": Sandbox::ADA_IDENTITY,
        "id_handle": Sandbox::ADA_IDENTITY_HANDLE,
    });
    let number: u64 = Sandbox::ADA_IDENTITY.parse().unwrap();
    let by_number = json!({ "id": number, "id_handle": Sandbox::ADA_IDENTITY_HANDLE });
    let by_profile = json!({ "id": Sandbox::ADA_ID, "id_handle": "profile_id" });
    for (body, call, [first, second, of_grace, anonymous]) in [
        (json!(null), "/auth/verify", [true, false, false, false]),
        (
            json!({ "id": Sandbox::ADA_ID }),
            "/auth/verify",
            [true, true, false, false],
        ),
        (
            json!({ "id": Sandbox::ADA_ID.to_uppercase() }),
            "/auth/verify",
            [true, true, false, false],
        ),
        (identity, "/profiles/search-id", [true, true, false, false]),
        (by_number, "/profiles/search-id", [true, true, false, false]),
        (
            by_profile,
            "/profiles/search-id",
            [true, true, false, false],
        ),
        (json!({ "all": true }), "/auth/verify", [true; 4]),
        (json!({ "jti": "unknown" }), "/auth/verify", [false; 4]),
        (json!({ "id": "unknown" }), "/auth/verify", [false; 4]),
    ] {
        let shop = Shop::open();
        let tokens =
            [ada(), ada(), grace(), Subject::Anonymous].map(|subject| shop.issue(&subject));
        let body = match body {
            Value::Null => json!({ "jti": claims(&tokens[0])["jti"] }),
            body => body,
        };
        let response = shop.revoke(&body).await;
        assert_eq!(response.status, 204, "{body}");
        assert!(response.body.is_empty());
        assert_eq!(response.header("cache-control"), "no-store");
        let calls = shop.sandbox.take_requests();
        assert_eq!(calls.len(), 1, "{body}");
        assert_eq!(calls[0].path(), format!("/api/v3{call}"), "{body}");
        for (token, ended) in tokens.iter().zip([first, second, of_grace, anonymous]) {
            assert_eq!(
                shop.refusal(token).await,
                ended.then_some("revoked"),
                "{body}"
            );
        }
        // A login in the same second works, and later revocations end it.
        for subject in [ada(), Subject::Anonymous] {
            let token = shop.issue(&subject);
            assert_eq!(shop.refusal(&token).await, None, "{body}");
            shop.revoke(&json!({ "all": true })).await.expect(204);
            assert_eq!(shop.refusal(&token).await, Some("revoked"), "{body}");
        }
    }
}

#[tokio::test]
async fn the_tokens_of_a_deleted_profile_are_ended_by_its_id() {
    let shop = Shop::open();
    let token = shop.issue(&ada());
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
    let identity = json!({ "id": Sandbox::ADA_ID, "id_handle": "profile_id" });
    let response = shop.revoke(&identity).await.expect(404);
    assert_eq!(response.rejection, Some(RejectionKind::NotFound));
    assert_eq!(shop.refusal(&token).await, None);
    shop.revoke(&json!({ "id": Sandbox::ADA_ID }))
        .await
        .expect(204);
    assert_eq!(shop.refusal(&token).await, Some("revoked"));
}

#[tokio::test]
async fn an_unknown_identity_or_handle_is_rejected() {
    let shop = Shop::open();
    for (id, handle) in [
        ("unknown", Sandbox::ADA_IDENTITY_HANDLE),
        (Sandbox::ADA_IDENTITY, "x"),
    ] {
        let response = shop.revoke(&json!({ "id": id, "id_handle": handle })).await;
        assert_eq!(response.status, 404, "{id} {handle}");
    }
    shop.sandbox
        .inject(Fault::status(StatusCode::UNPROCESSABLE_ENTITY));
    let response = shop
        .revoke(&json!({ "id": "1", "id_handle": "x" }))
        .await
        .expect(422);
    assert!(response.json()["errors"]["id_handle"].is_array());
}

#[tokio::test]
async fn the_api_token_is_checked_by_the_tenant() {
    let shop = Shop::open();
    let (valid, ended) = (shop.issue(&ada()), shop.issue(&ada()));
    shop.sign_out(&ended).await.expect(204);
    for body in [
        json!({ "all": true }),
        json!({ "id": Sandbox::ADA_ID, "id_handle": "profile_id" }),
        json!({ "unknown": 1 }),
    ] {
        // An ID token is known here, ended or not.
        for credential in ["", &valid, &ended] {
            let response = shop.call(revoke(credential, &body)).await.expect(401);
            assert_eq!(response.body, r#"{"message":"Unauthenticated."}"#);
            assert!(response.headers.contains_key("www-authenticate"));
            shop.assert_no_calls();
        }
    }
    for body in [
        json!({ "all": true }),
        json!({ "jti": claims(&valid)["jti"] }),
        json!({ "id": Sandbox::ADA_ID }),
        json!({ "id": Sandbox::ADA_ID, "id_handle": "profile_id" }),
    ] {
        shop.call(revoke("wrong", &body)).await.expect(401);
        let calls = shop.sandbox.take_requests();
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0].header("authorization"), Some("Bearer wrong"));
    }
    let wrong = as_grpc(revoke("wrong", &json!({ "all": true })));
    assert_eq!(shop.call(wrong).await.header("grpc-status"), "16");
    assert_eq!(shop.refusal(&valid).await, None);
}

#[tokio::test]
async fn pinned_api_tokens_are_checked_without_the_tenant() {
    let pinned = "pinned-by-the-operator";
    let shop = Shop::with(|builder| builder.pinned_api_tokens([ApiToken::new(pinned).unwrap()]));
    let token = shop.issue(&ada());
    let all = json!({ "all": true });
    shop.call(revoke(Sandbox::API_TOKEN, &all))
        .await
        .expect(401);
    assert_eq!(shop.refusal(&token).await, None);
    shop.call(revoke(pinned, &all)).await.expect(204);
    assert_eq!(shop.refusal(&token).await, Some("revoked"));
    shop.call(revoke(pinned, &json!({ "id": Sandbox::ADA_ID })))
        .await
        .expect(204);
    shop.assert_no_calls();
    // A look-up has the configured API token.
    let identity = json!({ "id": Sandbox::ADA_ID, "id_handle": "profile_id" });
    shop.call(revoke(pinned, &identity)).await.expect(204);
    let calls = shop.sandbox.take_requests();
    assert_eq!(
        calls[0].header("authorization"),
        Some(&*bearer(Sandbox::API_TOKEN))
    );
}

#[tokio::test]
async fn mint_and_revocation_share_the_cache_of_checked_api_tokens() {
    let shop = Shop::with(|builder| builder.verify_cache(Duration::from_secs(60)));
    shop.mint_anonymous().await;
    shop.revoke(&json!({ "all": true })).await.expect(204);
    shop.revoke(&json!({ "id": Sandbox::ADA_ID }))
        .await
        .expect(204);
    shop.assert_no_calls();
    let anonymous = shop
        .post("/auth/token", Sandbox::API_TOKEN, &json!({}))
        .await;
    assert_eq!(anonymous.status, 200);
    shop.assert_no_calls();
    shop.clock.advance(60);
    shop.revoke(&json!({ "all": true })).await.expect(204);
    assert_eq!(shop.sandbox.take_requests().len(), 1);
    // A look-up always calls the tenant.
    let identity = json!({ "id": Sandbox::ADA_ID, "id_handle": "profile_id" });
    shop.revoke(&identity).await.expect(204);
    assert_eq!(shop.sandbox.take_requests().len(), 1);
    // A rejected API token is not cached.
    for _ in 0..2 {
        shop.call(revoke("wrong", &json!({ "all": true })))
            .await
            .expect(401);
        assert_eq!(shop.sandbox.take_requests().len(), 1);
    }
}

#[tokio::test]
async fn an_invalid_body_ends_nothing_and_names_the_field() {
    let shop = Shop::open();
    let token = shop.issue(&ada());
    for (body, field) in [
        (json!({}), "body"),
        (json!([]), "body"),
        (json!({ "all": true, "id": "x" }), "body"),
        (json!({ "all": true, "dry_run": true }), "body"),
        (json!({ "profile_id": Sandbox::ADA_ID }), "body"),
        (json!({ "all": false }), "all"),
        (json!({ "jti": "" }), "jti"),
        (json!({ "id": "../x" }), "id"),
        (
            json!({ "id": Sandbox::ADA_ID, "id_handle": null }),
            "id_handle",
        ),
    ] {
        let response = shop.revoke(&body).await;
        assert_eq!(response.status, 422, "{body}");
        let errors = response.json();
        assert!(errors["errors"][field].is_array(), "{body} {errors}");
        assert!(errors["message"].is_string());
    }
    let empty = request(Method::POST, "/auth/revoke", Sandbox::API_TOKEN);
    shop.call(empty).await.expect(422);
    let mut coded = revoke(Sandbox::API_TOKEN, &json!({ "all": true }));
    coded
        .headers_mut()
        .insert("content-encoding", "gzip".parse().unwrap());
    shop.call(coded).await.expect(415);
    let mut long = request(Method::POST, "/auth/revoke", Sandbox::API_TOKEN);
    *long.body_mut() = Full::from(vec![b' '; 17 * 1024]);
    shop.call(long).await.expect(413);
    shop.assert_no_calls();
    assert_eq!(shop.refusal(&token).await, None);
}

#[tokio::test]
async fn failures_of_the_tenant_end_nothing() {
    for body in [
        json!({ "all": true }),
        json!({ "id": Sandbox::ADA_ID }),
        json!({ "id": Sandbox::ADA_ID, "id_handle": "profile_id" }),
    ] {
        let shop = Shop::open();
        let token = shop.issue(&ada());
        for (status, expected) in [
            (401, 401),
            (403, 403),
            (429, 429),
            (500, 502),
            (503, 503),
            (504, 504),
            (302, 502),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            shop.sandbox.inject(Fault::status(status));
            let response = shop.revoke(&body).await;
            assert_eq!(response.status, expected, "{body} {status}");
        }
        shop.sandbox.inject(Fault::reset());
        shop.revoke(&body).await.expect(502);
        assert_eq!(shop.refusal(&token).await, None, "{body}");
    }
}

#[tokio::test]
async fn a_full_set_or_a_failing_store_is_a_503() {
    let ada_id = json!({ "id": Sandbox::ADA_ID });
    let full = shop_with_full_set();
    let failing = shop_with_failing_store();
    for (shop, cause) in [(&full, None), (&failing, Some("revoked"))] {
        let token = shop.issue(&ada());
        for body in [&ada_id, &json!({ "jti": "x" })] {
            let response = shop.revoke(body).await.expect(503);
            assert_eq!(
                response.rejection,
                Some(RejectionKind::RevocationUnavailable)
            );
            assert_eq!(response.header("retry-after"), "5");
        }
        assert_eq!(shop.refusal(&token).await, cause);
        let grpc = as_grpc(revoke(Sandbox::API_TOKEN, &ada_id));
        assert_eq!(shop.call(grpc).await.header("grpc-status"), "14");
    }
    assert_eq!(full.id.revocations().stats().rejected, 3);
    // The end of all sessions needs no room.
    full.revoke(&json!({ "all": true })).await.expect(204);
    failing.revoke(&json!({ "all": true })).await.expect(503);
}

#[tokio::test]
async fn the_service_alone_checks_callers_as_the_token_endpoint() {
    let tenant = service_fn(async |request: Request<Body>| {
        let known = request
            .extensions()
            .get::<omneo_id::tenant::CallAs>()
            .is_some();
        let status = if known { 200 } else { 500 };
        let body = Body::from(Bytes::from(format!(
            r#"{{"data":{{"id":"{}"}}}}"#,
            Sandbox::ADA_ID
        )));
        Ok::<_, Infallible>(Response::builder().status(status).body(body).unwrap())
    });
    let all = json!({ "all": true });
    let revocations = Revocations::new();
    let endpoint = RevokeEndpoint::new(tenant, revocations.clone());
    for (method, expected) in [
        (Method::GET, 405),
        (Method::DELETE, 405),
        (Method::OPTIONS, 204),
    ] {
        let response = send(endpoint.clone(), request(method, "/", "")).await;
        assert_eq!(response.status(), expected);
        assert_eq!(response.headers()["allow"], "POST");
    }
    assert_eq!(send(endpoint.clone(), revoke("", &all)).await.status(), 401);
    assert_eq!(
        send(endpoint.clone(), revoke("t", &all)).await.status(),
        204
    );
    let token = omneo_id::TokenIssuer::new(ring()).issue(&ada()).unwrap();
    let verifier = omneo_id::TokenVerifier::new(ring()).with_revocations(revocations.clone());
    assert!(verifier.verify(token.token()).is_err());

    let pinned = endpoint
        .clone()
        .with_pinned_api_tokens([ApiToken::new("api-secret").unwrap()]);
    assert_eq!(send(pinned.clone(), revoke("t", &all)).await.status(), 401);
    assert_eq!(send(pinned, revoke("api-secret", &all)).await.status(), 204);
    let mint = TokenEndpoint::new(tenant, omneo_id::TokenIssuer::new(ring()))
        .with_pinned_api_tokens([ApiToken::new("api-secret").unwrap()]);
    let beside = mint.revoke_endpoint(revocations);
    assert_eq!(send(beside.clone(), revoke("t", &all)).await.status(), 401);
    assert_eq!(send(beside, revoke("api-secret", &all)).await.status(), 204);
    for ttl in [
        Duration::ZERO,
        Duration::from_secs(61),
        Duration::from_millis(1500),
    ] {
        assert!(endpoint.clone().with_verify_cache(ttl).is_err());
    }
    let cached = endpoint.with_verify_cache(Duration::from_secs(60)).unwrap();
    let debug = format!("{:?}", cached.with_inner(()));
    assert!(debug.contains("60"), "{debug}");
}
