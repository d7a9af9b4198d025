//! Issuer and token endpoint, through the public API.

mod patience;
mod readiness;
mod request;
mod tenant_responses;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use omneo_id::error::{BoxError, ConfigErrorKind};
use omneo_id::identity::VerifiedToken;
use omneo_id::keys::KeySet;
use omneo_id::tenant::{AllowForward, CallAs};
use omneo_id::{
    ApiToken, Body, Rejection, RejectionKind, Subject, TokenEndpoint, TokenIssuer, TokenVerifier,
};
use omneo_id::{Keyring, SigningKey, VerifyingKey};
use serde_json::{Value, json};
use tower::{Service, ServiceExt, service_fn};

const NOW: u64 = 1_700_000_000;
const PID: &str = "3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10";
/// A token as Laravel generates it, with a character outside the alphabet of RFC 6750.
const API_TOKEN: &str = "7|the-callers-api-token";

fn ring() -> Keyring {
    crate::support::logs::watch();
    Keyring::new(SigningKey::hs256("a secret of more than thirty-two bytes").unwrap())
}

fn issuer() -> TokenIssuer {
    TokenIssuer::new(ring()).with_clock(|| NOW)
}

fn subject_of(token: &str) -> Subject {
    let verifier = TokenVerifier::new(ring()).with_clock(|| NOW);
    verifier.verify(token).unwrap().subject().clone()
}

fn payload(token: &str) -> Value {
    let payload = URL_SAFE_NO_PAD
        .decode(token.split('.').nth(1).unwrap())
        .unwrap();
    serde_json::from_slice(&payload).unwrap()
}

// The issuer.

#[test]
fn a_token_has_the_claims_that_published_clients_read() {
    let issuer = issuer().with_lifetime(Duration::from_secs(900)).unwrap();
    let anonymous = issuer.issue(&Subject::Anonymous).unwrap();
    assert_eq!(payload(anonymous.token())["pid"], "null");
    let token = issuer
        .issue(&Subject::Profile(PID.parse().unwrap()))
        .unwrap();
    let claims = payload(token.token());
    assert_eq!(claims["pid"], PID);
    assert_eq!(claims["iat"], NOW);
    assert_eq!(claims["exp"], NOW + 900);
    assert_eq!(token.expires_at(), NOW + 900);
    assert_eq!(claims.as_object().unwrap().len(), 4, "{claims}");
    assert!(!token.token().contains('='));
}

#[test]
fn token_ids_are_unique() {
    let issuers = [
        issuer(),
        issuer(),
        issuer().with_lifetime(Duration::from_secs(5)).unwrap(),
    ];
    let mut ids = std::collections::HashSet::new();
    for _ in 0..500 {
        for issuer in issuers
            .iter()
            .flat_map(|issuer| [issuer.clone(), issuer.clone()])
        {
            let token = issuer.issue(&Subject::Anonymous).unwrap();
            assert!(ids.insert(payload(token.token())["jti"].as_str().unwrap().to_owned()));
        }
    }
}

#[test]
fn lifetimes_out_of_range_are_rejected() {
    for lifetime in [
        Duration::ZERO,
        Duration::from_millis(1500),
        Duration::from_secs(24 * 60 * 60 + 1),
        Duration::MAX,
    ] {
        assert!(issuer().with_lifetime(lifetime).is_err());
    }
    assert!(issuer().with_issuer("").is_err());
    assert!(issuer().with_audience("").is_err());
}

#[test]
fn a_ring_without_a_signing_key_mints_no_token() {
    let key = VerifyingKey::hs256([7; 32]).unwrap();
    let ring = Keyring::verifying_only([key]).unwrap();
    assert!(
        TokenIssuer::new(ring.clone())
            .issue(&Subject::Anonymous)
            .is_err()
    );
    // With a signing key, it can.
    ring.replace(KeySet::new(SigningKey::hs256([8; 32]).unwrap()));
    assert!(TokenIssuer::new(ring).issue(&Subject::Anonymous).is_ok());
}

// The endpoint.

/// A tenant with one response, which records the requests.
#[derive(Clone)]
struct Tenant {
    response: Arc<dyn Fn() -> Response<Body> + Send + Sync>,
    received: Arc<Mutex<Vec<ReceivedRequest>>>,
}

