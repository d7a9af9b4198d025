//! What can be told from outside about who is a customer: everything but the time is the same, and with a uniform
//! latency the time is.

use std::time::Duration;

use omneo_id::sandbox::{Sandbox, SandboxBody};
use tokio::time::{Instant, sleep};

use super::*;

/// All that a client can see of an answer.
#[derive(Clone, Debug, PartialEq)]
struct Observed {
    answer: String,
    time: Duration,
}

/// A tenant that takes its time: creating takes longer than changing, and both vary.
async fn observe(policy: &CommsPolicy, known: bool, sample: u64) -> Observed {
    let sandbox = Sandbox::new();
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
                let answer = sandbox.oneshot(Request::from_parts(parts, body)).await;
                answer.map_err(|error| error.to_string())
            }
        })
    };
    let email = if known {
        Sandbox::ADA_EMAIL
    } else {
        "nobody@example.com"
    };
    let payload = format!(r#"{{"email":"{email}","attributes":{{"comms":{{"sms_promo":true}}}}}}"#);
    let start = Instant::now();
    let service = CommsUpsert::new(tenant, policy.clone());
    let response: Response<omneo_id::body::ResponseBody<SandboxBody>> =
        service.oneshot(post(&payload)).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Observed {
        answer: format!("{} {:?} {body:?}", parts.status, parts.headers),
        time: start.elapsed(),
    }
}

/// How often the best rule learned from one half of the samples is right about the other half. A rule: "known" if the
/// answer is this one, and came before that moment (or behind it).
async fn best_guess(policy: CommsPolicy) -> f64 {
    let mut samples = Vec::new();
    for sample in 0..160 {
        let known = sample % 2 == 0;
        samples.push((known, observe(&policy, known, sample).await));
    }
    let (seen, unseen) = samples.split_at(80);
    let rate = |rule: &dyn Fn(&Observed) -> bool, samples: &[(bool, Observed)]| {
        let right = samples
            .iter()
            .filter(|(known, observed)| rule(observed) == *known)
            .count();
        right as f64 / samples.len() as f64
    };
    let mut best = (0.0, 0.0);
    for (_, model) in seen {
        let earlier = |observed: &Observed| observed.time <= model.time;
        let later = |observed: &Observed| observed.time > model.time;
        let same = |observed: &Observed| observed.answer == model.answer;
        let other = |observed: &Observed| observed.answer != model.answer;
        let rules: [&dyn Fn(&Observed) -> bool; 4] = [&earlier, &later, &same, &other];
        for rule in rules {
            let learned = rate(rule, seen);
            if learned > best.0 {
                best = (learned, rate(rule, unseen));
            }
        }
    }
    best.1
}

#[tokio::test(start_paused = true)]
async fn with_a_uniform_latency_no_rule_beats_chance() {
    let policy = CommsPolicy::new()
        .with_uniform_latency(Duration::from_millis(200))
        .unwrap();
    let rate = best_guess(policy).await;
    assert!((0.4..=0.6).contains(&rate), "{rate}");
}

#[tokio::test(start_paused = true)]
async fn without_it_the_time_tells_and_this_test_would_see_it() {
    let rate = best_guess(CommsPolicy::new()).await;
    assert!(rate > 0.8, "{rate}");
}
