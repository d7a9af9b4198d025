//! The upsert in front of the sandbox: a tenant with loose filters, people who look alike, and rules.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use omneo_id::sandbox::{Sandbox, SandboxBody};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

type Shop = tower::util::BoxCloneService<Sent, Response<SandboxBody>, String>;

/// The sandbox at relative paths, with its credential; others may come between any two requests.
fn tenant(sandbox: &Sandbox, hesitate: impl Fn(&Method) -> Pause + Clone + Send + 'static) -> Shop {
    let sandbox = sandbox.clone();
    Shop::new(service_fn(move |request: Sent| {
        let (mut parts, body) = request.into_parts();
        parts.uri = format!("{}{}", sandbox.base_path(), parts.uri)
            .parse()
            .unwrap();
        let credential = format!("Bearer {}", sandbox.api_token());
        parts
            .headers
            .insert("authorization", credential.parse().unwrap());
        let pause = hesitate(&parts.method);
        let sandbox = sandbox.clone();
        async move {
            pause.await;
            let answer = sandbox.oneshot(Request::from_parts(parts, body)).await;
            answer.map_err(|error| error.to_string())
        }
    }))
}

type Pause = Pin<Box<dyn Future<Output = ()> + Send>>;

async fn sign_up(service: CommsUpsert<Shop>, payload: String) -> Response<Bytes> {
    let (parts, body) = service.oneshot(post(&payload)).await.unwrap().into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

fn at_once(_: &Method) -> Pause {
    Box::pin(std::future::ready(()))
}

fn in_front_of(sandbox: &Sandbox) -> CommsUpsert<Shop> {
    CommsUpsert::new(tenant(sandbox, at_once), CommsPolicy::new())
}

#[tokio::test]
async fn everybody_of_the_seed_is_found_among_their_look_alikes() {
    let sandbox = Sandbox::new();
    let service = in_front_of(&sandbox);
    for customer in sandbox.customers() {
        let Some(email) = customer.email else {
            continue;
        };
        let payload = json!({"email": email.to_uppercase(), "attributes": {"comms": {"post_service": false}}});
        let response = sign_up(service.clone(), payload.to_string()).await;
        // Upper case beyond ASCII is another letter, and somebody else.
        if email.is_ascii() {
            assert_eq!(
                response.extensions().get(),
                Some(&UpsertOutcome::Updated),
                "{email}"
            );
            let comms = &sandbox.profile(&customer.id).unwrap()["attributes"]["comms"];
            assert_eq!(comms["post_service"], false, "{email}");
        }
    }
}

#[tokio::test]
async fn wildcards_and_parts_of_addresses_are_new_people() {
    let sandbox = Sandbox::new();
    let service = in_front_of(&sandbox);
    let before = sandbox.profiles();
    let strangers = [
        "%@example.com",
        "_da.lovelace@example.com",
        "a@example.com",
        "lovelace@example.com",
        "ada.lovelace@example.co",
        "*@example.com",
        "kim%2Bvip@example.com",
    ];
    for email in strangers {
        let payload =
            format!(r#"{{"email":"{email}","attributes":{{"comms":{{"sms_optout":true}}}}}}"#);
        let response = sign_up(service.clone(), payload).await;
        assert_eq!(
            response.extensions().get(),
            Some(&UpsertOutcome::Created),
            "{email}"
        );
    }
    assert_eq!(sandbox.profiles()[..before.len()], before[..]);
    assert_eq!(sandbox.profiles().len(), before.len() + strangers.len());
}

#[tokio::test]
async fn a_lost_answer_is_repaired_by_trying_again() {
    use omneo_id::sandbox::Fault;

    let sandbox = Sandbox::new();
    let service = in_front_of(&sandbox);
    let before = sandbox.profiles().len();
    let payload = r#"{"email":"new@example.com","attributes":{"comms":{"sms_promo":true}}}"#;
    sandbox.inject(Fault::reset().after_effect().on_method(Method::POST));
    let lost = service.clone().oneshot(post(payload)).await;
    assert!(lost.is_err(), "the inner service's error stays one");
    let response = sign_up(service, payload.to_owned()).await;
    assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Updated));
    assert_eq!(sandbox.profiles().len(), before + 1);
}

