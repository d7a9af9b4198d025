//! The call budget that several services share.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use http_body_util::BodyExt;
use omneo_id::sandbox::{Fault, Sandbox};
use omneo_id::tenants::TenantSet;
use omneo_id::upstream::CallBudget;
use omneo_id::{Body, OmneoIdTenants, RejectionKind, Subject, Upstream};
use proptest::prelude::*;
use tower::{Service, ServiceExt};

use super::{BRANDS, Network, builder, by_host, key, request_to};
use crate::support::upstream::{cause, get, kind, silent, tenant};
use crate::support::{TestClock, bearer};

type Call = Pin<Box<dyn Future<Output = Response<Body>>>>;

/// A forwarding service over any client.
trait Forward:
    Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + 'static
{
}

impl<S> Forward for S where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + 'static
{
}

/// A call that hangs, or the response with which it is rejected.
fn hang(service: &impl Forward) -> Result<Call, Box<Response<Body>>> {
    let service = service.clone();
    let mut call: Call = Box::pin(async move { service.oneshot(get("/x")).await.unwrap() });
    match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => Ok(call),
        Poll::Ready(response) => Err(Box::new(response)),
    }
}

/// The calls that hang before one is rejected.
fn fill(service: &impl Forward) -> Vec<Call> {
    std::iter::from_fn(|| hang(service).ok()).collect()
}

#[tokio::test(start_paused = true)]
async fn calls_that_hang_leave_the_guaranteed_permits_of_the_others() {
    let budget = CallBudget::new(1000);
    let services = [(); 4].map(|()| {
        let upstream = Upstream::new(silent(), tenant()).with_max_in_flight(1024);
        upstream.with_call_budget(&budget)
    });
    let stats = budget.stats();
    assert_eq!(
        (stats.total, stats.members, stats.guaranteed, stats.common),
        (1000, 4, 125, 500)
    );

    // The first one takes its own permits and all common ones.
    let hanging = fill(&services[0]);
    assert_eq!(hanging.len(), 625);
    assert_eq!(services[0].in_flight(), 625);
    assert_eq!(budget.stats().common_in_use, 500);
    let response = hang(&services[0]).err().unwrap();
    assert_eq!(
        (response.status().as_u16(), kind(&response)),
        (503, RejectionKind::TenantBusy)
    );
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(
        cause(&response).to_string(),
        "the permits in the call budget are in use"
    );

    // Each other one has its guaranteed permits.
    let others: Vec<_> = services[1..].iter().map(fill).collect();
    assert!(others.iter().all(|calls| calls.len() == 125));
    drop(hanging);
    assert_eq!(budget.stats().common_in_use, 0);
    let hanging = fill(&services[1]);
    assert_eq!(
        hanging.len(),
        500,
        "the common permits, beside its own ones"
    );
    drop((hanging, others));
    assert_eq!(budget.stats().common_in_use, 0);
    assert!(services.iter().all(|service| service.in_flight() == 0));
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_a_service_applies_within_the_budget() {
    let budget = CallBudget::new(100);
    let service = Upstream::new(silent(), tenant())
        .with_call_budget(&budget)
        .with_max_in_flight(60);
    assert_eq!(budget.stats().members, 1, "one member, in either order");
    let calls = fill(&service);
    assert_eq!((calls.len(), budget.stats().common_in_use), (60, 10));
    let response = hang(&service).err().unwrap();
    assert_eq!(
        cause(&response).to_string(),
        "60 calls of the tenant are in flight"
    );
}

#[tokio::test(start_paused = true)]
async fn a_service_is_a_member_until_its_last_clone_and_call_have_ended() {
    let budget = CallBudget::new(8);
    assert_eq!((budget.stats().guaranteed, budget.stats().common), (0, 8));
    let upstream = || Upstream::new(silent(), tenant()).with_call_budget(&budget);
    let first = upstream();
    let clone = first.clone();
    let second = upstream().with_client(silent());
    assert_eq!(budget.stats().members, 2);
    let call = hang(&first).ok().unwrap();
    drop(first);
    drop(clone);
    assert_eq!(budget.stats().members, 2, "its call is in flight");
    drop(call);
    assert_eq!(budget.stats().members, 1);
    assert_eq!((budget.stats().guaranteed, budget.stats().common), (4, 4));
    drop(second);
    assert_eq!(budget.stats().members, 0);
}

/// With fewer permits than two per member, all permits are common.
#[tokio::test(start_paused = true)]
async fn a_small_budget_is_never_exceeded() {
    for total in 0..6 {
        let budget = CallBudget::new(total);
        let services =
            [(); 3].map(|()| Upstream::new(silent(), tenant()).with_call_budget(&budget));
        assert_eq!(budget.stats().guaranteed, 0);
        let calls: Vec<Vec<Call>> = services.iter().map(fill).collect();
        assert_eq!(calls.iter().flatten().count(), total);
    }
}

/// The whole service: 1024 calls of one tenant hang, and the other one responds.
#[tokio::test(start_paused = true)]
async fn calls_of_one_tenant_that_hang_leave_the_other_tenant_its_part() {
    let clock = TestClock::start();
    let budget = CallBudget::new(1024);
    let network = Network::of(&BRANDS);
    let mut set = TenantSet::new();
    for name in BRANDS {
        let builder = builder(name, &clock)
            .max_in_flight(2048)
            .call_budget(&budget);
        set.insert(key(name), builder).unwrap();
    }
    let tenants = OmneoIdTenants::new(by_host(), set, network.clone());
    let set = tenants.tenants();
    let issue = |name: &str| {
        let ada = Subject::Profile(Sandbox::ADA_ID.parse().unwrap());
        set.get(key(name))
            .unwrap()
            .issuer()
            .issue(&ada)
            .unwrap()
            .into_token()
    };
    let me = |name: &str, token: &str| {
        let request = Request::get("/profiles/me").header("authorization", bearer(token));
        tenants.clone().oneshot(request_to(name, request, ""))
    };
    let stalled = Fault::stall().until_cleared();
    network.tenant("acme").inject(stalled);
    let token = issue("acme");
    let mut hanging = Vec::new();
    let mut rejected = 0;
    for _ in 0..1024 {
        let mut call = Box::pin(me("acme", &token));
        let poll = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx)));
        match poll.await {
            Poll::Pending => hanging.push(call),
            Poll::Ready(response) => {
                assert_eq!(response.unwrap().status(), 503);
                rejected += 1;
            }
        }
    }
    assert_eq!((hanging.len(), rejected), (256 + 512, 256));
    let token = issue("brand");
    let mut responses = Vec::new();
    for _ in 0..256 {
        let response = me("brand", &token).await.unwrap();
        assert_eq!(response.status(), 200);
        responses.push(response);
    }
    // A changed tenant keeps its part: it does not become a second member.
    let mut changed = (*set).clone();
    let builder = builder("acme", &clock)
        .max_in_flight(2048)
        .call_budget(&budget);
    changed.insert(key("acme"), builder).unwrap();
    assert_eq!(budget.stats().members, 2);
    assert_eq!(changed.get(key("acme")).unwrap().stats().in_flight, 768);
    for response in responses {
        response.into_body().collect().await.unwrap();
    }
}

