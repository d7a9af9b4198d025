//! The authentication of the application's own routes, per tenant.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Waker};

use http::{Request, Response, header};
use omneo_id::auth::AuthMode;
use omneo_id::identity::VerifiedToken;
use omneo_id::sandbox::Sandbox;
use omneo_id::tenants::{LoadedTenant, TenantAuthLayer, TenantCache, TenantKey};
use omneo_id::{OmneoIdTenants, Rejection, RejectionKind, Subject};
use serde_json::json;
use tower::{Layer, Service, ServiceExt, service_fn};

use super::{Mall, Network, api_token, builder, by_host, key};
use crate::support::bearer;

/// The application: responds with the extensions of the request.
fn application(request: &Request<()>) -> Ready<Result<Response<String>, Infallible>> {
    let extensions = request.extensions();
    let tenant = extensions.get::<TenantKey>().map(TenantKey::as_str);
    let subject = extensions.get().map(VerifiedToken::subject);
    let subject = subject.map(Subject::as_pid);
    ready(Ok(Response::new(format!("{tenant:?} {subject:?}"))))
}

/// The application's response to a request with this token, or the rejection.
async fn call(layer: &TenantAuthLayer, name: &str, token: &str) -> Result<String, Response<()>> {
    let mut request = Request::get("/account").header(header::HOST, format!("{name}.shop.test"));
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, bearer(token));
    }
    let service = layer.layer(service_fn(|request| application(&request)));
    let Ok(response) = service.oneshot(request.body(()).unwrap()).await;
    let expected = (name != "other").then(|| key(name));
    assert_eq!(response.extensions().get::<TenantKey>().copied(), expected);
    if response.extensions().get::<Rejection>().is_some() {
        return Err(response.map(drop));
    }
    let body = http_body_util::BodyExt::collect(response.into_body()).await;
    Ok(String::from_utf8(body.unwrap().to_bytes().to_vec()).unwrap())
}

fn kind(response: &Response<()>) -> RejectionKind {
    response.extensions().get().map(Rejection::kind).unwrap()
}

#[tokio::test]
async fn a_route_of_the_application_accepts_the_tokens_of_the_requests_tenant() {
    let mall = Mall::open();
    let layer = mall.tenants.auth_layer();
    for (own, other) in [("acme", "brand"), ("brand", "acme")] {
        let token = mall.mint_for_ada(own).await;
        let expected = format!("Some({own:?}) Some({:?})", Sandbox::ADA_ID);
        for _ in 0..2 {
            assert_eq!(call(&layer, own, &token).await.unwrap(), expected);
            let rejected = call(&layer, other, &token).await.unwrap_err();
            assert_eq!(
                (rejected.status().as_u16(), kind(&rejected)),
                (401, RejectionKind::InvalidToken)
            );
        }
        let rejected = call(&layer, own, "").await.unwrap_err();
        assert_eq!(kind(&rejected), RejectionKind::MissingCredentials);
        let rejected = call(&layer, "other", &token).await.unwrap_err();
        assert_eq!(
            (rejected.status().as_u16(), kind(&rejected)),
            (404, RejectionKind::NotFound)
        );
    }
}

#[tokio::test]
async fn a_session_that_ends_is_ended_on_the_applications_routes() {
    let mall = Mall::open();
    let layer = mall.tenants.auth_layer();
    let [acme, brand] = [
        mall.mint_for_ada("acme").await,
        mall.mint_for_ada("brand").await,
    ];
    let all = json!({ "all": true });
    mall.post("acme", "/auth/revoke", &api_token("acme"), &all)
        .await
        .expect(204);
    assert!(call(&layer, "acme", &acme).await.is_err());
    assert!(call(&layer, "brand", &brand).await.is_ok());
    // The layer follows the tenants of the service.
    let mut set = (*mall.tenants.tenants()).clone();
    set.remove(key("brand"));
    mall.tenants.replace(set);
    let service = layer.layer(service_fn(|request| application(&request)));
    let request = Request::get("/").header(header::HOST, "brand.shop.test");
    let Ok(response) = service.oneshot(request.body(()).unwrap()).await;
    assert_eq!(response.status(), 404);
}

#[tokio::test]
async fn the_layer_of_each_tenant_can_be_changed() {
    let mall = Mall::open();
    let layer = mall.tenants.auth_layer();
    let layer = layer.map_layer(|layer| layer.with_mode(AuthMode::Optional));
    assert_eq!(
        call(&layer, "acme", "").await.unwrap(),
        r#"Some("acme") None"#
    );
    let token = mall.mint_for_ada("acme").await;
    assert!(call(&layer, "acme", &token).await.is_ok());
    assert!(
        call(&layer, "brand", &token).await.is_err(),
        "a bad token is not optional"
    );
}

type Inner = tower_test::mock::Mock<Request<()>, Response<String>>;

#[tokio::test]
async fn the_inner_service_that_was_ready_is_the_one_that_is_called() {
    let mall = Mall::open();
    let token = mall.mint_for_ada("acme").await;
    // A tenant of a source is loaded while the inner service stays ready.
    let clock = mall.clock.clone();
    let source = TenantCache::new(move |tenant: TenantKey| {
        let loaded = LoadedTenant::new(builder(tenant.as_str(), &clock), "1");
        ready(Ok(Some(loaded)))
    });
    let from_source = OmneoIdTenants::from_source(by_host(), source, Network::of(&[]));
    for layer in [mall.tenants.auth_layer(), from_source.auth_layer()] {
        let (inner, mut handle): (Inner, _) = tower_test::mock::pair();
        let mut service = layer.layer(inner);
        handle.allow(0);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(service.poll_ready(&mut cx).is_pending());
        for _ in 0..2 {
            handle.allow(1);
            assert!(service.poll_ready(&mut cx).is_ready());
            let request = Request::get("/")
                .header(header::HOST, "acme.shop.test")
                .header(header::AUTHORIZATION, bearer(&token));
            let call = service.call(request.body(()).unwrap());
            let respond = async {
                let (request, respond) = handle.next_request().await.unwrap();
                assert_eq!(request.extensions().get(), Some(&key("acme")));
                respond.send_response(Response::new(String::new()));
            };
            let (response, ()) = tokio::join!(call, respond);
            let response = response.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(response.extensions().get(), Some(&key("acme")));
        }
    }
}