#[derive(Clone, Debug)]
struct ReceivedRequest {
    method: Method,
    uri: String,
    body: Value,
    call_as: Option<ApiToken>,
    request_id: Option<String>,
    authorization: bool,
}

impl Tenant {
    fn respond_with(status: u16, body: impl Into<String>) -> Self {
        let body = body.into();
        Self::new(move || {
            let body = Body::from(Bytes::from(body.clone()));
            Response::builder().status(status).body(body).unwrap()
        })
    }

    fn new(response: impl Fn() -> Response<Body> + Send + Sync + 'static) -> Self {
        Self {
            response: Arc::new(response),
            received: Arc::default(),
        }
    }

    fn with_profile(id: &str) -> Self {
        Self::respond_with(
            200,
            json!({ "data": { "id": id, "email": "a@b.c" } }).to_string(),
        )
    }

    fn received(&self) -> Vec<ReceivedRequest> {
        self.received.lock().unwrap().clone()
    }

    fn endpoint(&self) -> TokenEndpoint<Self> {
        TokenEndpoint::new(self.clone(), issuer())
    }
}

impl Service<Request<Body>> for Tenant {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { response, received } = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            // The forwarding service accepts either marker.
            let permitted = parts.extensions.get::<AllowForward>().is_some();
            assert_ne!(permitted, parts.extensions.get::<CallAs>().is_some());
            assert!(parts.extensions.get::<Subject>().is_none());
            assert!(parts.extensions.get::<VerifiedToken>().is_none());
            let body = body.collect().await.unwrap().to_bytes();
            let header = |name: &str| Some(parts.headers.get(name)?.to_str().unwrap().to_owned());
            received.lock().unwrap().push(ReceivedRequest {
                method: parts.method.clone(),
                uri: parts.uri.to_string(),
                body: serde_json::from_slice(&body).unwrap_or_default(),
                call_as: parts
                    .extensions
                    .get::<CallAs>()
                    .map(|CallAs(token)| token.clone()),
                request_id: header("x-request-id"),
                authorization: header("authorization").is_some(),
            });
            Ok(response())
        })
    }
}

fn post(body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post("/auth/token")
        .header(AUTHORIZATION, format!("Bearer {API_TOKEN}"))
        .body(Full::new(body.into()))
        .unwrap()
}

async fn send<S, B>(endpoint: S, request: Request<B>) -> (StatusCode, Value, Response<()>)
where
    S: Service<Request<B>, Response = Response<Full<Bytes>>, Error = Infallible>,
{
    let (parts, body) = endpoint.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let json = serde_json::from_slice(&body).unwrap_or_default();
    (parts.status, json, Response::from_parts(parts, ()))
}

/// The subject of the token in a 200.
async fn minted<S>(endpoint: S, body: &str) -> Subject
where
    S: Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error = Infallible>,
{
    let (status, json, response) = send(endpoint, post(body.to_owned())).await;
    assert_eq!(status, 200, "{json}");
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(json["data"]["exp"], NOW + 3600);
    let token = json["data"]["token"].as_str().unwrap();
    assert_eq!(payload(token)["exp"], json["data"]["exp"]);
    subject_of(token)
}

fn ada() -> Subject {
    Subject::Profile(PID.parse().unwrap())
}

#[tokio::test]
async fn a_profile_is_looked_up_with_the_callers_own_token() {
    let tenant = Tenant::with_profile(PID);
    let upper = PID.to_uppercase();
    assert_eq!(
        minted(tenant.endpoint(), &json!({ "id": upper }).to_string()).await,
        ada()
    );
    let received = tenant.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].method, Method::POST);
    assert_eq!(received[0].uri, "/profiles/search-id");
    assert_eq!(
        received[0].body,
        json!({ "type": "profile_id", "id": upper })
    );
    assert!(received[0].call_as.as_ref().unwrap().matches(API_TOKEN));
    assert!(!received[0].authorization);
}

#[tokio::test]
async fn an_identity_resolves_to_its_profile() {
    let tenant = Tenant::with_profile(PID);
    let body = r#"{"id":1042,"id_handle":"shopify"}"#;
    assert_eq!(minted(tenant.endpoint(), body).await, ada());
    assert_eq!(
        tenant.received()[0].body,
        json!({ "type": "shopify", "id": "1042" })
    );
}

