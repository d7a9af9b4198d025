//! The service in front of the tenants: unknown tenants, extensions, readiness.

use std::convert::Infallible;
use std::future::poll_fn;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use omneo_id::report::Report;
use omneo_id::sandbox::Sandbox;
use omneo_id::tenants::{OneTenant, TenantKey, TenantSet};
use omneo_id::upstream::RequestBody;
use omneo_id::{Body, OmneoIdTenants, Rejection, RejectionKind, Subject};
use serde_json::json;
use tower::{Service, ServiceExt};

use super::{Mall, builder, key, request_to, send};
use crate::support::logs::Log;
use crate::support::{CollectedResponse, TestClock, bearer};

#[tokio::test]
async fn an_unknown_tenant_is_rejected_with_the_bytes_of_an_unknown_route() {
    let mall = Mall::open();
    for content_type in ["text/plain", "application/grpc", "application/grpc-web"] {
        for method in ["GET", "HEAD", "POST", "OPTIONS", "DELETE"] {
            let request = |path: &str| {
                Request::builder()
                    .method(method)
                    .uri(path.to_owned())
                    .header("content-type", content_type)
            };
            let route = mall.send("acme", request("/no/route"), "").await;
            for path in ["/profiles/me", "/no/route", "/auth/token"] {
                for name in ["other", "a.b", "x", ""] {
                    let unknown = mall.send(name, request(path), "").await;
                    assert_eq!(unknown.status, route.status);
                    assert_eq!(unknown.headers, route.headers);
                    assert_eq!(unknown.body, route.body);
                    assert_eq!(unknown.rejection, Some(RejectionKind::NotFound));
                    assert_eq!(unknown.rejection, route.rejection);
                }
            }
        }
    }
}

#[tokio::test]
async fn the_extensions_of_a_known_tenant_have_its_key() {
    let mall = Mall::open();
    let token = mall.mint_for_ada("acme").await;
    let get = |path: &str, token: &str| {
        Request::get(path.to_owned()).header("authorization", bearer(token))
    };
    for (name, path, token, status) in [
        ("acme", "/profiles/me", &*token, 200),
        ("acme", "/profiles/me", "x", 401),
        ("acme", "/no/route", "x", 404),
        ("brand", "/profiles/me", &token, 401),
        ("other", "/profiles/me", &token, 404),
    ] {
        // The key of a request is that of its tenant, whatever the host has inserted.
        let request = request_to(name, get(path, token).extension(key("inserted")), "");
        let response = mall.tenants.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), status);
        let expected = (name != "other").then(|| key(name));
        let extensions = response.extensions();
        assert_eq!(
            extensions.get::<TenantKey>().copied(),
            expected,
            "{name} {path}"
        );
        assert!(extensions.get::<Report>().is_some(), "{name} {path}");
    }
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn the_span_of_a_request_has_the_key_of_its_tenant() {
    let mall = Mall::open();
    let (log, _guard) = Log::capture();
    for name in ["acme", "other"] {
        mall.get(name, "/profiles/me", "x").await;
    }
    let text = log.text();
    let span =
        r#"request{http.request.method="GET" tenant.key="acme" tenant.address="api.acme.test""#;
    assert!(text.contains(span), "{text}");
    assert!(!text.contains("other"), "{text}");
}

/// A client whose readiness is checked: a call without it panics.
type MockClient = tower_test::mock::Mock<Request<RequestBody>, Response<Body>>;
type MockHandle = tower_test::mock::Handle<Request<RequestBody>, Response<Body>>;

fn mocked() -> (OmneoIdTenants<MockClient>, MockHandle, String) {
    let clock = TestClock::start();
    let set = TenantSet::single(builder("acme", &clock)).unwrap();
    let issuer = set.get(TenantKey::DEFAULT).unwrap().issuer();
    let token = issuer.issue(&Subject::Anonymous).unwrap().into_token();
    let (client, handle) = tower_test::mock::pair();
    (
        OmneoIdTenants::new(OneTenant::default(), set, client),
        handle,
        token,
    )
}

fn locations(token: &str) -> Request<Full<Bytes>> {
    let request = Request::get("/locations").header("authorization", bearer(token));
    request.body(Full::default()).unwrap()
}