/// One step of the property test, with the index of a service or call.
#[derive(Clone, Copy, Debug)]
enum Step {
    Call(usize),
    End(usize),
    Join,
    Leave(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..4_usize).prop_map(Step::Call),
        3 => any::<prop::sample::Index>().prop_map(|index| Step::End(index.index(64))),
        1 => Just(Step::Join),
        1 => (0..4_usize).prop_map(Step::Leave),
    ];
    prop::collection::vec(step, 1..120)
}

/// The model of a member: the guaranteed permits that its calls have taken.
struct Member<S> {
    service: S,
    guaranteed: usize,
}

proptest! {
    #[test]
    fn calls_are_admitted_as_the_model_says(total in 0..24_usize, steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _entered = runtime.enter();
        let budget = CallBudget::new(total);
        let mut members = Vec::new();
        // The member of each call, and whether its permit is guaranteed.
        let mut calls: Vec<(usize, bool, Call)> = Vec::new();
        let mut common = 0;
        for step in steps {
            let share = (total / 2).checked_div(members.len()).unwrap_or_default();
            match step {
                Step::Join if members.len() < 4 => {
                    let service = Upstream::new(silent(), tenant()).with_call_budget(&budget);
                    members.push(Member { service, guaranteed: 0 });
                }
                Step::Leave(member) if member + 1 == members.len()
                    && calls.iter().all(|(of, ..)| *of != member) => drop(members.pop()),
                Step::Call(index) if index < members.len() => {
                    let count = members.len();
                    let member = &mut members[index];
                    let is_guaranteed = member.guaranteed < share;
                    let is_admitted = is_guaranteed || common < total - share * count;
                    let call = hang(&member.service).ok();
                    prop_assert_eq!(call.is_some(), is_admitted);
                    if let Some(call) = call {
                        member.guaranteed += usize::from(is_guaranteed);
                        common += usize::from(!is_guaranteed);
                        calls.push((index, is_guaranteed, call));
                    }
                }
                Step::End(index) if !calls.is_empty() => {
                    let (member, is_guaranteed, call) = calls.swap_remove(index % calls.len());
                    drop(call);
                    members[member].guaranteed -= usize::from(is_guaranteed);
                    common -= usize::from(!is_guaranteed);
                }
                _ => {}
            }
            let stats = budget.stats();
            prop_assert_eq!((stats.members, stats.common_in_use), (members.len(), common));
            prop_assert_eq!(stats.guaranteed * stats.members + stats.common, total);
            prop_assert!(calls.len() <= total + total / 2);
        }
    }
}

/// Threads that compete for the last permits never exceed the budget, and free all of them.
#[test]
fn concurrent_calls_never_exceed_the_budget() {
    const THREADS: usize = 4;
    let budget = CallBudget::new(6);
    let in_flight = AtomicUsize::new(0);
    let services: Vec<_> = (0..2)
        .map(|_| Upstream::new(silent(), tenant()).with_call_budget(&budget))
        .collect();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let service = services[thread % 2].clone();
            let in_flight = &in_flight;
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_time()
                    .build()
                    .unwrap();
                let _entered = runtime.enter();
                for _ in 0..500 {
                    let calls: Vec<_> = (0..3).filter_map(|_| hang(&service).ok()).collect();
                    let order = Ordering::SeqCst;
                    let count = in_flight.fetch_add(calls.len(), order) + calls.len();
                    assert!(count <= 6, "{count}");
                    in_flight.fetch_sub(calls.len(), order);
                }
            });
        }
    });
    assert_eq!(budget.stats().common_in_use, 0);
    assert!(services.iter().all(|service| service.in_flight() == 0));
}
