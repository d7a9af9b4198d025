//! Concurrent sign-ups of one address: their number is bounded, they are as fast as a single one,
//! and they look the same for known and new people.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::*;

const CALL: Duration = Duration::from_millis(50);
const QUANTUM: Duration = Duration::from_secs(1);
/// More sign-ups than are admitted per address.
const OVER_LIMIT: usize = 60;

/// A tenant whose calls take time, and that rejects duplicate addresses. It counts creations.
#[derive(Clone)]
struct Tenant {
    known: Arc<Mutex<bool>>,
    creations: Arc<Mutex<usize>>,
    lines: Arc<Mutex<Vec<String>>>,
    /// The duration of a call, by its number and method.
    duration: fn(usize, &Method) -> Duration,
    /// A response that replaces the result of a creation.
    rejection: Option<(u16, &'static str)>,
}

impl Tenant {
    fn new(known: bool, duration: fn(usize, &Method) -> Duration) -> Self {
        Self {
            known: Arc::new(Mutex::new(known)),
            creations: Arc::default(),
            lines: Arc::default(),
            duration,
            rejection: None,
        }
    }

    async fn serve(self, request: Sent) -> Result<Response<Full<Bytes>>, Infallible> {
        let number = {
            let mut lines = self.lines.lock().unwrap();
            lines.push(format!("{} {}", request.method(), request.uri().path()));
            lines.len()
        };
        sleep((self.duration)(number, request.method())).await;
        let mut known = self.known.lock().unwrap();
        Ok(match *request.method() {
            Method::GET if *known => respond(200, ADA),
            Method::GET => respond(200, NO_PROFILES),
            Method::POST if *known => respond(422, TAKEN),
            Method::POST => match self.rejection {
                Some((status, body)) => respond(status, body),
                None => {
                    *known = true;
                    *self.creations.lock().unwrap() += 1;
                    respond(201, "{}")
                }
            },
            _ => respond(200, "{}"),
        })
    }

    /// A service of `layer` in front of this tenant.
    fn behind(
        &self,
        layer: &CommsUpsertLayer,
    ) -> CommsUpsert<
        impl Service<Sent, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
    > {
        let tenant = self.clone();
        layer.layer(service_fn(move |request: Sent| {
            tenant.clone().serve(request)
        }))
    }

