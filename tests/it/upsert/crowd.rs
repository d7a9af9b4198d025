//! Many sign-ups of one address at the same time: bounded, no slower than one, and alike for known
//! and new people.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::*;

const CALL: Duration = Duration::from_millis(50);
const QUANTUM: Duration = Duration::from_secs(1);
/// More sign-ups of one address than are admitted at the same time.
const CROWD: usize = 60;

/// A tenant whose calls take time, and which takes each address once. It counts creations.
#[derive(Clone)]
struct Tenant {
    known: Arc<Mutex<bool>>,
    creations: Arc<Mutex<usize>>,
    lines: Arc<Mutex<Vec<String>>>,
    /// What a call takes, by its number and method.
    work: fn(usize, &Method) -> Duration,
    /// The answer to a creation, if not what the state says.
    refusal: Option<(u16, &'static str)>,
}

impl Tenant {
    fn new(known: bool, work: fn(usize, &Method) -> Duration) -> Self {
        Self {
            known: Arc::new(Mutex::new(known)),
            creations: Arc::default(),
            lines: Arc::default(),
            work,
            refusal: None,
        }
    }

    async fn serve(self, request: Sent) -> Result<Response<Full<Bytes>>, Infallible> {
        let number = {
            let mut lines = self.lines.lock().unwrap();
            lines.push(format!("{} {}", request.method(), request.uri().path()));
            lines.len()
        };
        sleep((self.work)(number, request.method())).await;
        let mut known = self.known.lock().unwrap();
        Ok(match *request.method() {
            Method::GET if *known => answer(200, ADA),
            Method::GET => answer(200, NOBODY),
            Method::POST if *known => answer(422, TAKEN),
            Method::POST => match self.refusal {
                Some((status, body)) => answer(status, body),
                None => {
                    *known = true;
                    *self.creations.lock().unwrap() += 1;
                    answer(201, "{}")
                }
            },
            _ => answer(200, "{}"),
        })
    }

    fn count(&self, line: &str) -> usize {
        let lines = self.lines.lock().unwrap();
        lines.iter().filter(|seen| *seen == line).count()
    }
}

/// What a client can see, in the order of the requests.
#[derive(Clone, Debug, PartialEq)]
struct Observed {
    status: u16,
    retry_after: Option<String>,
    body: Bytes,
    time: Duration,
}

/// So many sign-ups of one address, each after the one before by this much.
async fn crowd(
    tenant: &Tenant,
    policy: CommsPolicy,
    size: usize,
    apart: Duration,
) -> Vec<Observed> {
    let layer = CommsUpsertLayer::new(policy);
    let mut waiting = Vec::new();
    for _ in 0..size {
        let tenant = tenant.clone();
        let service = layer.layer(service_fn(move |request: Sent| {
            tenant.clone().serve(request)
        }));
        waiting.push(tokio::spawn(observe(service.oneshot(post(OPT_OUT)))));
        if !apart.is_zero() {
            sleep(apart).await;
        }
    }
    let mut observed = Vec::new();
    for response in waiting {
        observed.push(response.await.unwrap());
    }
    observed
}

async fn observe<F, B>(response: F) -> Observed
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let start = Instant::now();
    let (parts, body) = response.await.unwrap().into_parts();
    let retry_after = parts.headers.get(header::RETRY_AFTER);
    Observed {
        status: parts.status.as_u16(),
        retry_after: retry_after.map(|value| value.to_str().unwrap().to_owned()),
        body: body.collect().await.unwrap().to_bytes(),
        time: start.elapsed(),
    }
}

fn even(_: usize, _: &Method) -> Duration {
    CALL
}

/// Creating takes longer, and every call varies.
fn uneven(number: usize, method: &Method) -> Duration {
    let jitter = (number as u64).wrapping_mul(2_654_435_761) % 20;
    let work = if *method == Method::POST { 90 } else { 15 };
    Duration::from_millis(work + jitter)
}

