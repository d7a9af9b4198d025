//! Responses at multiples of a quantum.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::*;
use crate::support::body::{data, fed};

const QUANTUM: Duration = Duration::from_millis(250);

/// The time until the response if the tenant takes `work` milliseconds.
async fn latency(work: u64, payload: &str) -> Duration {
    let tenant = service_fn(move |_: Sent| async move {
        sleep(Duration::from_millis(work)).await;
        Ok::<_, Infallible>(respond(200, ADA))
    });
    let policy = CommsPolicy::new().with_uniform_latency(QUANTUM).unwrap();
    let start = Instant::now();
    let service = CommsUpsert::new(tenant, policy);
    service.oneshot(post(payload)).await.unwrap();
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn responses_are_sent_at_multiples_of_the_quantum() {
    assert_eq!(latency(0, OPT_OUT).await, QUANTUM);
    assert_eq!(latency(1, OPT_OUT).await, QUANTUM);
    assert_eq!(latency(124, OPT_OUT).await, QUANTUM);
    assert_eq!(latency(126, OPT_OUT).await, QUANTUM * 2);
    assert_eq!(latency(1, "{}").await, QUANTUM, "rejections as well");
}

#[tokio::test(start_paused = true)]
async fn an_idle_body_is_rejected_after_the_idle_timeout_of_the_host() {
    let (_feeder, body) = fed();
    let body = omneo_id::body::IdleTimeout::new(body, QUANTUM);
    let request = post("").map(|_| Body::new(body));
    let response = Script::new([]).send(CommsPolicy::new(), request).await;
    assert_eq!(rejection_kind(&response), RejectionKind::RequestTimeout);
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_does_not_shift_the_quantum() {
    let tenant = service_fn(async |_: Sent| {
        sleep(Duration::from_millis(100)).await;
        Ok::<_, Infallible>(respond(200, ADA))
    });
    let policy = CommsPolicy::new().with_uniform_latency(QUANTUM).unwrap();
    let (feeder, body) = fed();
    let response = tokio::spawn(CommsUpsert::new(tenant, policy).oneshot(post("").map(|_| body)));
    sleep(QUANTUM - Duration::from_millis(50)).await;
    let sent = Instant::now();
    feeder.try_send(data(OPT_OUT)).unwrap();
    drop(feeder);
    response.await.unwrap().unwrap();
    assert_eq!(sent.elapsed(), QUANTUM);
}

#[test]
fn a_quantum_is_greater_than_zero_and_at_most_a_minute() {
    assert!(
        CommsPolicy::new()
            .with_uniform_latency(Duration::ZERO)
            .is_err()
    );
    assert!(
        CommsPolicy::new()
            .with_uniform_latency(Duration::from_secs(61))
            .is_err()
    );
}
