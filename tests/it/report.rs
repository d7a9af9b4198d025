//! Reports, statistics and spans: the data about requests for hosts and operators.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use omneo_id::client::{ClientStats, HttpClient};
use omneo_id::report::{Report, Route, TokenCheck};
use omneo_id::sandbox::{Fault, Sandbox};
use omneo_id::{Body, Keyring, OmneoId, Rejection, SigningKey, Subject, TokenIssuer};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::logs::Log;
use crate::support::{SECRET, Shop, bearer};
use crate::upstream::tenants::raw;

/// Sends a request, with this token or without one.
async fn send(
    shop: &Shop,
    method: &str,
    uri: &str,
    token: Option<&str>,
    body: &Value,
) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(uri);
    if let Some(token) = token {
        request = request.header("authorization", bearer(token));
    }
    let request = request
        .header("content-type", "application/json")
        .extension("of the host")
        .body(Full::<Bytes>::from(body.to_string()))
        .unwrap();
    shop.id.clone().oneshot(request).await.unwrap()
}

fn report<B>(response: &Response<B>) -> Report {
    *response.extensions().get().expect("a report")
}

/// The number of tenant calls, and the status of the last one.
fn calls(report: Report) -> Option<(u32, Option<u16>)> {
    let tenant = report.tenant()?;
    let status = tenant.status();
    Some((tenant.calls(), status.map(|status| status.as_u16())))
}