// The model.

/// The consent that the sequences set.
const FLAGS: [&str; 3] = ["email_promo", "email_optout", "sms_promo"];

/// People: some are there, one has a `+`, one is known by phone only, the last two are new.
const PEOPLE: [(&str, Option<&str>); 6] = [
    (Sandbox::ADA_EMAIL, None),
    (Sandbox::GRACE_EMAIL, None),
    (Sandbox::KIM_EMAIL, None),
    ("ada.elsewhere@example.org", Some(Sandbox::ADA_PHONE)),
    ("new+one@example.com", Some("+61 491 570 999")),
    ("new_two@example.com", None),
];

#[derive(Clone, Debug)]
struct Step {
    person: usize,
    shout: bool,
    first_name: Option<String>,
    flags: BTreeMap<&'static str, bool>,
}

impl Step {
    fn payload(&self) -> String {
        let (email, phone) = PEOPLE[self.person];
        let email = if self.shout {
            email.to_uppercase()
        } else {
            email.to_owned()
        };
        let mut payload = json!({"email": email, "attributes": {"comms": self.flags}});
        if let Some(phone) = phone {
            payload["mobile_phone"] = json!(phone);
        }
        if let Some(name) = &self.first_name {
            payload["first_name"] = json!(name);
        }
        payload.to_string()
    }
}

fn step() -> impl Strategy<Value = Step> {
    let flags =
        proptest::collection::btree_map(proptest::sample::select(&FLAGS[..]), any::<bool>(), 0..=3);
    let name = proptest::option::of("[A-Z][a-z]{1,5}");
    (0..PEOPLE.len(), any::<bool>(), name, flags).prop_map(|(person, shout, first_name, flags)| {
        Step {
            person,
            shout,
            first_name,
            flags,
        }
    })
}

/// What the naive model knows of a person: each flag's possible values, first names they may have.
#[derive(Default)]
struct Known {
    flags: BTreeMap<&'static str, Vec<Value>>,
    names: Option<Vec<String>>,
}

/// The same for everybody that a look-up finds as one.
fn same_person(person: usize) -> usize {
    if PEOPLE[person].1 == Some(Sandbox::ADA_PHONE) {
        0
    } else {
        person
    }
}

fn find(sandbox: &Sandbox, person: usize) -> Option<Value> {
    let (email, _) = PEOPLE[person];
    sandbox.profiles().into_iter().find(|profile| {
        profile["email"]
            .as_str()
            .is_some_and(|other| other.eq_ignore_ascii_case(email))
    })
}

/// A profile without what a sign-up may change.
fn rest(mut profile: Value) -> Value {
    let profile_members = profile.as_object_mut().unwrap();
    let comms = profile_members["attributes"]["comms"]
        .as_object_mut()
        .unwrap();
    let kept: Map<_, _> = std::mem::take(comms)
        .into_iter()
        .filter(|(name, _)| !FLAGS.contains(&name.as_str()) && name != "updated_at")
        .collect();
    *comms = kept;
    profile_members.remove("updated_at");
    profile
}

