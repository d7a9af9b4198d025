//! Readiness of the inner service, and the public types.

use super::*;

fn assert_pending<F: Future>(future: &mut Pin<&mut F>) {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(future.as_mut().poll(&mut cx).is_pending());
}

#[tokio::test]
async fn each_tenant_call_polls_readiness() {
    let (mock, mut tenant) = tower_test::mock::pair::<Sent, Response<Full<Bytes>>>();
    tenant.allow(1);
    let mut service = CommsUpsert::new(mock, CommsPolicy::new());
    // The mock panics if it is called through a clone that was not made ready.
    let mut response = pin!(service.ready().await.unwrap().call(post(OPT_OUT)));
    assert_pending(&mut response);
    tenant.allow(1);
    assert_pending(&mut response);
    let (request, send) = tenant.next_request().await.unwrap();
    assert_eq!(request.method(), Method::GET);
    send.send_response(respond(200, ADA));
    assert_pending(&mut response);
    tenant.allow(1);
    assert_pending(&mut response);
    let (request, send) = tenant.next_request().await.unwrap();
    assert_eq!(request.method(), Method::PUT);
    send.send_response(respond(200, "{}"));
    assert_eq!(response.await.unwrap().status(), 200);
}

#[test]
fn the_types_are_shareable_and_their_debug_output_has_no_personal_data() {
    fn shared<T: Clone + Send + Sync + std::fmt::Debug + 'static>(value: T) -> String {
        format!("{value:?}")
    }
    shared(CommsUpsertLayer::new(CommsPolicy::new()));
    shared(CommsUpsert::new((), CommsPolicy::new()));
    shared(UpsertOutcome::Created);
    let sign_up = omneo_id::upsert::SignUp::parse(OPT_OUT.as_bytes(), &CommsPolicy::new()).unwrap();
    assert!(!shared(sign_up).to_lowercase().contains("ada"));
}