#[tokio::test]
async fn every_response_has_a_report_of_its_request() {
    use Route::{Location, Locations, Me, MeResource, Profiles, Revoke, Token};
    use TokenCheck::{Cached, Verified};

    let shop = Shop::open();
    let ada = shop.mint_for_ada().await;
    let anonymous = shop.mint_anonymous().await;
    let (ada, anonymous, api) = (Some(&*ada), Some(&*anonymous), Some(Sandbox::API_TOKEN));
    let mail = json!({
        "email": "ada.lovelace@example.com",
        "attributes": {"comms": {"email_promo": true}},
    });
    let (none, all) = (json!({}), json!({"all": true}));
    let one = Some((1, Some(200)));
    for (method, uri, token, body, route, check, tenant) in [
        (
            "GET",
            "/profiles/me",
            ada,
            &none,
            Some(Me),
            Some(Verified),
            one,
        ),
        (
            "GET",
            "/profiles/me",
            ada,
            &none,
            Some(Me),
            Some(Cached),
            one,
        ),
        (
            "GET",
            "//profiles/me//",
            ada,
            &none,
            Some(Me),
            Some(Cached),
            one,
        ),
        (
            "GET",
            "/profiles/me/transactions",
            ada,
            &none,
            Some(MeResource),
            Some(Cached),
            one,
        ),
        ("GET", "/profiles/me", None, &none, Some(Me), None, None),
        (
            "GET",
            "/profiles/me/x",
            None,
            &none,
            Some(MeResource),
            None,
            None,
        ),
        (
            "TRACE",
            "/profiles/me/x",
            ada,
            &none,
            Some(MeResource),
            None,
            None,
        ),
        (
            "OPTIONS",
            "/profiles/me/x",
            None,
            &none,
            Some(MeResource),
            None,
            None,
        ),
        (
            "POST",
            "/locations/1",
            ada,
            &none,
            Some(Location),
            None,
            None,
        ),
        ("GET", "/profiles/me/../x", ada, &none, None, None, None),
        (
            "GET",
            "/profiles/me",
            anonymous,
            &none,
            Some(Me),
            Some(Verified),
            None,
        ),
        ("OPTIONS", "/profiles/me", None, &none, Some(Me), None, None),
        ("TRACE", "/profiles/me", ada, &none, Some(Me), None, None),
        (
            "GET",
            "/locations",
            anonymous,
            &none,
            Some(Locations),
            Some(Cached),
            one,
        ),
        (
            "GET",
            "/locations/0",
            ada,
            &none,
            Some(Location),
            Some(Cached),
            Some((1, Some(404))),
        ),
        (
            "POST",
            "/profiles",
            anonymous,
            &mail,
            Some(Profiles),
            Some(Cached),
            Some((2, Some(200))),
        ),
        (
            "POST",
            "/profiles",
            api,
            &mail,
            Some(Profiles),
            None,
            Some((2, Some(200))),
        ),
        (
            "POST",
            "/profiles",
            anonymous,
            &none,
            Some(Profiles),
            Some(Cached),
            None,
        ),
        ("POST", "/auth/token", api, &none, Some(Token), None, one),
        ("POST", "/auth/token", ada, &none, Some(Token), None, None),
        ("GET", "/auth/token", api, &none, Some(Token), None, None),
        ("POST", "/auth/revoke", api, &all, Some(Revoke), None, one),
        ("POST", "/auth/revoke", api, &none, Some(Revoke), None, None),
        ("POST", "/auth/revoke", ada, &all, Some(Revoke), None, None),
        ("DELETE", "/auth/token", ada, &none, Some(Token), None, None),
        (
            "DELETE",
            "/auth/token",
            None,
            &none,
            Some(Token),
            None,
            None,
        ),
        ("POST", "/auth/refresh", ada, &none, None, None, None),
        ("GET", "/auth/jwks", None, &none, None, None, None),
        ("GET", "/nothing", ada, &none, None, None, None),
    ] {
        let response = send(&shop, method, uri, token, body).await;
        let report = report(&response);
        assert_eq!(report.route(), route, "{method} {uri}");
        assert_eq!(report.token(), check, "{method} {uri}");
        assert_eq!(calls(report), tenant, "{method} {uri}");
        assert!(
            response.extensions().get::<&str>().is_none(),
            "it stays with the request"
        );
        drop(response.into_body().collect().await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn the_report_has_the_failure_of_the_tenant() {
    let shop = Shop::with(|builder| builder.head_timeout(Duration::from_secs(7)));
    let ada = shop.mint_for_ada().await;
    for (fault, status, seconds) in [
        (
            Fault::status(StatusCode::INTERNAL_SERVER_ERROR),
            Some(500),
            0,
        ),
        (Fault::status(StatusCode::UNAUTHORIZED), Some(401), 0),
        (Fault::reset(), None, 0),
        (Fault::stall(), None, 7),
        (Fault::latency(Duration::from_secs(3)), Some(200), 3),
    ] {
        shop.sandbox.inject(fault);
        let response = send(&shop, "GET", "/profiles/me", Some(&ada), &json!({})).await;
        let report = report(&response);
        assert_eq!(calls(report), Some((1, status)));
        assert_eq!(report.tenant().unwrap().latency().as_secs(), seconds);
        let refused = response.extensions().get::<Rejection>().is_some();
        assert_eq!(refused, status != Some(200));
    }
}

#[tokio::test]
async fn stats_count_cached_tokens_and_calls_in_flight() {
    let shop = Shop::with(|builder| builder.max_in_flight(9));
    let ada = shop.mint_for_ada().await;
    let before = shop.id.stats();
    assert_eq!((before.in_flight, before.max_in_flight), (0, 9));
    assert_eq!((before.token_cache.hits, before.token_cache.misses), (0, 0));
    let response = send(&shop, "GET", "/profiles/me", Some(&ada), &json!({})).await;
    assert_eq!(shop.id.stats().in_flight, 1, "its body is not read yet");
    drop(response);
    assert_eq!(shop.id.stats().in_flight, 0);
    shop.get("/profiles/me", &ada).await;
    shop.get("/profiles/me", "eyJ.of.nobody").await;
    let cache = shop
        .id
        .with_client(shop.sandbox.clone())
        .stats()
        .token_cache;
    assert_eq!((cache.hits, cache.misses, cache.len), (1, 1, 1));
    assert!(cache.capacity >= cache.len);
}

#[tokio::test]
async fn the_token_cache_has_the_configured_capacity() {
    for (capacity, hits) in [(0, 0), (2, 2), (3, 3), (100, 3)] {
        let shop = Shop::with(|builder| builder.token_cache_capacity(capacity));
        let mut tokens = Vec::new();
        for _ in 0..3 {
            tokens.push(shop.mint_for_ada().await);
            shop.clock.advance(1);
        }
        for token in tokens.iter().chain(&tokens) {
            assert_eq!(shop.get("/locations", token).await.status, StatusCode::OK);
        }
        let cache = shop.id.stats().token_cache;
        assert_eq!((cache.capacity, cache.len), (capacity, capacity.min(3)));
        // The cache chooses which entries it evicts.
        assert!(cache.hits <= hits, "{capacity}: {}", cache.hits);
        assert!(
            cache.hits == hits || capacity == 2,
            "{capacity}: {}",
            cache.hits
        );
        assert_eq!(cache.hits + cache.misses, 6);
    }
}

/// Omneo ID in front of a tenant that responds with a body of `length` bytes.
async fn in_front_of(length: usize) -> OmneoId<HttpClient> {
    let body = " ".repeat(length);
    let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
    OmneoId::builder()
        .upstream(&raw(response, false).await)
        .unwrap()
        .api_token("the-api-token")
        .signing_key(SigningKey::hs256(SECRET).unwrap())
        .build()
        .unwrap()
}

#[tokio::test]
async fn client_stats_count_connections() {
    let ring = Keyring::new(SigningKey::hs256(SECRET).unwrap());
    let token = TokenIssuer::new(ring).issue(&Subject::Anonymous).unwrap();
    let send = |id: &OmneoId<HttpClient>| {
        let request = Request::get("/locations").header("authorization", bearer(token.token()));
        id.clone().oneshot(request.body(Body::empty()).unwrap())
    };
    let counts = |id: &OmneoId<HttpClient>| {
        let stats = id.client().stats();
        (stats.opened, stats.open, stats.idle)
    };
    // A body that arrives with its head releases the connection at once, even if it is not read.
    let id = in_front_of(2).await;
    assert_eq!(counts(&id), (0, 0, 0));
    let first = send(&id).await.unwrap();
    assert_eq!(counts(&id), (1, 1, 1));
    first.into_body().collect().await.unwrap();
    drop(send(&id).await.unwrap());
    assert_eq!(counts(&id), (1, 1, 1));

    let id = in_front_of(1 << 20).await;
    let first = send(&id).await.unwrap();
    assert_eq!(counts(&id), (1, 1, 0));
    first.into_body().collect().await.unwrap();
    assert_eq!(counts(&id), (1, 1, 1));
    let both = [send(&id).await.unwrap(), send(&id).await.unwrap()];
    assert_eq!(counts(&id), (2, 2, 0));
    for response in both {
        response.into_body().collect().await.unwrap();
    }
    assert_eq!(counts(&id), (2, 2, 2));
    let sum: ClientStats = [id.client().stats(); 2].into_iter().sum();
    assert_eq!((sum.opened, sum.open, sum.idle), (4, 4, 4));
}

#[tokio::test]
async fn each_request_has_one_span_with_its_fields() {
    let shop = Shop::open();
    let ada = shop.mint_for_ada().await;
    let (log, _guard) = Log::capture();
    let get = |uri: &str, id: &str| {
        Request::get(uri.to_owned())
            .header("authorization", bearer(&ada))
            .header("x-request-id", id)
    };
    shop.sandbox.inject(Fault::status(StatusCode::BAD_GATEWAY));
    shop.send(get("/profiles/me?email=ada@example.com", "r-1"), "")
        .await;
    let text = log.text();
    let [line] = &text.lines().collect::<Vec<_>>()[..] else {
        panic!("{text}");
    };
    for words in [
        r#"request{http.request.method="GET" request.id="r-1" tenant.address="api.sandbox.getomneo.com"}"#,
        "the tenant failed",
        r#"error.type="tenant_failed""#,
    ] {
        assert!(line.contains(words), "{words} in {line}");
    }
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn invented_methods_and_request_ids_are_not_in_the_span() {
    let shop = Shop::open();
    let (log, _guard) = Log::capture();
    for id in ["ada@example.com", "+61412323123", &"a".repeat(65)] {
        let request = Request::get("/profiles/me").header("x-request-id", id);
        shop.send(request.method("ADA"), "").await;
    }
    let text = log.text();
    assert!(text.contains(r#"http.request.method="_OTHER""#), "{text}");
    assert!(!text.contains("request.id"), "{text}");
}

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn a_valid_trace_context_is_forwarded_to_the_tenant() {
    let shop = Shop::open();
    let ada = shop.mint_for_ada().await;
    let mail = json!({"email": "someone.new@example.com"}).to_string();
    for (parents, passes) in [
        (&[PARENT][..], true),
        (&[], false),
        (&["00-ada@example.com"], false),
        (&[PARENT, PARENT], false),
    ] {
        for (method, uri, token, body) in [
            ("GET", "/profiles/me", &*ada, ""),
            ("GET", "/locations", &ada, ""),
            ("POST", "/profiles", &ada, &mail),
            ("POST", "/auth/token", Sandbox::API_TOKEN, "{}"),
        ] {
            let mut request = Request::builder()
                .method(method)
                .uri(uri)
                .header("authorization", bearer(token))
                .header("content-type", "application/json")
                .header("tracestate", "a=1")
                .header("tracestate", "b=2");
            for parent in parents {
                request = request.header("traceparent", *parent);
            }
            let response = shop.send(request, body.to_owned()).await;
            assert!(response.status.is_success(), "{method} {uri}");
            let seen = shop.sandbox.take_requests();
            assert!(!seen.is_empty());
            for seen in seen {
                let expected = passes.then_some(PARENT);
                assert_eq!(seen.header("traceparent"), expected, "{uri} {parents:?}");
                let state = seen.headers.get_all("tracestate").iter();
                let expected = if passes { &["a=1", "b=2"][..] } else { &[] };
                assert!(state.eq(expected), "{uri} {parents:?}");
            }
        }
    }
}