fn uniform() -> CommsPolicy {
    CommsPolicy::new().with_uniform_latency(QUANTUM).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_crowd_is_answered_after_one_quantum_known_or_new() {
    for work in [even as fn(usize, &Method) -> Duration, uneven] {
        for size in [1, 2, 5, 20, CROWD] {
            for apart in [0, 7, 90].map(Duration::from_millis) {
                let [known, new] = [true, false].map(|known| Tenant::new(known, work));
                let seen = [
                    crowd(&known, uniform(), size, apart).await,
                    crowd(&new, uniform(), size, apart).await,
                ];
                assert_eq!(seen[0], seen[1], "{size} {apart:?}");
                assert!(seen[0].iter().all(|observed| observed.time == QUANTUM));
                assert_eq!(*new.creations.lock().unwrap(), 1);
                assert_eq!(new.count("POST /profiles"), 1, "no creation races another");
            }
        }
    }
}

/// A payload that the tenant refuses is tried by each of a crowd; it must not be tried one after
/// another.
#[tokio::test(start_paused = true)]
async fn a_crowd_that_the_tenant_refuses_is_answered_after_one_quantum_too() {
    let policy = uniform().conceal_tenant_validation();
    for size in [1, 5, 20, CROWD] {
        let known = Tenant::new(true, even);
        let mut new = Tenant::new(false, even);
        new.refusal = Some((422, r#"{"errors":{"first_name":["no"]}}"#));
        let seen = [
            crowd(&known, policy.clone(), size, Duration::ZERO).await,
            crowd(&new, policy.clone(), size, Duration::ZERO).await,
        ];
        assert_eq!(seen[0], seen[1], "{size}");
        assert!(seen[0].iter().all(|observed| observed.time == QUANTUM));
    }
}

#[tokio::test(start_paused = true)]
async fn sign_ups_beyond_the_bound_are_asked_to_come_back() {
    for known in [true, false] {
        let tenant = Tenant::new(known, even);
        let seen = crowd(&tenant, CommsPolicy::new(), CROWD, Duration::ZERO).await;
        let (admitted, turned_away): (Vec<_>, Vec<_>) = seen
            .into_iter()
            .partition(|observed| observed.status == 200);
        assert!((20..CROWD).contains(&admitted.len()), "{}", admitted.len());
        for observed in turned_away {
            assert_eq!(observed.status, 503);
            assert_eq!(observed.retry_after.as_deref(), Some("1"));
            assert_eq!(observed.time, Duration::ZERO, "and cost the tenant nothing");
        }
        // Two calls of a known person. A new one waits for the creation, and then finds it.
        assert!(admitted.iter().all(|observed| observed.time <= CALL * 4));
        let calls = tenant.lines.lock().unwrap().len();
        assert!(calls <= admitted.len() * 3, "{calls}");
    }
}

#[tokio::test(start_paused = true)]
async fn places_are_free_again_when_a_crowd_has_been_answered_or_has_left() {
    let tenant = Tenant::new(false, even);
    let layer = CommsUpsertLayer::new(CommsPolicy::new());
    let service = || {
        let tenant = tenant.clone();
        layer.layer(service_fn(move |request: Sent| {
            tenant.clone().serve(request)
        }))
    };
    for leaves in [false, true] {
        let crowd: Vec<_> = (0..CROWD)
            .map(|_| tokio::spawn(service().oneshot(post(OPT_OUT))))
            .collect();
        sleep(CALL * 3 / 2).await;
        let mut left = 0;
        for response in crowd {
            if leaves {
                response.abort();
            }
            left += usize::from(response.await.is_err());
        }
        assert_eq!(left > 0, leaves);
        let response = service().oneshot(post(OPT_OUT)).await.unwrap();
        assert_eq!(response.status(), 200);
        *tenant.known.lock().unwrap() = false;
    }
}

#[tokio::test(start_paused = true)]
async fn other_addresses_are_not_held_up_by_a_crowd() {
    let tenant = Tenant::new(false, even);
    let layer = CommsUpsertLayer::new(CommsPolicy::new());
    let service = || {
        let tenant = tenant.clone();
        layer.layer(service_fn(move |request: Sent| {
            tenant.clone().serve(request)
        }))
    };
    for _ in 0..CROWD {
        tokio::spawn(service().oneshot(post(OPT_OUT)));
    }
    tokio::task::yield_now().await;
    let start = Instant::now();
    let response = service().oneshot(post(r#"{"email":"eve@example.com"}"#));
    assert_eq!(response.await.unwrap().status(), 200);
    assert!(start.elapsed() <= CALL * 2);
}

/// A creation that hangs holds the others for a bounded time.
#[tokio::test(start_paused = true)]
async fn waiting_for_a_creation_ends() {
    fn stuck(_: usize, method: &Method) -> Duration {
        match *method {
            Method::POST => Duration::from_secs(3600),
            _ => CALL,
        }
    }
    let tenant = Tenant::new(false, stuck);
    let layer = CommsUpsertLayer::new(CommsPolicy::new());
    let service = || {
        let tenant = tenant.clone();
        layer.layer(service_fn(move |request: Sent| {
            tenant.clone().serve(request)
        }))
    };
    let first = tokio::spawn(service().oneshot(post(OPT_OUT)));
    sleep(CALL).await;
    let observed = observe(service().oneshot(post(OPT_OUT))).await;
    assert_eq!(
        (observed.status, observed.retry_after.as_deref()),
        (503, Some("1"))
    );
    assert!(observed.time <= Duration::from_secs(6), "{observed:?}");
    assert_eq!(tenant.count("POST /profiles"), 1);
    first.abort();
}

/// With a quantum that is longer than the deadline for waiting, a slow creation stays unseen.
#[tokio::test(start_paused = true)]
async fn a_creation_within_the_quantum_is_no_reason_for_a_503() {
    fn slow(_: usize, method: &Method) -> Duration {
        match *method {
            Method::POST => Duration::from_secs(15),
            _ => CALL,
        }
    }
    let policy = CommsPolicy::new()
        .with_uniform_latency(Duration::from_secs(20))
        .unwrap();
    let [known, new] = [true, false].map(|known| Tenant::new(known, slow));
    let seen = [
        crowd(&known, policy.clone(), 20, Duration::ZERO).await,
        crowd(&new, policy, 20, Duration::ZERO).await,
    ];
    assert_eq!(seen[0], seen[1]);
    assert!(seen[0].iter().all(|observed| observed.status == 200));
}

/// The first caller leaves in the middle of the creation: the others do not wait for it.
#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_while_creating_wakes_those_who_wait() {
    let tenant = Tenant::new(false, even);
    let layer = CommsUpsertLayer::new(CommsPolicy::new());
    let service = || {
        let tenant = tenant.clone();
        layer.layer(service_fn(move |request: Sent| {
            tenant.clone().serve(request)
        }))
    };
    let first = tokio::spawn(service().oneshot(post(OPT_OUT)));
    let second = tokio::spawn(observe(service().oneshot(post(OPT_OUT))));
    sleep(CALL * 3 / 2).await;
    first.abort();
    let observed = second.await.unwrap();
    assert_eq!(observed.status, 200);
    assert!(observed.time <= CALL * 4, "{observed:?}");
    assert_eq!(tenant.count("POST /profiles"), 2);
}