#[tokio::test]
async fn the_client_that_was_ready_is_the_one_that_is_called() {
    let (mut tenants, mut handle, token) = mocked();
    handle.allow(0);
    let ready = |tenants: &mut OmneoIdTenants<MockClient>| {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        Service::<Request<Full<Bytes>>>::poll_ready(tenants, &mut cx)
    };
    assert!(ready(&mut tenants).is_pending(), "the client is not ready");
    for _ in 0..3 {
        handle.allow(1);
        assert!(ready(&mut tenants).is_ready());
        let call = tenants.call(locations(&token));
        let respond = async {
            let (request, respond) = handle.next_request().await.unwrap();
            assert_eq!(request.uri(), "https://api.acme.test/api/v3/locations");
            respond.send_response(Response::new(Body::empty()));
        };
        let (response, ()) = tokio::join!(call, respond);
        assert_eq!(response.unwrap().status(), 200);
        assert!(ready(&mut tenants).is_pending(), "readiness is used once");
    }
}

/// A rejection needs no client: the readiness is kept for the next request.
#[tokio::test]
async fn a_request_of_an_unknown_tenant_keeps_the_readiness_of_the_client() {
    let clock = TestClock::start();
    let mut set = TenantSet::new();
    set.insert(key("acme"), builder("acme", &clock)).unwrap();
    let issuer = set.get(key("acme")).unwrap().issuer();
    let token = issuer.issue(&Subject::Anonymous).unwrap().into_token();
    let (client, mut handle): (MockClient, _) = tower_test::mock::pair();
    let mut tenants = OmneoIdTenants::new(super::by_host(), set, client);
    handle.allow(1);
    poll_fn(|cx| Service::<Request<Full<Bytes>>>::poll_ready(&mut tenants, cx))
        .await
        .unwrap();
    let unknown = tenants
        .call(request_to("other", Request::get("/locations"), ""))
        .await;
    assert_eq!(unknown.unwrap().status(), 404);
    let request = Request::get("/locations").header("authorization", bearer(&token));
    let call = tenants.call(request_to("acme", request, ""));
    let respond = async {
        let (_, respond) = handle.next_request().await.unwrap();
        respond.send_response(Response::new(Body::empty()));
    };
    let (response, ()) = tokio::join!(call, respond);
    assert_eq!(response.unwrap().status(), 200);
}

#[tokio::test]
async fn an_error_of_the_clients_readiness_rejects_the_next_call() {
    let (tenants, mut handle, token) = mocked();
    handle.send_error("the client is closed");
    let response = tenants.oneshot(locations(&token)).await.unwrap();
    assert_eq!(response.status(), 502);
    let rejection: &Rejection = response.extensions().get().unwrap();
    assert_eq!(rejection.kind(), RejectionKind::TenantUnreachable);
}

#[tokio::test]
async fn a_service_over_another_client_has_the_same_tenants() {
    let mall = Mall::open();
    let token = mall.mint_for_ada("acme").await;
    let other = mall.tenants.with_client(mall.network.clone());
    let me = || Request::get("/profiles/me").header("authorization", bearer(&token));
    send(&other, "acme", me(), "").await.expect(200);
    assert_eq!(other.client().0.len(), 2);
    let mut set = (*mall.tenants.tenants()).clone();
    set.remove(key("acme"));
    mall.tenants.replace(set);
    send(&other, "acme", me(), "").await.expect(404);
}

/// As `OmneoId`, the service can be nested in a router of axum, and it strips the mount itself
/// under raw hyper.
#[tokio::test]
async fn tenants_are_served_below_a_mount() {
    let mall = Mall::with(|_, builder| builder.mount("/id/api/v1"));
    let body = json!({ "id": Sandbox::ADA_ID });
    let token = super::api_token("acme");
    mall.post("acme", "/id/api/v1/auth/token", &token, &body)
        .await
        .expect(200);
    mall.post("acme", "/auth/token", &token, &body)
        .await
        .expect(404);

    let mall = Mall::open();
    let app = axum::Router::new().nest_service("/id/api/v1", mall.tenants.clone());
    let request = Request::post("/id/api/v1/auth/token")
        .header("authorization", bearer(&token))
        .header("content-type", "application/json");
    let request = request_to("acme", request, body.to_string());
    let response: Result<_, Infallible> = app.oneshot(request.map(axum::body::Body::new)).await;
    CollectedResponse::collect(response.unwrap().map(Body::new))
        .await
        .expect(200);
}

#[test]
fn the_public_types_are_shared_between_threads() {
    fn shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    let mall = Mall::open();
    shared(&mall.tenants);
    shared(&mall.tenants.auth_layer());
    shared(&mall.tenants.tenants());
    assert!(format!("{:?}", mall.tenants).contains("acme"));
}