async fn run(batches: Vec<Vec<Step>>) {
    let sandbox = Sandbox::new();
    let before: Vec<Value> = sandbox.profiles().into_iter().map(rest).collect();
    let count = AtomicU64::new(0);
    let count = Arc::new(count);
    let hesitate = move |_: &Method| -> Pause {
        let turns = count.fetch_add(1, Ordering::Relaxed).wrapping_mul(7) % 5;
        Box::pin(async move {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        })
    };
    // Two processes, and two connections to each.
    let processes =
        [(); 2].map(|()| CommsUpsert::new(tenant(&sandbox, hesitate.clone()), CommsPolicy::new()));
    let mut model: BTreeMap<usize, Known> = BTreeMap::new();
    for (person, _) in PEOPLE.iter().enumerate() {
        if let Some(profile) = find(&sandbox, person) {
            let flags =
                FLAGS.map(|flag| (flag, vec![profile["attributes"]["comms"][flag].clone()]));
            let known = Known {
                flags: flags.into(),
                names: None,
            };
            model.insert(person, known);
        }
    }
    for batch in batches {
        let mut waiting = Vec::new();
        for (index, step) in batch.iter().enumerate() {
            let process = processes[index % 2].clone();
            waiting.push(tokio::spawn(sign_up(process, step.payload())));
        }
        for response in waiting {
            let response = response.await.unwrap();
            assert_eq!(
                (response.status().as_u16(), response.body().as_ref()),
                (200, SUCCESS.as_bytes())
            );
        }
        // The naive model: whoever writes last wins, and who that is within a batch is open.
        let mut written: BTreeMap<(usize, &str), Vec<Value>> = BTreeMap::new();
        for step in &batch {
            let person = same_person(step.person);
            for (flag, value) in &step.flags {
                written
                    .entry((person, flag))
                    .or_default()
                    .push(json!(value));
            }
        }
        for step in &batch {
            let person = same_person(step.person);
            if !model.contains_key(&person) {
                let steps = || {
                    batch
                        .iter()
                        .filter(|other| same_person(other.person) == person)
                };
                let name = |step: &Step| {
                    step.first_name
                        .clone()
                        .unwrap_or_else(|| "unknown".to_owned())
                };
                let mut known = Known {
                    names: Some(steps().map(name).collect()),
                    ..Known::default()
                };
                for flag in FLAGS {
                    let values = steps().map(|step| match (flag, step.flags.get(flag)) {
                        (_, Some(value)) => json!(value),
                        ("email_promo", _) if step.flags.get("email_optout") == Some(&true) => {
                            Value::Null
                        }
                        ("email_promo", _) => json!(true),
                        ("email_optout", _) => json!(false),
                        _ => Value::Null,
                    });
                    known.flags.insert(flag, values.collect());
                }
                // Whoever did not create may have written behind the one who did.
                for (flag, values) in &mut known.flags {
                    values.extend(written.get(&(person, *flag)).into_iter().flatten().cloned());
                }
                model.insert(person, known);
            } else if batch
                .iter()
                .filter(|other| same_person(other.person) == person)
                .count()
                > 0
            {
                let known = model.get_mut(&person).unwrap();
                if known.names.is_some() && known.flags.is_empty() {
                    continue;
                }
                for flag in FLAGS {
                    // Created in this very batch: the possibilities are there already.
                    let open = known.flags.get(flag).is_some_and(|values| values.len() > 1);
                    if let Some(values) = written.get(&(person, flag)) {
                        let entry = known.flags.entry(flag).or_default();
                        if !open {
                            entry.clear();
                        }
                        entry.extend(values.iter().cloned());
                    }
                }
            }
        }
        // What is seen now is what is known from now on.
        for (person, known) in &mut model {
            let profile = find(&sandbox, *person).unwrap();
            for (flag, values) in &mut known.flags {
                let seen = &profile["attributes"]["comms"][*flag];
                assert!(
                    values.contains(seen),
                    "{flag} of {person}: {seen}, not of {values:?}"
                );
                *values = vec![seen.clone()];
            }
            if let Some(names) = &mut known.names {
                let seen = profile["first_name"].as_str().unwrap().to_owned();
                assert!(names.contains(&seen), "{seen}, not of {names:?}");
                *names = vec![seen];
            }
        }
    }
    let after: Vec<Value> = sandbox.profiles().into_iter().map(rest).collect();
    assert_eq!(
        after[..before.len()],
        before[..],
        "nothing but consent ever changed"
    );
    let created = model.values().filter(|known| known.names.is_some()).count();
    assert_eq!(after.len(), before.len() + created, "nobody is there twice");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn concurrent_sign_ups_end_as_the_naive_model_does(
        batches in proptest::collection::vec(proptest::collection::vec(step(), 1..5), 1..6)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(batches));
    }
}
