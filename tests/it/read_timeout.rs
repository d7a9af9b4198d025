//! The total time to collect a request body is limited, even if the body is never idle.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use omneo_id::me::RestrictedMe;
use omneo_id::sandbox::Sandbox;
use omneo_id::upsert::{CommsPolicy, CommsUpsert};
use omneo_id::{
    AccessPolicy, Body, Rejection, RejectionKind, SigningKey, TokenEndpoint, TokenIssuer,
};
use omneo_id::{Keyring, MeRewriteLayer, Subject};
use tokio::time::{Instant, Sleep, sleep};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{SECRET, Shop, bearer};

const SECOND: Duration = Duration::from_secs(1);

/// A body of spaces, one in each `interval`, that never ends.
struct Trickle {
    interval: Duration,
    timer: Pin<Box<Sleep>>,
}

fn trickle(interval: Duration) -> Trickle {
    Trickle {
        interval,
        timer: Box::pin(sleep(interval)),
    }
}

impl http_body::Body for Trickle {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        ready!(self.timer.as_mut().poll(cx));
        let next = Instant::now() + self.interval;
        self.timer.as_mut().reset(next);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b" ")))))
    }
}

fn request(method: Method, uri: &str, token: &str) -> Request<Trickle> {
    Request::builder()
        .method(method)
        .uri(uri)
        .header("authorization", bearer(token))
        .header("content-type", "application/json")
        .body(trickle(10 * SECOND))
        .unwrap()
}

fn kind<B>(response: &Response<B>) -> Option<RejectionKind> {
    response.extensions().get().map(Rejection::kind)
}

fn no_delete() -> AccessPolicy {
    AccessPolicy::allow_all().deny("DELETE", "/**").unwrap()
}

fn limited_fields() -> AccessPolicy {
    no_delete()
        .allow_fields("PUT", "/", ["first_name"])
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_collected_body_times_out_after_thirty_seconds() {
    let shop = Shop::with(|builder| builder.access_policy(limited_fields()));
    let ada = shop.mint_for_ada().await;
    for (method, uri, token) in [
        (Method::POST, "/auth/token", Sandbox::API_TOKEN),
        (Method::POST, "/auth/token", "credential-of-a-stranger"),
        (Method::POST, "/profiles", &ada),
        (Method::POST, "/profiles", Sandbox::API_TOKEN),
        (Method::POST, "/profiles/me/addresses", &ada),
        (Method::PUT, "/profiles/me", &ada),
    ] {
        let start = Instant::now();
        let request = request(method, uri, token);
        let response = shop.id.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT, "{uri}");
        assert_eq!(kind(&response), Some(RejectionKind::RequestTimeout));
        assert_eq!(start.elapsed(), 30 * SECOND, "{uri}");
    }
    assert!(shop.sandbox.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_timeout_is_configurable_and_can_be_disabled() {
    for (timeout, expected) in [
        (5 * SECOND, 5 * SECOND),
        (45 * SECOND, 45 * SECOND),
        // The idle timeout still applies.
        (Duration::MAX, 70 * SECOND),
    ] {
        let shop = Shop::with(|builder| builder.body_read_timeout(timeout));
        let mut request = request(Method::POST, "/auth/token", Sandbox::API_TOKEN);
        if timeout == Duration::MAX {
            *request.body_mut() = trickle(70 * SECOND);
        }
        let start = Instant::now();
        let response = shop.id.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
        assert_eq!(start.elapsed(), expected.min(60 * SECOND));
    }
}

#[tokio::test(start_paused = true)]
async fn the_timeout_of_the_comms_policy_takes_precedence() {
    let policy = CommsPolicy::new().with_read_timeout(3 * SECOND);
    let shop = Shop::with(|builder| builder.comms_policy(policy));
    let token = shop.mint_anonymous().await;
    let start = Instant::now();
    let request = request(Method::POST, "/profiles", &token);
    let response = shop.id.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(start.elapsed(), 3 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_streamed_body_has_no_total_timeout() {
    for policy in [AccessPolicy::allow_all(), no_delete()] {
        let shop = Shop::with(|builder| builder.access_policy(policy));
        let ada = shop.mint_for_ada().await;
        let request = request(Method::PUT, "/profiles/me/attributes/comms", &ada);
        let call = shop.id.clone().oneshot(request);
        let outcome = tokio::time::timeout(600 * SECOND, call).await;
        assert!(outcome.is_err(), "{:?}", outcome.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn each_layer_alone_can_have_a_timeout() {
    async fn expect<S, B>(name: &str, service: S, request: Request<Trickle>)
    where
        S: tower::Service<Request<Trickle>, Response = Response<B>, Error = Infallible>,
    {
        let start = Instant::now();
        let response = service.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT, "{name}");
        assert_eq!(start.elapsed(), 7 * SECOND, "{name}");
    }
    let limit = 7 * SECOND;
    let ada = Subject::Profile("ada-1".parse().unwrap());
    let with_subject = |uri| {
        let mut request = request(Method::POST, uri, "x");
        request.extensions_mut().insert(ada.clone());
        request
    };
    macro_rules! unreached {
        () => {
            service_fn(
                async |_: Request<_>| -> Result<Response<Body>, Infallible> {
                    panic!("the inner service is called")
                },
            )
        };
    }

    let ring = Keyring::new(SigningKey::hs256(SECRET).unwrap());
    let endpoint = TokenEndpoint::new(unreached!(), TokenIssuer::new(ring));
    let endpoint = endpoint.with_read_timeout(limit);
    expect(
        "TokenEndpoint",
        endpoint,
        request(Method::POST, "/auth/token", "x"),
    )
    .await;

    let policy = CommsPolicy::new().with_read_timeout(limit);
    let upsert = CommsUpsert::new(unreached!(), policy);
    expect("CommsUpsert", upsert, with_subject("/profiles")).await;

    let me = RestrictedMe::new(unreached!(), no_delete()).with_read_timeout(limit);
    expect("RestrictedMe", me, with_subject("/profiles/me")).await;

    let layer = MeRewriteLayer::new().with_access_policy(no_delete());
    let me = layer.with_read_timeout(limit).layer(unreached!());
    expect("RestrictedMeLayer", me, with_subject("/profiles/me")).await;
}

/// A runtime without a time driver can collect a body that has already arrived.
#[test]
fn a_complete_body_needs_no_timer() {
    let policy = CommsPolicy::new().with_read_timeout(SECOND);
    let tenant = service_fn(async |_: Request<_>| {
        Ok::<_, Infallible>(Response::new(Body::from(Bytes::from_static(
            b"{\"data\":[]}",
        ))))
    });
    let request = Request::post("/profiles")
        .header("content-type", "application/json")
        .extension(Subject::Anonymous)
        .body(Body::from(Bytes::from_static(b"{}")))
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let response = runtime.block_on(CommsUpsert::new(tenant, policy).oneshot(request));
    assert_eq!(response.unwrap().status(), StatusCode::UNPROCESSABLE_ENTITY);
}
