//! Readiness of the inner service: reserved for a call, not while the caller sends its body.

use std::future::pending;
use std::pin::pin;
use std::task::Waker;

use super::*;

/// A body that stays pending.
struct PendingBody;

impl http_body::Body for PendingBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

fn poll<F: Future>(future: &mut Pin<&mut F>) -> Poll<F::Output> {
    future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
}

fn unsent_request() -> Request<Body> {
    post("").map(|_| Body::new(PendingBody))
}

#[tokio::test]
async fn a_mint_with_an_unfinished_body_holds_no_slot_of_a_concurrency_limit() {
    let tenant = tower::limit::ConcurrencyLimit::new(Tenant::respond_with(200, ""), 1);
    let mut endpoint = TokenEndpoint::new(tenant, issuer());
    let ready = ServiceExt::<Request<Body>>::ready(&mut endpoint);
    let mut pending = pin!(ready.await.unwrap().call(unsent_request()));
    assert!(poll(&mut pending).is_pending());
    let mut ready = pin!(ServiceExt::<Request<Body>>::ready(&mut endpoint));
    let Poll::Ready(ready) = poll(&mut ready) else {
        panic!("the only slot is kept by a mint that calls nothing");
    };
    let response = ready.unwrap().call(post("{}").map(Body::new)).await;
    assert_eq!(response.unwrap().status(), 200);
}

#[tokio::test]
async fn a_mint_that_calls_the_tenant_holds_its_slot_until_the_answer() {
    let tenant = service_fn(|_: Request<Body>| pending::<Result<Response<Body>, Infallible>>());
    let tenant = tower::limit::ConcurrencyLimit::new(tenant, 1);
    let mut endpoint = TokenEndpoint::new(tenant, issuer());
    let ready = ServiceExt::<Request<Full<Bytes>>>::ready(&mut endpoint);
    let mut first = pin!(ready.await.unwrap().call(post("{}")));
    assert!(poll(&mut first).is_pending());
    let mut second = pin!(ServiceExt::<Request<Full<Bytes>>>::ready(&mut endpoint));
    assert!(poll(&mut second).is_pending());
}

#[tokio::test]
async fn the_tenant_is_called_when_ready_and_its_errors_are_returned() {
    let (mock, mut tenant) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let mut endpoint = TokenEndpoint::new(mock, issuer());
    let ready = ServiceExt::<Request<Full<Bytes>>>::ready(&mut endpoint);
    // The mock panics if it is called through a clone that was not made ready.
    let mut response = pin!(ready.await.unwrap().call(post("{}")));
    tenant.allow(0);
    assert!(poll(&mut response).is_pending());
    assert!(tenant.poll_request().is_pending(), "it is not ready");
    tenant.allow(1);
    assert!(poll(&mut response).is_pending());
    let (request, respond) = tenant.next_request().await.unwrap();
    assert_eq!(request.uri(), "/auth/verify");
    respond.send_response(Response::new(Body::empty()));
    assert_eq!(response.await.unwrap().status(), 200);

    let ready = ServiceExt::<Request<Full<Bytes>>>::ready(&mut endpoint);
    tenant.allow(1);
    let response = ready.await.unwrap().call(post("{}"));
    tenant.send_error("closed");
    assert_eq!(response.await.unwrap_err().to_string(), "closed");

    let failing = service_fn(async |_: Request<Body>| Err::<Response<Body>, _>("broken"));
    let endpoint = TokenEndpoint::new(failing, issuer());
    assert_eq!(endpoint.oneshot(post("{}")).await.unwrap_err(), "broken");
}

/// Pinned tokens and rejected requests need no call of the tenant.
#[tokio::test]
async fn a_response_without_a_call_awaits_no_readiness() {
    let (mock, mut tenant) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let endpoint = TokenEndpoint::new(mock, issuer());
    let mut endpoint = endpoint.with_pinned_api_tokens([ApiToken::new(API_TOKEN).unwrap()]);
    for (body, status) in [("{}", 200), ("[]", 422)] {
        tenant.allow(1);
        let ready = ServiceExt::<Request<Full<Bytes>>>::ready(&mut endpoint);
        let response = ready.await.unwrap().call(post(body));
        tenant.allow(0);
        let mut response = pin!(response);
        let Poll::Ready(response) = poll(&mut response) else {
            panic!("{body} waits for the tenant");
        };
        assert_eq!(response.unwrap().status(), status);
    }
}