#[tokio::test]
async fn a_valid_api_token_gets_an_anonymous_token() {
    for response in ["", r#"{"status":200}"#, r#"{"data":{}}"#, "OK"] {
        for body in [
            "",
            "{}",
            r#"{"id":""}"#,
            r#"{"id":null,"id_handle":"shopify"}"#,
        ] {
            let tenant = Tenant::respond_with(200, response);
            assert_eq!(minted(tenant.endpoint(), body).await, Subject::Anonymous);
            let received = &tenant.received()[0];
            assert_eq!(
                (&received.method, &*received.uri),
                (&Method::GET, "/auth/verify")
            );
            assert!(received.call_as.as_ref().unwrap().matches(API_TOKEN));
        }
    }
    for (response, status) in [
        (r#"{"status":401}"#, 401),
        (r#"{"status":null}"#, 401),
        ("<html>sign in</html>", 502),
    ] {
        let tenant = Tenant::respond_with(200, response);
        assert_eq!(send(tenant.endpoint(), post("{}")).await.0, status);
    }
}

#[tokio::test]
async fn request_members_do_not_become_claims() {
    let body = json!({ "id": PID, "pid": "mallory", "exp": 9_999_999_999_u64, "iss": "x",
        "aud": "x", "jti": "x", "data": { "id": "mallory" } });
    let tenant = Tenant::with_profile(PID);
    assert_eq!(minted(tenant.endpoint(), &body.to_string()).await, ada());
    let anonymous = json!({ "id": null, "pid": "mallory" }).to_string();
    assert_eq!(
        minted(tenant.endpoint(), &anonymous).await,
        Subject::Anonymous
    );
}

#[tokio::test]
async fn answers_of_the_tenant_are_replaced_by_our_own() {
    let profile = r#"{"id":"3f0c2f6e"}"#;
    let identity = r#"{"id":"1","id_handle":"shopify"}"#;
    let secret = r#"{"message":"secret","data":{"token":"secret","id":"x"}}"#;
    for (status, body, expected) in [
        (401, profile, 401),
        (401, "{}", 401),
        (403, identity, 403),
        (404, profile, 404),
        (404, identity, 404),
        (404, "{}", 502),
        (422, profile, 404),
        (422, identity, 422),
        (422, "{}", 502),
        (429, profile, 429),
        (500, profile, 502),
        (503, "{}", 503),
        (504, "{}", 504),
        (201, profile, 502),
        (302, "{}", 502),
        (400, identity, 502),
        (418, profile, 502),
    ] {
        let tenant = Tenant::respond_with(status, secret);
        let (found, json, response) = send(tenant.endpoint(), post(body)).await;
        assert_eq!(found, expected, "{status} {body}");
        assert!(json["message"].is_string() && json.get("data").is_none());
        assert!(!json.to_string().contains("secret"));
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(
            response.headers().contains_key("www-authenticate"),
            expected == 401
        );
    }
}

#[tokio::test]
async fn a_rejection_of_an_inner_layer_is_returned_unchanged() {
    for kind in [
        RejectionKind::TenantUnreachable,
        RejectionKind::TenantTimeout,
        RejectionKind::TenantBusy,
        RejectionKind::TenantCredentials,
    ] {
        let tenant = Tenant::new(move || {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = kind.status();
            response.extensions_mut().insert(Rejection::new(kind));
            response
        });
        let (status, _, response) = send(tenant.endpoint(), post("{}")).await;
        assert_eq!(status, kind.status());
        assert_eq!(
            response.extensions().get::<Rejection>().unwrap().kind(),
            kind
        );
    }
}

#[tokio::test]
async fn an_answer_about_another_profile_is_rejected() {
    let payload = r#"{"id":"3f0c2f6e"}"#;
    for (response, expected) in [
        (r#"{"data":{"id":"3F0C2F6E"}}"#, 200),
        (r#"{"data":null}"#, 404),
        (r#"{"data":[]}"#, 404),
        ("{}", 502),
        (r#"{"data":{"id":"mallory"}}"#, 502),
        (r#"{"data":{"id":7}}"#, 502),
        (r#"{"data":{"id":"../x"}}"#, 502),
        (r#"{"data":{"id":"me"}}"#, 502),
        (r#"{"data":{}}"#, 502),
        (r#"{"data":[{"id":"3f0c2f6e"}]}"#, 502),
        (r#"{"data":"3f0c2f6e"}"#, 502),
        ("[]", 502),
        ("", 502),
        ("<html>", 502),
    ] {
        let tenant = Tenant::respond_with(200, response);
        assert_eq!(
            send(tenant.endpoint(), post(payload)).await.0,
            expected,
            "{response}"
        );
    }
    // An identity may belong to any profile, but the response must have a valid profile id.
    let identity = r#"{"id":"1","id_handle":"shopify"}"#;
    let tenant = Tenant::respond_with(200, r#"{"data":{"id":"search-id"}}"#);
    assert_eq!(send(tenant.endpoint(), post(identity)).await.0, 502);
    // The handle "profile_id" is not an identity handle.
    let tenant = Tenant::respond_with(200, r#"{"data":{"id":"mallory"}}"#);
    let by_type = r#"{"id":"3f0c2f6e","id_handle":"profile_id"}"#;
    assert_eq!(send(tenant.endpoint(), post(by_type)).await.0, 502);
}

#[tokio::test]
async fn an_endless_answer_is_aborted() {
    let tenant = Tenant::new(|| Response::new(Body::from(Bytes::from(vec![b' '; 2 << 20]))));
    assert_eq!(send(tenant.endpoint(), post(r#"{"id":"a"}"#)).await.0, 502);
    let tenant = Tenant::new(|| {
        let frames = [Ok("{"), Err("reset")];
        Response::new(Body::new(Frames(frames.into_iter())))
    });
    let (status, _, response) = send(tenant.endpoint(), post(r#"{"id":"a"}"#)).await;
    assert_eq!(status, 502);
    let kind = response.extensions().get::<Rejection>().unwrap().kind();
    assert_eq!(kind, RejectionKind::TenantFailed);
}

/// A body of these frames, of unknown length.
struct Frames<I>(I);

impl<I> Unpin for Frames<I> {}

impl<I, E> http_body::Body for Frames<I>
where
    I: Iterator<Item = Result<&'static str, E>>,
{
    type Data = Bytes;
    type Error = E;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        let frame = |data: &'static str| Frame::data(Bytes::from(data));
        Poll::Ready(self.0.next().map(|data| data.map(frame)))
    }
}

/// A body that must not be read.
struct Untouchable;

impl http_body::Body for Untouchable {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        panic!("the body was read");
    }
}

#[tokio::test]
async fn the_body_of_a_request_without_a_credential_is_not_read() {
    for (values, expected) in [
        (&[][..], 401),
        (&["Basic dTpw"], 401),
        (&["Bearer"], 401),
        (&["Bearer a", "Bearer a"], 400),
        (&["Bearer wrong"], 401),
    ] {
        let tenant = Tenant::with_profile(PID);
        let pinned = tenant
            .endpoint()
            .with_pinned_api_tokens([ApiToken::new("right").unwrap()]);
        let mut request = Request::post("/auth/token").body(Untouchable).unwrap();
        for value in values {
            request
                .headers_mut()
                .append(AUTHORIZATION, value.parse().unwrap());
        }
        assert_eq!(send(pinned, request).await.0, expected);
        assert!(tenant.received().is_empty());
    }
}

#[tokio::test]
async fn an_unsupported_method_is_answered_with_allow() {
    let tenant = Tenant::with_profile(PID);
    for method in ["GET", "PUT", "DELETE", "HEAD", "PATCH", "TRACE", "post"] {
        let request = Request::builder().method(method).body(Untouchable).unwrap();
        let (status, _, response) = send(tenant.endpoint(), request).await;
        assert_eq!(
            (status.as_u16(), &response.headers()["allow"]),
            (405, &"POST".parse().unwrap())
        );
    }
    let request = Request::options("/").body(Untouchable).unwrap();
    let (status, _, response) = send(tenant.endpoint(), request).await;
    assert_eq!(
        (status.as_u16(), &response.headers()["allow"]),
        (204, &"POST".parse().unwrap())
    );
    assert!(tenant.received().is_empty());
}

#[tokio::test]
async fn a_body_over_the_limit_is_rejected_with_and_without_content_length() {
    let tenant = Tenant::with_profile(PID);
    let long = vec![b' '; 16 * 1024 + 1];
    assert_eq!(send(tenant.endpoint(), post(long)).await.0, 413);
    let endless = std::iter::repeat(Ok::<_, Infallible>("                    "));
    let request = post("").map(|_| Frames(endless));
    assert_eq!(send(tenant.endpoint(), request).await.0, 413);
    let broken = [Ok("{"), Err("reset by peer")];
    let request = post("").map(|_| Frames(broken.into_iter()));
    assert_eq!(send(tenant.endpoint(), request).await.0, 400);
    let mut compressed = post("");
    compressed
        .headers_mut()
        .insert("content-encoding", "gzip".parse().unwrap());
    assert_eq!(send(tenant.endpoint(), compressed).await.0, 415);
    assert!(tenant.received().is_empty());
}

#[tokio::test]
async fn a_body_of_the_wrong_shape_is_a_422_with_its_field() {
    let tenant = Tenant::with_profile(PID);
    let (status, json, _) = send(tenant.endpoint(), post(r#"{"id":[]}"#)).await;
    assert_eq!(status, 422);
    assert_eq!(
        json,
        json!({
            "message": "The id must be a string.",
            "errors": { "id": ["The id must be a string."] },
        })
    );
    let (status, json, _) = send(tenant.endpoint(), post("[]")).await;
    assert_eq!(status, 422);
    assert_eq!(
        json,
        json!({ "message": "The request body must be a JSON object." })
    );
    assert!(tenant.received().is_empty());
}

#[tokio::test]
async fn pinned_tokens_are_checked_here_and_look_ups_use_the_configured_token() {
    let tenant = Tenant::with_profile(PID);
    let tokens = ["first", API_TOKEN, "third"].map(|token| ApiToken::new(token).unwrap());
    let endpoint = tenant.endpoint().with_pinned_api_tokens(tokens);
    assert_eq!(
        minted(endpoint.clone(), r#"{"id":"1","id_handle":"h"}"#).await,
        ada()
    );
    assert!(tenant.received()[0].call_as.is_none());
    assert_eq!(minted(endpoint.clone(), "{}").await, Subject::Anonymous);
    assert_eq!(
        tenant.received().len(),
        1,
        "an anonymous token needs no question"
    );
    for close in [
        "the-callers-api-toke",
        "the-callers-api-token2",
        "The-callers-api-token",
    ] {
        let mut request = post("{}");
        let value = format!("Bearer {close}").parse().unwrap();
        request.headers_mut().insert(AUTHORIZATION, value);
        assert_eq!(send(endpoint.clone(), request).await.0, 401);
    }
    // The tenant rejects the configured API token, not the caller's.
    for status in [401, 403] {
        let endpoint = Tenant::respond_with(status, "").endpoint();
        let endpoint = endpoint.with_pinned_api_tokens([ApiToken::new(API_TOKEN).unwrap()]);
        let (found, _, response) = send(endpoint, post(r#"{"id":"a"}"#)).await;
        assert_eq!(found, 502);
        let kind = response.extensions().get::<Rejection>().unwrap().kind();
        assert_eq!(kind, RejectionKind::TenantCredentials);
    }
}

fn post_as(api_token: &str, body: &'static str) -> Request<Full<Bytes>> {
    let mut request = post(body);
    let value = format!("Bearer {api_token}").parse().unwrap();
    request.headers_mut().insert(AUTHORIZATION, value);
    request
}

#[tokio::test]
async fn a_checked_api_token_is_cached_only_by_opt_in_and_until_it_expires() {
    let now = Arc::new(AtomicU64::new(NOW));
    let clock = Arc::clone(&now);
    let issuer = TokenIssuer::new(ring()).with_clock(move || clock.load(Ordering::Relaxed));
    let tenant = Tenant::respond_with(200, "");
    let uncached = TokenEndpoint::new(tenant.clone(), issuer);
    let mint = async |endpoint: &TokenEndpoint<Tenant>, at: u64| {
        now.store(NOW + at, Ordering::Relaxed);
        let status = send(endpoint.clone(), post("{}")).await.0;
        assert_eq!(status, 200);
        tenant.received().len()
    };
    assert_eq!(mint(&uncached, 0).await, 1);
    assert_eq!(mint(&uncached, 0).await, 2, "by default, each time");

    let cached = uncached.with_verify_cache(Duration::from_secs(30)).unwrap();
    assert_eq!(mint(&cached, 0).await, 3);
    assert_eq!(mint(&cached, 29).await, 3);
    // Clones of the endpoint share the cache.
    let other = cached.with_inner(tenant.clone());
    assert_eq!(mint(&other, 29).await, 3);
    assert_eq!(mint(&cached, 30).await, 4);
    // A look-up of a profile calls the tenant each time.
    let profile = r#"{"id":"1","id_handle":"h"}"#;
    send(cached.clone(), post(profile)).await;
    assert_eq!(tenant.received().len(), 5);
    assert_eq!(tenant.received()[4].uri, "/profiles/search-id");
}

#[tokio::test]
async fn a_wrong_api_token_does_not_match_a_cached_one() {
    let rejecting = service_fn(async |request: Request<Body>| {
        let CallAs(token) = request.extensions().get::<CallAs>().unwrap();
        let status = if token.matches(API_TOKEN) { 200 } else { 401 };
        let response = Response::builder().status(status).body(Body::empty());
        Ok::<_, Infallible>(response.unwrap())
    });
    let endpoint = TokenEndpoint::new(rejecting, issuer());
    let endpoint = endpoint.with_verify_cache(Duration::from_secs(60)).unwrap();
    assert_eq!(send(endpoint.clone(), post("{}")).await.0, 200);
    for close in [
        "the-callers-api-toke",
        "the-callers-api-token2",
        "The-callers-api-token",
    ] {
        for _ in 0..2 {
            assert_eq!(send(endpoint.clone(), post_as(close, "{}")).await.0, 401);
        }
    }
    assert_eq!(send(endpoint, post("{}")).await.0, 200);
}

#[tokio::test]
async fn a_rejected_api_token_is_not_cached() {
    let status = Arc::new(AtomicU16::new(401));
    let tenant_status = Arc::clone(&status);
    let tenant = Tenant::new(move || {
        let response = Response::builder().status(tenant_status.load(Ordering::Relaxed));
        response.body(Body::empty()).unwrap()
    });
    let endpoint = tenant.endpoint();
    let endpoint = endpoint.with_verify_cache(Duration::from_secs(60)).unwrap();
    for (tenants, ours) in [(401, 401), (403, 403), (500, 502), (503, 503)] {
        status.store(tenants, Ordering::Relaxed);
        assert_eq!(send(endpoint.clone(), post("{}")).await.0, ours);
    }
    status.store(200, Ordering::Relaxed);
    assert_eq!(send(endpoint.clone(), post("{}")).await.0, 200);
    assert_eq!(tenant.received().len(), 5);
    status.store(401, Ordering::Relaxed);
    assert_eq!(send(endpoint, post("{}")).await.0, 200);
    assert_eq!(tenant.received().len(), 5);
}

#[test]
fn the_ttl_of_the_api_token_cache_is_bounded() {
    for life in [0, 999, 1500, 61_000] {
        let endpoint = TokenEndpoint::new((), issuer());
        let refused = endpoint.with_verify_cache(Duration::from_millis(life));
        assert_eq!(
            refused.unwrap_err().kind(),
            ConfigErrorKind::InvalidDuration
        );
    }
}

#[tokio::test]
async fn the_look_up_copies_the_request_id_and_not_the_subject() {
    let tenant = Tenant::with_profile(PID);
    let mut request = post(r#"{"id":"1","id_handle":"h"}"#);
    request
        .headers_mut()
        .insert("x-request-id", "r-1".parse().unwrap());
    request.extensions_mut().insert(Subject::Anonymous);
    request
        .extensions_mut()
        .insert(CallAs(ApiToken::new("planted").unwrap()));
    let pinned = [ApiToken::new(API_TOKEN).unwrap()];
    let endpoint = tenant.endpoint().with_pinned_api_tokens(pinned);
    assert_eq!(send(endpoint, request).await.0, 200);
    assert_eq!(tenant.received()[0].request_id.as_deref(), Some("r-1"));
    assert!(tenant.received()[0].call_as.is_none());
}

#[test]
fn debug_shows_neither_keys_nor_tokens() {
    let endpoint = TokenEndpoint::new((), issuer());
    let endpoint = endpoint.with_pinned_api_tokens([ApiToken::new("api-secret").unwrap()]);
    let text = format!("{endpoint:?}");
    assert!(
        !text.contains("api-secret") && !text.contains("a secret of"),
        "{text}"
    );
}
