//! The sessions of a profile that its owner deletes.

use http::{Method, StatusCode};
use omneo_id::sandbox::{Fault, Sandbox};
use omneo_id::upstream::RequestBody;
use omneo_id::{AccessPolicy, OmneoId, Subject};
use tower::service_fn;

use super::*;

#[tokio::test]
async fn a_deletion_or_purge_ends_the_sessions_of_the_profile() {
    for (method, uri) in [
        (Method::DELETE, "/profiles/me"),
        (Method::DELETE, "/profiles/me/"),
        (Method::DELETE, "//profiles//me?reason=1"),
        (Method::DELETE, "/profiles/me/purge"),
        (Method::POST, "/profiles/me/purge"),
        (Method::POST, "//profiles/me//purge/"),
    ] {
        let shop = Shop::open();
        let (token, other) = (shop.issue(&ada()), shop.issue(&ada()));
        let of_grace = shop.issue(&grace());
        let response = shop.call(request(method.clone(), uri, &token)).await;
        assert!(response.status.is_success(), "{method} {uri} {response:?}");
        assert_eq!(shop.sandbox.take_requests().len(), 1);
        assert!(
            shop.sandbox.profile(Sandbox::ADA_ID).is_none(),
            "{method} {uri}"
        );
        for token in [&token, &other] {
            assert_eq!(shop.refusal(token).await, Some("revoked"), "{method} {uri}");
            let response = shop.get("/profiles/me", token).await;
            assert_eq!(response.status, 401);
        }
        assert_eq!(shop.refusal(&of_grace).await, None);
        let again = shop.call(request(method, uri, &token)).await;
        assert_eq!(again.status, 401);
        shop.assert_no_calls();
    }
}

/// A service in front of a tenant that responses every request with this status.
fn in_front_of(
    status: u16,
    policy: AccessPolicy,
) -> OmneoId<
    impl Service<
        Request<RequestBody>,
        Response = Response<Full<Bytes>>,
        Error = Infallible,
        Future: Send,
    > + Clone
    + Send,
> {
    let client = service_fn(move |_: Request<RequestBody>| async move {
        let body = Full::from(if status == 204 || status == 304 {
            ""
        } else {
            "{}"
        });
        Ok::<_, Infallible>(Response::builder().status(status).body(body).unwrap())
    });
    OmneoId::builder()
        .upstream("https://api.acme.test")
        .unwrap()
        .api_token("api-secret")
        .signing_key(SigningKey::hs256(SECRET).unwrap())
        .access_policy(policy)
        .build_with_client(client)
        .unwrap()
}

#[tokio::test]
async fn only_a_2xx_of_the_tenant_ends_sessions() {
    for (status, ends) in [
        (200, true),
        (202, true),
        (204, true),
        (301, false),
        (304, false),
        (400, false),
        (401, false),
        (403, false),
        (404, false),
        (409, false),
        (422, false),
        (429, false),
        (500, false),
        (503, false),
    ] {
        for (method, uri) in [
            (Method::DELETE, "/profiles/me"),
            (Method::POST, "/profiles/me/purge"),
        ] {
            let id = in_front_of(status, AccessPolicy::allow_all());
            let token = id.issuer().issue(&ada()).unwrap();
            let deletion = request(method, uri, token.token());
            let response = send(id.clone(), deletion).await;
            if status != 401 && status < 500 {
                assert_eq!(response.status(), status);
            }
            let next = send(
                id.clone(),
                request(Method::GET, "/profiles/me", token.token()),
            )
            .await;
            assert_eq!(cause(&next) == Some("revoked"), ends, "{status}");
        }
    }
}

#[tokio::test]
async fn other_requests_below_me_end_no_session() {
    for (method, uri) in [
        (Method::GET, "/profiles/me"),
        (Method::PUT, "/profiles/me"),
        (Method::POST, "/profiles/me"),
        (Method::DELETE, "/profiles/me/lists/1"),
        (Method::DELETE, "/profiles/me/lists/purge"),
        (Method::GET, "/profiles/me/purge"),
        (Method::PUT, "/profiles/me/purge"),
        (Method::POST, "/profiles/me/purge/x"),
    ] {
        let id = in_front_of(200, AccessPolicy::allow_all());
        let token = id.issuer().issue(&ada()).unwrap();
        let response = send(id.clone(), request(method.clone(), uri, token.token())).await;
        assert_eq!(response.status(), 200, "{method} {uri}");
        assert_eq!(id.revocations().stats().entries, 0, "{method} {uri}");
    }
}

#[tokio::test]
async fn a_deletion_that_is_not_forwarded_ends_no_session() {
    let denied = AccessPolicy::allow_all().deny("DELETE", "/").unwrap();
    let id = in_front_of(204, denied.deny("*", "/purge").unwrap());
    let token = id.issuer().issue(&ada()).unwrap().into_token();
    let anonymous = id.issuer().issue(&Subject::Anonymous).unwrap().into_token();
    for (method, uri, token, expected) in [
        (Method::DELETE, "/profiles/me", &*token, 405),
        (Method::DELETE, "/profiles/me/purge", &token, 403),
        (Method::POST, "/profiles/me/purge", &token, 403),
        (Method::DELETE, "/profiles/me?identity[x]=1", &token, 405),
        (Method::DELETE, "/profiles/me", &anonymous, 404),
        (Method::DELETE, "/profiles/me", "x", 401),
        (Method::DELETE, "/profiles/me", "", 401),
    ] {
        let deletion = request(method, uri, token);
        assert_eq!(send(id.clone(), deletion).await.status(), expected, "{uri}");
    }
    // A gRPC rejection has status 200.
    let grpc = send(
        id.clone(),
        as_grpc(request(Method::DELETE, "/profiles/me", &token)),
    )
    .await;
    assert_eq!(grpc.status(), 200);
    assert_eq!(id.revocations().stats().entries, 0);

    // With a policy that permits it, the body of a purge is read before.
    let policy = AccessPolicy::deny_all().allow("POST", "/purge").unwrap();
    let id = in_front_of(204, policy);
    let token = id.issuer().issue(&ada()).unwrap();
    let purge = json_body(
        request(Method::POST, "/profiles/me/purge", token.token()),
        &json!({ "reason": "x" }),
    );
    let mut purge = purge;
    purge
        .headers_mut()
        .insert("content-type", "application/json".parse().unwrap());
    assert_eq!(send(id.clone(), purge).await.status(), 204);
    assert_eq!(id.revocations().stats().entries, 1);
}

#[tokio::test]
async fn a_deletion_whose_sessions_cannot_be_ended_stays_a_success() {
    for (shop, cause) in [
        (shop_with_full_set(), None),
        (shop_with_failing_store(), Some("revoked")),
    ] {
        let token = shop.issue(&ada());
        let (log, _guard) = crate::support::logs::Log::capture();
        let response = shop
            .call(request(Method::DELETE, "/profiles/me", &token))
            .await;
        assert!(response.status.is_success());
        assert!(
            log.text()
                .contains("the sessions of a deleted profile were not ended")
        );
        assert_eq!(shop.refusal(&token).await, cause);
    }
}

#[tokio::test]
async fn a_deletion_without_an_answer_ends_no_session() {
    let shop = Shop::open();
    let token = shop.issue(&ada());
    shop.sandbox
        .inject(Fault::status(StatusCode::BAD_GATEWAY).after_effect());
    let deletion = request(Method::DELETE, "/profiles/me", &token);
    assert_eq!(send(shop.id.clone(), deletion).await.status(), 502);
    assert_eq!(shop.refusal(&token).await, None);
}