    fn count(&self, line: &str) -> usize {
        let lines = self.lines.lock().unwrap();
        lines.iter().filter(|seen| *seen == line).count()
    }
}

/// Everything that a client observes of a response.
#[derive(Clone, Debug, PartialEq)]
struct Observed {
    status: u16,
    retry_after: Option<String>,
    body: Bytes,
    time: Duration,
}

/// Sends `size` sign-ups of one address, `apart` after each other. Returns the observations in the
/// order of the requests.
async fn sign_up_concurrently(
    tenant: &Tenant,
    policy: CommsPolicy,
    size: usize,
    apart: Duration,
) -> Vec<Observed> {
    let layer = CommsUpsertLayer::new(policy);
    let mut waiting = Vec::new();
    for _ in 0..size {
        let service = tenant.behind(&layer);
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

/// [`sign_up_concurrently`] at each tenant. Asserts that clients observe the same at both.
async fn sign_up_at_both(
    tenants: [&Tenant; 2],
    policy: &CommsPolicy,
    size: usize,
    apart: Duration,
) -> Vec<Observed> {
    let first = sign_up_concurrently(tenants[0], policy.clone(), size, apart).await;
    let second = sign_up_concurrently(tenants[1], policy.clone(), size, apart).await;
    assert_eq!(first, second, "{size} sign-ups, {apart:?}");
    first
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

fn constant(_: usize, _: &Method) -> Duration {
    CALL
}

/// Creations take longer, and every call has jitter.
fn with_jitter(number: usize, method: &Method) -> Duration {
    let jitter = (number as u64).wrapping_mul(2_654_435_761) % 20;
    let work = if *method == Method::POST { 90 } else { 15 };
    Duration::from_millis(work + jitter)
}

/// A creation takes this number of seconds.
fn with_creation_of(seconds: u64, method: &Method) -> Duration {
    match *method {
        Method::POST => Duration::from_secs(seconds),
        _ => CALL,
    }
}

fn uniform() -> CommsPolicy {
    CommsPolicy::new().with_uniform_latency(QUANTUM).unwrap()
}

#[tokio::test(start_paused = true)]
async fn concurrent_sign_ups_take_one_quantum_for_known_and_new_people() {
    for work in [constant as fn(usize, &Method) -> Duration, with_jitter] {
        for size in [1, 2, 5, 20, OVER_LIMIT] {
            for apart in [0, 7, 90].map(Duration::from_millis) {
                let [known, new] = [true, false].map(|known| Tenant::new(known, work));
                let tenants = [&known, &new];
                let observed = sign_up_at_both(tenants, &uniform(), size, apart).await;
                assert!(observed.iter().all(|observed| observed.time == QUANTUM));
                assert_eq!(*new.creations.lock().unwrap(), 1);
                assert_eq!(new.count("POST /profiles"), 1, "creations do not race");
            }
        }
    }
}

/// Each sign-up sends a payload that the tenant rejects. The requests must not be sent
/// sequentially.
#[tokio::test(start_paused = true)]
async fn concurrent_rejected_sign_ups_take_one_quantum() {
    let policy = uniform().conceal_tenant_validation();
    for size in [1, 5, 20, OVER_LIMIT] {
        let known = Tenant::new(true, constant);
        let mut new = Tenant::new(false, constant);
        new.rejection = Some((422, r#"{"errors":{"first_name":["no"]}}"#));
        let observed = sign_up_at_both([&known, &new], &policy, size, Duration::ZERO).await;
        assert!(observed.iter().all(|observed| observed.time == QUANTUM));
    }
}

#[tokio::test(start_paused = true)]
async fn sign_ups_beyond_the_bound_get_a_503_with_retry_after() {
    for known in [true, false] {
        let tenant = Tenant::new(known, constant);
        let policy = CommsPolicy::new();
        let observed = sign_up_concurrently(&tenant, policy, OVER_LIMIT, Duration::ZERO).await;
        let (admitted, rejected): (Vec<_>, Vec<_>) = observed
            .into_iter()
            .partition(|observed| observed.status == 200);
        assert!(
            (20..OVER_LIMIT).contains(&admitted.len()),
            "{}",
            admitted.len()
        );
        for observed in rejected {
            assert_eq!(observed.status, 503);
            assert_eq!(observed.retry_after.as_deref(), Some("1"));
            assert_eq!(observed.time, Duration::ZERO, "without a tenant call");
        }
        // A known person costs two calls. A new one waits for the creation, then finds the profile.
        assert!(admitted.iter().all(|observed| observed.time <= CALL * 4));
        let calls = tenant.lines.lock().unwrap().len();
        assert!(calls <= admitted.len() * 3, "{calls}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_in_flight_count_drops_after_responses_and_cancellations() {
    let tenant = Tenant::new(false, constant);
    let layer = CommsUpsertLayer::new(CommsPolicy::new());
    let service = || tenant.behind(&layer);
    for is_cancelled in [false, true] {
        let responses: Vec<_> = (0..OVER_LIMIT)
            .map(|_| tokio::spawn(service().oneshot(post(OPT_OUT))))
            .collect();
        sleep(CALL * 3 / 2).await;
        let mut cancelled = 0;
        for response in responses {
            if is_cancelled {
                response.abort();
            }
            cancelled += usize::from(response.await.is_err());
        }
        assert_eq!(cancelled > 0, is_cancelled);
        let response = service().oneshot(post(OPT_OUT)).await.unwrap();
        assert_eq!(response.status(), 200);
        *tenant.known.lock().unwrap() = false;
    }
}

#[tokio::test(start_paused = true)]
async fn concurrent_sign_ups_of_one_address_do_not_delay_other_addresses() {
    let tenant = Tenant::new(false, constant);
    let layer = CommsUpsertLayer::new(CommsPolicy::new());
    let service = || tenant.behind(&layer);
    for _ in 0..OVER_LIMIT {
        tokio::spawn(service().oneshot(post(OPT_OUT)));
    }
    tokio::task::yield_now().await;
    let start = Instant::now();
    let response = service().oneshot(post(r#"{"email":"eve@example.com"}"#));
    assert_eq!(response.await.unwrap().status(), 200);
    assert!(start.elapsed() <= CALL * 2);
}

/// An unfinished creation delays the others for a bounded time.
#[tokio::test(start_paused = true)]
async fn waiting_for_a_creation_times_out() {
    let tenant = Tenant::new(false, |_, method| with_creation_of(3_600, method));
    let layer = CommsUpsertLayer::new(CommsPolicy::new());
    let service = || tenant.behind(&layer);
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

/// A quantum longer than the wait timeout replaces it, so a slow creation is not revealed.
#[tokio::test(start_paused = true)]
async fn a_creation_within_the_quantum_does_not_cause_a_503() {
    let policy = CommsPolicy::new()
        .with_uniform_latency(Duration::from_secs(20))
        .unwrap();
    let [known, new] =
        [true, false].map(|known| Tenant::new(known, |_, method| with_creation_of(15, method)));
    let observed = sign_up_at_both([&known, &new], &policy, 20, Duration::ZERO).await;
    assert!(observed.iter().all(|observed| observed.status == 200));
}

/// The first sign-up is cancelled during its creation: the others do not wait for it.
#[tokio::test(start_paused = true)]
async fn a_cancelled_creation_wakes_the_waiting_sign_ups() {
    let tenant = Tenant::new(false, constant);
    let layer = CommsUpsertLayer::new(CommsPolicy::new());
    let service = || tenant.behind(&layer);
    let first = tokio::spawn(service().oneshot(post(OPT_OUT)));
    let second = tokio::spawn(observe(service().oneshot(post(OPT_OUT))));
    sleep(CALL * 3 / 2).await;
    first.abort();
    let observed = second.await.unwrap();
    assert_eq!(observed.status, 200);
    assert!(observed.time <= CALL * 4, "{observed:?}");
    assert_eq!(tenant.count("POST /profiles"), 2);
}
