//! Whether a client can distinguish customers from other people. Responses differ only in time, and
//! with uniform latency not even in time.

use std::time::Duration;

use omneo_id::sandbox::{Sandbox, SandboxBody};
use tokio::time::{Instant, sleep};

use super::*;

/// Everything that a client observes of a response.
#[derive(Clone, Debug, PartialEq)]
struct Observed {
    response: String,
    time: Duration,
}

/// Signs up at a tenant whose creations take longer than its updates, each with jitter. Every other
/// pair of payloads has no consent, so that a known profile is not written.
async fn observe(sandbox: &Sandbox, policy: &CommsPolicy, known: bool, sample: u64) -> Observed {
    let mut state = sample.wrapping_mul(2).wrapping_add(u64::from(known));
    let tenant = {
        let sandbox = sandbox.clone();
        service_fn(move |request: Sent| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let jitter = (state >> 33) % 20;
            let work = if request.method() == Method::POST {
                35
            } else {
                15
            };
            let (mut parts, body) = request.into_parts();
            parts.uri = format!("/api/v3{}", parts.uri).parse().unwrap();
            let credential = format!("Bearer {}", sandbox.api_token());
            parts
                .headers
                .insert("authorization", credential.parse().unwrap());
            let sandbox = sandbox.clone();
            async move {
                sleep(Duration::from_millis(work + jitter)).await;
                let response = sandbox.oneshot(Request::from_parts(parts, body)).await;
                response.map_err(|error| error.to_string())
            }
        })
    };
    let email = if known {
        Sandbox::ADA_EMAIL.to_owned()
    } else {
        format!("new{sample}@example.com")
    };
    let payload = match sample % 4 {
        0 | 1 => {
            format!(r#"{{"email":"{email}","attributes":{{"comms":{{"sms_promo":true}}}}}}"#)
        }
        _ => format!(r#"{{"email":"{email}"}}"#),
    };
    let start = Instant::now();
    let service = CommsUpsert::new(tenant, policy.clone());
    let response: Response<omneo_id::body::ResponseBody<SandboxBody>> =
        service.oneshot(post(&payload)).await.unwrap();
    let (parts, body) = response.into_parts();
    let size = http_body::Body::size_hint(&body).exact();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned();
    let headers: Vec<_> = parts.headers.iter().collect();
    Observed {
        response: format!(
            "{:?} {} {headers:?} {size:?} {:?} {trailers:?}",
            parts.version,
            parts.status,
            body.to_bytes()
        ),
        time: start.elapsed(),
    }
}

/// Samples of known and new people, alternating.
async fn samples(policy: CommsPolicy) -> Vec<(bool, Observed)> {
    let sandbox = Sandbox::new();
    let mut samples = Vec::new();
    for sample in 0..80 {
        let known = sample % 2 == 0;
        samples.push((known, observe(&sandbox, &policy, known, sample).await));
    }
    samples
}

/// Learns the best rule from one half of the samples, and returns its success rate on the other
/// half. A rule classifies a person as known if the response equals (or differs from) a given one,
/// or if its time is at most (or above) a given one.
fn best_guess(samples: &[(bool, Observed)]) -> f64 {
    let (training, validation) = samples.split_at(samples.len() / 2);
    let rate = |rule: &dyn Fn(&Observed) -> bool, samples: &[(bool, Observed)]| {
        let right = samples
            .iter()
            .filter(|(known, observed)| rule(observed) == *known)
            .count();
        right as f64 / samples.len() as f64
    };
    let mut best = (0.0, 0.0);
    for (_, model) in training {
        let earlier = |observed: &Observed| observed.time <= model.time;
        let later = |observed: &Observed| observed.time > model.time;
        let same = |observed: &Observed| observed.response == model.response;
        let other = |observed: &Observed| observed.response != model.response;
        let rules: [&dyn Fn(&Observed) -> bool; 4] = [&earlier, &later, &same, &other];
        for rule in rules {
            let learned = rate(rule, training);
            if learned > best.0 {
                best = (learned, rate(rule, validation));
            }
        }
    }
    best.1
}

fn uniform(millis: u64) -> CommsPolicy {
    CommsPolicy::new()
        .with_uniform_latency(Duration::from_millis(millis))
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn with_uniform_latency_no_rule_beats_chance() {
    let samples = samples(uniform(200)).await;
    assert_eq!(best_guess(&samples), 0.5);
    // No other rule could do better: all observations are equal.
    let (_, first) = &samples[0];
    assert!(samples.iter().all(|(_, observed)| observed == first));
}

#[tokio::test(start_paused = true)]
async fn without_uniform_latency_the_response_time_reveals_customers() {
    let samples = samples(CommsPolicy::new()).await;
    let rate = best_guess(&samples);
    assert!(rate > 0.8, "{rate}");
    let (_, first) = &samples[0];
    let same = |(_, observed): &(bool, Observed)| observed.response == first.response;
    assert!(samples.iter().all(same), "only the time differs");
}

#[tokio::test(start_paused = true)]
async fn a_quantum_shorter_than_a_sign_up_reveals_customers() {
    let rate = best_guess(&samples(uniform(60)).await);
    assert!(rate > 0.7, "{rate}");
}

/// Rules about the response are learned too: a difference of one byte is detected.
#[test]
fn a_different_response_is_detected() {
    let samples: Vec<_> = (0..160)
        .map(|sample| {
            let known = sample % 2 == 0;
            let response = if known { "{}" } else { "{} " }.to_owned();
            let time = Duration::from_millis(200);
            (known, Observed { response, time })
        })
        .collect();
    assert_eq!(best_guess(&samples), 1.0);
}
